"""How several runs ended: a document for each that brought no record, a table of all, and one exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType

from lrfind.errors import ExitCode
from lrfind.output.curve import format_lr, format_range
from lrfind.output.table_style import plain_table
from lrfind.records.document import SCHEMA

SEVERITY = (ExitCode.INTERRUPTED, ExitCode.FAILED, ExitCode.USAGE, ExitCode.NO_SUGGESTION, ExitCode.OK)
"""The exit codes of a run, worst first."""


@dataclass(frozen=True)
class Ending:
    """How the run of a config ended.

    Attributes:
        config: The config as it was named.
        code: The exit code.
        document: The record, or that of `failure`, or of a dry run, in JSON types.
    """

    config: str
    code: ExitCode
    document: dict[str, Any]


def failure(source: str, code: ExitCode, message: str) -> dict[str, Any]:
    """Return the document that stands for the record of a run which has none.

    Args:
        source: The config as it was named.
        code: The exit code.
        message: What went wrong.
    """
    return {"schema": SCHEMA, "status": "failed", "source": source, "exit_code": int(code), "message": message}


def worst(endings: Sequence[Ending]) -> ExitCode:
    """Return the worst exit code."""
    return min((ending.code for ending in endings), key=SEVERITY.index, default=ExitCode.OK)


def table(endings: Sequence[Ending]) -> RenderableType:
    """Return a table of what each run brought."""
    table = plain_table()
    table.add_column("config", overflow="fold")
    for heading in ("LR", "safe range", "confidence"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("exit code", overflow="fold")
    for ending in endings:
        table.add_row(ending.config, *_found(ending.document), f"{ending.code:d}{_fault(ending)}")
    return table


def _found(document: dict[str, Any]) -> tuple[str, str, str]:

    lr, safe = document.get("suggested_lr"), document.get("safe_range")
    return (
        "-" if lr is None else format_lr(lr),
        format_range(*safe) if safe else "-",
        "-" if lr is None else f"{document['confidence']:.0%}",
    )


def _fault(ending: Ending) -> str:
    """Return what went wrong, in a line that follows the exit code."""
    document = ending.document
    if ending.code is ExitCode.OK:
        return ""
    if document.get("status") == "failed":
        said = document["message"].removeprefix(f"{ending.config}: ")
    elif document.get("interrupted"):
        said = "interrupted"
    else:
        said = document.get("error") or document.get("reason") or "see above"
    return f": {said.partition(chr(10))[0]}"
