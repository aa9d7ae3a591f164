"""What short trainings around a learning rate show, as text for people and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lrfind.explain.types import Explanation, Run
from lrfind.output.curve import format_lr
from lrfind.output.table_style import plain_table

_WHOLE = 80
"""Columns from which the table has room for all that was measured."""


def as_parts(explained: Explanation, width: int) -> Sequence[RenderableType]:
    """Return the report: the finding, a table of the trainings, and what became of each.

    Args:
        explained: What the trainings show.
        width: Columns to fill; in few, the table is of the end alone.
    """
    notes = [f"{format_lr(run.lr)} {run.outcome.value}: {run.note}" for run in explained.runs]
    return (
        Text(explained.title),
        Text(explained.message, style="bold"),
        "",
        _table(explained, whole=width >= _WHOLE),
        "",
        *map(Text, notes),
    )


def as_document(explained: Explanation) -> dict[str, Any]:
    """Return the explanation as a document for `lrfind.records.json_format.dumps`."""
    return {
        "alpha": explained.alpha,
        "steps": explained.steps,
        "start_loss": explained.start.loss,
        "message": explained.message,
        "interrupted": explained.interrupted,
        "runs": [_run(run) for run in explained.runs],
        "title": explained.title,
        "source": explained.source,
    }


def _run(run: Run) -> dict[str, Any]:
    probe = run.probe
    return {
        "lr": run.lr,
        "factor": run.factor,
        "outcome": run.outcome,
        "note": run.note,
        "end_loss": probe.end_loss,
        "peak_loss": run.peak_loss,
        "drop_share": run.drop_share,
        "steps_to_90_percent": run.most_steps,
        "alpha_steps": run.alpha_steps,
        "stop_reason": probe.stop_reason,
        "error": run.error,
        "losses": probe.losses,
    }


def _table(explained: Explanation, *, whole: bool) -> Table:
    table = plain_table()
    table.add_column("LR", no_wrap=True)
    if whole:
        table.add_column("")
    for column in ("loss at the end", *("drop", "90% of it after") * whole):
        table.add_column(column, justify="right")
    table.add_column("", no_wrap=True)
    for run in explained.runs:
        end, *rest = _numbers(run)
        cells = (run.role, end, *rest) if whole else (end,)
        style = "bold" if run.lr == explained.alpha else ""
        table.add_row(format_lr(run.lr), *cells, run.outcome.value, style=style)
    return table


def _numbers(run: Run) -> tuple[str, str, str]:
    """Return the loss at the end, the share of alpha's drop, and how long most of that drop took."""
    probe = run.probe
    share = "-" if run.drop_share is None else f"{run.drop_share:.1%}"
    if run.most_steps is not None:
        steps = f"{run.most_steps} steps"
    else:
        steps = "-" if run.drop_share is None else f"not in {probe.steps}"
    return (f"{probe.end_loss:.3g}" if math.isfinite(probe.end_loss) else "-", share, steps)
