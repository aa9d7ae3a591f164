"""Imports run one way: a room looks at those before it in `ORDER`, and never back."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lrfind"

ORDER = (
    "errors",
    "settings",
    "records",
    "observer",
    "analysis",
    "config",
    "training",
    "scripts",
    "workloads",
    "search",
    "pipeline",
    "output",
    "check",
    "schedule",
    "explain",
    "page",
    "answer",
    "finder",
    "script",
    "integrations",
    "callbacks",
    "commands",
    "__main__",
)
"""The rooms and modules of the package, from the ground up."""
SEPARATE = {"training": {"config", "analysis"}, "analysis": {"observer"}, "check": {"search", "pipeline"}}
"""Rooms that may not look at others although those stand before them."""
TORCH = {"training", "scripts", "workloads", "integrations", "search", "pipeline", "finder"}
"""Rooms that may import torch."""
MATPLOTLIB = {"output", "explain", "schedule", "answer"}
"""Rooms that may import matplotlib."""
MATCHING = ("search", "match", "fullmatch", "findall", "finditer", "split", "sub")
"""Functions and methods that match a regular expression."""
TEMPLATES = PACKAGE / "templates"
"""What `lrfind init` writes for its users: code of theirs, which no room may import."""
MODULES = sorted(module for module in PACKAGE.rglob("*.py") if module.parent != TEMPLATES)
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))


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
    """Return the rooms that a module imports from; the version of the package is no room."""
    names = {name for name in imported(module) if name.startswith("lrfind.")}
    return {name.split(".")[1] for name in names}


@each_module
def test_a_module_imports_only_from_the_rooms_below_it(module: Path) -> None:
    if room(module) == "__init__":
        assert own_rooms(module) <= {"answer", "errors", "finder", "script"}
        return
    below = set(ORDER[: ORDER.index(room(module)) + 1]) - SEPARATE.get(room(module), set())
    assert own_rooms(module) <= below


@each_module
def test_heavy_libraries_are_imported_in_their_own_rooms(module: Path) -> None:
    libraries = {name.split(".")[0] for name in imported(module)}
    if room(module) not in TORCH:
        assert not libraries & {"torch", "torchvision"}
    if room(module) not in MATPLOTLIB:
        assert "matplotlib" not in libraries


def test_no_circle_between_modules() -> None:
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


@each_module
def test_no_module_outgrows_300_lines(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= 300


def test_the_root_of_the_package_stays_small() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 9


def test_the_command_starts_without_the_heavy_libraries() -> None:
    code = "import sys, lrfind.commands.app, lrfind.records.json_format; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "torchvision", "matplotlib", "numpy", "hydra", "omegaconf"} & set(loaded)


def test_few_imports_stand_inside_functions() -> None:
    inside = {
        (str(module.relative_to(PACKAGE)), node.lineno)
        for module in MODULES
        for function in ast.walk(ast.parse(module.read_text()))
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert len(inside) <= 15, sorted(inside)


@each_module
def test_no_regular_expression_is_matched_against_a_message_of_the_package(module: Path) -> None:
    """Messages are rendered from facts at the end, so nothing has to be read out of them again."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in MATCHING:
            text = " ".join(ast.unparse(argument) for argument in node.args)
            assert not re.search(r"\b(message|problem|note|fault|told)\b", text), f"{module}:{node.lineno}: {text}"
