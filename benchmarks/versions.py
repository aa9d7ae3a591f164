"""Run the tests on each Python, and with the oldest libraries, that pyproject.toml promises.

    python benchmarks/versions.py --save benchmarks/versions.json [--pytest ARGUMENTS] [NAME ...]

A NAME is a Python, such as 3.13, with the newest libraries, or `oldest`: the oldest Python with exactly the minima. uv
makes an environment for each below .venvs, from the Pythons on PATH; pyenv puts there those that PYENV_VERSION names.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PLACE = ROOT / ".venvs"
OLDEST = "oldest"
EXTRAS = ("dev", "examples")
OWN_TEST = "tests/test_versions.py"
"""Judges what was kept before, so it is no part of the run."""
PYTEST = ("--numprocesses", "auto", "--dist", "loadfile", "--no-loadscope-reorder")
OLD_WARNINGS = [
    *(f"-Wdefault::{kind}" for kind in ("DeprecationWarning", "FutureWarning", "PendingDeprecationWarning")),
    "-Wdefault:The epoch parameter in:UserWarning",  # of torch's own SequentialLR, before torch 2.10
]
"""With the minima, libraries that come with them are newer than they knew, and warn."""
SHOWN = ("torch", "numpy", "matplotlib", "typer", "lightning", "transformers")
"""The libraries in the table."""


def pyproject() -> dict[str, Any]:
    """Return what stands in pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def project() -> dict[str, Any]:
    """Return what pyproject.toml says of the project."""
    found: dict[str, Any] = pyproject()["project"]
    return found


def pythons() -> list[str]:
    """Return the versions of Python that the classifiers promise, the oldest first."""
    last = [line.rpartition(" :: ")[2] for line in project()["classifiers"] if "Python :: 3." in line]
    return sorted(last, key=lambda text: int(text.partition(".")[2]))


def minima() -> dict[str, str]:
    """Return the lowest version of each library that lrfind and the extras of its tests ask for."""
    listed = project()
    lines = [*listed["dependencies"], *(line for extra in EXTRAS for line in listed["optional-dependencies"][extra])]
    lines += listed["optional-dependencies"]["vision"]
    asked = [one for one in map(Requirement, lines) if one.name != listed["name"]]
    return {one.name: next(iter(one.specifier)).version for one in asked}


def measure(name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Install lrfind into an environment of its own, run the tests there, and return what came out.

    Raises:
        subprocess.CalledProcessError: uv has no such Python, or cannot install the libraries.
    """
    python = make(name)
    report = PLACE / f"{name}.xml"
    warnings = OLD_WARNINGS if name == OLDEST else ()
    subprocess.run(
        [python, "-m", "pytest", f"--junitxml={report}", f"--ignore={OWN_TEST}", *warnings, *arguments], cwd=ROOT
    )
    suite = next(ElementTree.parse(report).iter("testsuite")).attrib
    counts = {key: int(suite[key]) for key in ("tests", "failures", "errors", "skipped")}
    return {**installed(python), **counts, "arguments": list(arguments)}


def make(name: str) -> str:
    """Make an environment anew, and return its Python."""
    asked = pythons()[0] if name == OLDEST else name
    _uv("venv", "--clear", "--no-python-downloads", "--python", asked, str(PLACE / name))
    python = str(PLACE / name / "bin" / "python")
    if name == OLDEST:  # for an editable package itself, uv takes some of the lowest only
        extras = [word for extra in EXTRAS for word in ("--extra", extra)]
        lowest = str(PLACE / f"{name}.txt")
        resolve = ("--resolution", "lowest-direct", "--output-file", lowest, str(ROOT / "pyproject.toml"))
        _uv("pip", "compile", "--python", python, *extras, *resolve)
        _uv("pip", "install", "--python", python, "--requirement", lowest)
        _uv("pip", "install", "--python", python, "--no-deps", "--editable", str(ROOT))
    else:
        _uv("pip", "install", "--python", python, "--editable", f"{ROOT}[{','.join(EXTRAS)}]")
    return python


def installed(python: str) -> dict[str, Any]:
    """Return the version of a Python, and those of the libraries in it that pyproject.toml names."""
    found = {one["name"]: one["version"] for one in json.loads(_uv("pip", "list", "--format=json", "--python", python))}
    told = subprocess.run([python, "--version"], check=True, capture_output=True, text=True).stdout
    return {"python": told.split()[1], "libraries": {name: found[canonicalize_name(name)] for name in minima()}}


def _uv(*arguments: str) -> str:
    line = [sys.executable, "-m", "uv", "--quiet", *arguments]
    return subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True).stdout


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the runs as a table in Markdown."""
    heads = ("Python", *SHOWN, "passed", "failed", "skipped")
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for name, row in rows.items():
        failed = row["failures"] + row["errors"]
        passed = row["tests"] - failed - row["skipped"]
        title = f"{row['python']}, the minima" if name == OLDEST else row["python"]
        libraries = (row["libraries"][each].partition("+")[0] for each in SHOWN)
        lines.append(f"| {' | '.join(map(str, (title, *libraries, passed, failed, row['skipped'])))} |")
    chosen = {row["arguments"][row["arguments"].index("-k") + 1] for row in rows.values() if "-k" in row["arguments"]}
    return "\n".join(
        [*lines, *(f"\nOf the tests, those that `pytest -k '{expression}'` runs." for expression in chosen)]
    )


def main() -> int:
    """Run the tests, print the table, and keep what it says; return 1 if a test has failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument(
        "--save", type=Path, required=True, help="where the outcomes are kept, those of others included"
    )
    parser.add_argument("--pytest", type=shlex.split, default=PYTEST, help="the arguments of pytest, as one word")
    args = parser.parse_args()
    everything = (OLDEST, *pythons())
    kept: dict[str, Any] = {}
    for name in args.names or everything:
        row = measure(name, args.pytest)
        kept = {**(json.loads(args.save.read_text()) if args.save.exists() else {}), name: row}
        args.save.write_text(json.dumps({each: kept[each] for each in everything if each in kept}, indent=1) + "\n")
    print(table(kept))
    return int(any(kept[name]["failures"] + kept[name]["errors"] for name in args.names or everything))


if __name__ == "__main__":
    sys.exit(main())
