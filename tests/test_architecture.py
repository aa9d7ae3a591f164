"""Imports run one way: config -> training -> analysis -> output -> search -> api -> commands -> finder."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lrfind"

MAY_IMPORT = {
    "__init__": {"answer", "finder", "errors"},
    "errors": set(),
    "launch": {"errors"},
    "record": {"errors"},
    "shape": {"record", "errors"},
    "document": {"shape", "record", "errors"},
    "history": {"record", "errors"},
    "sanity": {"history", "shape", "record", "errors"},
    "verdict": {"record", "errors"},
    "config": {"config", "errors"},
    "training": {"training", "launch", "record", "errors"},
    "explanation": {"record"},
    "analysis": {"analysis", "explanation", "record"},
    "output": {"output", "explanation", "verdict", "record", "errors"},
    "search": {"training", "analysis", "record", "errors"},
    "reread": {"__init__", "analysis", "history", "sanity", "document", "shape", "record", "errors"},
    "api": {"__init__", "search", "config", "training", "launch", "analysis", "record", "errors"},
    "trials": {"api", "search", "config", "training", "launch", "record", "errors"},
    "commands": {
        *("__init__", "commands", "search", "api", "trials", "reread", "config", "output"),
        *("analysis", "explanation", "launch", "history", "verdict", "document", "shape", "record", "errors"),
    },
    "answer": {"training", "output", "reread", "document", "record", "errors"},
    "arguments": {"config"},
    "finder": {
        *("answer", "arguments", "commands", "search", "api", "config"),
        *("training", "output", "launch", "record", "errors"),
    },
    "callbacks": {"callbacks", "answer", "finder", "training", "errors"},
    "__main__": {"commands"},
}
TEMPLATES = PACKAGE / "templates"
"""What `lrfind init` writes for its users: code of theirs, which no room may import."""
MODULES = sorted(module for module in PACKAGE.rglob("*.py") if module.parent != TEMPLATES)


def room(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(module: Path) -> set[str]:
    """Return the dotted names that a module imports, at any depth of its code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            names.add(node.module or "")
    return names


def own_rooms(module: Path) -> set[str]:
    names = {name for name in imported(module) if name.split(".")[0] == "lrfind"}
    return {name.split(".")[1] if "." in name else "__init__" for name in names}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_the_rooms_above_it(module: Path) -> None:
    allowed = MAY_IMPORT[room(module)] | ({"config"} if module.name in ("build.py", "job.py") else set())
    assert own_rooms(module) <= allowed


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_in_their_own_room(module: Path) -> None:
    libraries = {name.split(".")[0] for name in imported(module)}
    if room(module) not in ("training", "search", "api", "finder", "callbacks"):
        assert not libraries & {"torch", "torchvision"}
    if room(module) not in ("output", "answer"):
        assert "matplotlib" not in libraries


def test_no_circle_within_a_room() -> None:
    edges = {
        ".".join(("lrfind", *module.relative_to(PACKAGE).with_suffix("").parts)): imported(module) for module in MODULES
    }
    seen: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"circle: {' -> '.join((*path, module))}"
        if module in edges and module not in seen:
            for target in edges[module]:
                visit(target, (*path, module))
            seen.add(module)

    for module in edges:
        visit(module, ())


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_outgrows_300_lines(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= 300


def test_the_command_starts_without_the_heavy_libraries() -> None:
    code = "import sys, lrfind.commands.app, lrfind.document; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "torchvision", "matplotlib", "numpy", "hydra", "omegaconf"} & set(loaded)
