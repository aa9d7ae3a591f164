"""Whether a command that was given a broken file ended as lrfind promises."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

TRACEBACK = "Traceback (most recent call last)"
MOST_TOLD = 20_000
"""Characters that a fault may take to be told."""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Its exit code; None if it raised or hung.
        out: What it printed to stdout.
        err: What it printed to stderr.
        raised: The traceback of what it raised; "" if it did not.
        hung: Whether it did not end in time.
    """

    code: int | None
    out: str
    err: str
    raised: str = ""
    hung: bool = False


def problem_of(ended: Ended, codes: Collection[int], *, as_json: bool) -> str:
    """Return what is wrong with how a command ended, its kind first; "" if nothing is.

    Args:
        ended: How it did.
        codes: The exit codes that are right.
        as_json: Whether stdout has to be one JSON document, if there is anything.
    """
    if ended.hung:
        return f"hang: {ended.raised[-1000:]}"
    if ended.raised or TRACEBACK in ended.err:
        lines = (ended.raised or ended.err).strip().splitlines()
        own = [line.strip() for line in lines if "/lrfind/" in line and " line " in line]
        return f"traceback: {lines[-1][:300]} in {(own or ['?'])[-1]}"
    if ended.code not in codes:
        return f"exit code: {ended.code}, not one of {sorted(codes)}: {ended.err[:500]}"
    if "Warning: " in ended.err and "/lrfind/" in ended.err.partition("Warning: ")[0].rpartition("\n")[2]:
        return f"message: a warning of lrfind's own code: {ended.err[:300]}"
    if ended.code in (1, 2) and "lrfind: " not in ended.err:
        return f"exit code: {ended.code} without a word: {ended.err[:500]}"
    if ended.code == 2 and len(ended.err) > MOST_TOLD:
        return f"message: {len(ended.err):,} characters: {ended.err[:200]}"
    if acting := [char for char in ended.err + (ended.out if not as_json else "") if _acts(char)]:
        return f"message: holds {acting[0]!r}"
    if as_json and ended.out.strip() and not _is_json(ended.out):
        return f"message: stdout is no JSON: {ended.out[:200]!r}"
    return ""


def _acts(char: str) -> bool:
    return (ord(char) < 32 and char not in "\n\t\r") or char == "\x7f"


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_refuse)
    except ValueError:
        return False
    return True


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def table(saved: dict[str, Any]) -> str:
    """Return the counts as a table of Markdown."""
    rows = [
        "| broken | cases | exit 0 | 1 | 2 | 3 | 4 | tracebacks of lrfind | hangs | wrong exit codes | bad messages |"
    ]
    rows.append("|---|" + "---:|" * 10)
    for part in ("configs", "records"):
        known = {"cases": 0, "exit_codes": {}, "problems": {}, **saved[part]}
        codes = [str(known["exit_codes"].get(str(code), 0)) for code in range(5)]
        kinds = [str(known["problems"].get(kind, 0)) for kind in ("traceback", "hang", "exit code", "message")]
        rows.append("| " + " | ".join([part, f"{known['cases']:,}", *codes, *kinds]) + " |")
    return "\n".join(rows)
