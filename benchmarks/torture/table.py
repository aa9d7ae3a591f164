"""The counts of the last `make torture`, as a table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROBLEMS = {
    "something lost": ("lost", "old record replaced", "torn", "stdout is not the record"),
    "wrong exit code": ("exit code", "no JSON"),
    "traceback of lrfind's own, or no word": ("traceback", "silent"),
    "process or file left behind": ("orphan", "litter", "hang"),
}
"""The columns, and how the problems of `torture` begin that count there."""


def table(folder: Path = HERE) -> str:
    """Return the counts of all parts, whose outcomes lie in a folder, a row for each kind of kill."""
    kills = _outcomes(folder, "kills")
    rows = [(f"{kind} at a random moment", _of(kills, kind)) for kind in dict.fromkeys(each["kind"] for each in kills)]
    rows += [(f"a fault of the {part}", _outcomes(folder, part)) for part in ("environment", "training")]
    heads = ("what came", "runs", "configs / scripts", *PROBLEMS)
    lines = [_line(heads), _line(["---"] * len(heads)), *(_line((name, *_counts(each))) for name, each in rows)]
    return "\n".join(lines)


def _outcomes(folder: Path, part: str) -> list[dict[str, Any]]:
    """Return those of a part in which lrfind had begun."""
    done: dict[str, dict[str, Any]] = json.loads((folder / f"{part}.json").read_text())
    return [each for each in done.values() if each.get("started", True)]


def _of(outcomes: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in outcomes if each["kind"] == kind]


def _counts(outcomes: list[dict[str, Any]]) -> list[str]:
    scripts = sum(each["script"] for each in outcomes)
    counts = [
        sum(any(problem.startswith(begins) for problem in each["problems"]) for each in outcomes)
        for begins in PROBLEMS.values()
    ]
    return [str(len(outcomes)), f"{len(outcomes) - scripts} / {scripts}", *map(str, counts)]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
