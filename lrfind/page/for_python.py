"""A result as the commands print and write it, for the Python API: record, report, page, and what its probes show.

All that these need is imported here, pydantic, rich and Jinja among it, which `lrfind.find_lr` does without.
"""

from __future__ import annotations

import io

from rich.console import Console

from lrfind.analysis.recorded import result_of
from lrfind.explain.from_record import explain_probes
from lrfind.output.report import report
from lrfind.output.run_files import RunFiles
from lrfind.page.render import save_page
from lrfind.pipeline import read_config, run
from lrfind.records.json_format import to_json
from lrfind.records.types import Result
from lrfind.schedule.in_python import schedule

__all__ = [
    "RunFiles",
    "explanation_text",
    "read_config",
    "report_text",
    "result_of",
    "run",
    "save_page",
    "schedule",
    "to_json",
]


def report_text(result: Result, mark: float | None, width: int) -> str:
    """Return the report that `lrfind run` prints, so many columns wide."""
    console = Console(file=io.StringIO(), width=width)
    report(result, console, mark=mark)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip("\n")


def explanation_text(result: Result, lr: float | None) -> str:
    """Return what the probes of a result show, a line each.

    Raises:
        RecordError: There are no two probes of one length.
    """
    explained = explain_probes(result, lr)
    return "\n".join([explained.message, *(f"{run.lr:.3g} {run.outcome.value}: {run.note}" for run in explained.runs)])
