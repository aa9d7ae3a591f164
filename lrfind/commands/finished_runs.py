"""The runs of several configs: a document for each that failed, a table of all, and one exit code."""

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
class FinishedRun:
    """How the run of a config ended.

    Attributes:
        config: The path of the config on the command line.
        code: The exit code.
        document: The record, or the document of a failure or of a dry run, in JSON types.
    """

    config: str
    code: ExitCode
    document: dict[str, Any]


def failure(source: str, code: ExitCode, message: str) -> dict[str, Any]:
    """Return the document of a run that has no record.

    Args:
        source: The path of the config on the command line.
        code: The exit code.
        message: What went wrong.
    """
    return {"schema": SCHEMA, "status": "failed", "source": source, "exit_code": int(code), "message": message}


def worst(runs: Sequence[FinishedRun]) -> ExitCode:
    """Return the worst exit code."""
    return min((run.code for run in runs), key=SEVERITY.index, default=ExitCode.OK)


def table(runs: Sequence[FinishedRun]) -> RenderableType:
    """Return a table of what each run found."""
    table = plain_table()
    table.add_column("config", overflow="fold")
    for heading in ("LR", "safe range", "confidence"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("exit code", overflow="fold")
    for run in runs:
        lr, safe, confidence = (run.document.get(key) for key in ("suggested_lr", "safe_range", "confidence"))
        cells = ["-"] * 3
        if lr is not None:
            cells = [format_lr(lr), format_range(*safe) if safe else "-", f"{confidence:.0%}"]
        table.add_row(run.config, *cells, f"{run.code:d}{_fault(run)}")
    return table


def _fault(run: FinishedRun) -> str:
    """Return what went wrong, in a line that follows the exit code."""
    document = run.document
    if run.code is ExitCode.OK:
        return ""
    if document.get("status") == "failed":
        said = document["message"].removeprefix(f"{run.config}: ")
    elif document.get("interrupted"):
        said = "interrupted"
    else:
        said = document.get("error") or document.get("reason") or "see above"
    first_line, _, _ = said.partition("\n")
    return f": {first_line}"
