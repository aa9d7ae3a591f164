"""A verdict on a learning rate, as text, Markdown or JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lrfind.check.verdict import Finding, Verdict
from lrfind.errors import ExitCode, shown
from lrfind.output.curve import findings, format_lr
from lrfind.output.terminal_plot import sketch
from lrfind.records.types import Result

_ACTIVE = re.compile(r"[\\`*_\[\]<>|#~&$@]|:(?=\S)|(?<=www)\.|^[-+=]|(?<=^\d)[.)](?=\s)")
"""What Markdown, also that of GitHub, would take for more than a character: links, mentions and formulas as well."""

WIDTH, HEIGHT = 76, 14
"""Characters and lines of a curve in a summary: it fits the column of a job's page without scrolling."""


def as_text(verdict: Verdict) -> str:
    """Return the verdict for a person to read."""
    facts = "   ".join(f"{name}: {value}" for name, value in _facts(verdict))
    lines = (verdict.result.title, f"{_headline(verdict)}: {verdict.message}", facts)
    return "\n".join(shown(line) for line in lines if line)


def as_markdown(
    verdict: Verdict, files: Sequence[Path] = (), baseline: Result | None = None, *, ascii_only: bool = False
) -> str:
    """Return the verdict as the summary of a CI job.

    The curve is drawn with characters, which show wherever Markdown does: a summary on GitHub shows neither files of
    the runner nor images in `data:` addresses. The files are named, so that they are found among the artifacts.

    Args:
        verdict: What was judged.
        files: The record and the picture that were written.
        baseline: What it was compared with; None if with nothing.
        ascii_only: Whether to draw with ASCII characters.
    """
    lines = [f"### Learning rate check: {_headline(verdict).lower()}", "", _escaped(verdict.message), ""]
    rows = [("training", verdict.result.title), *_facts(verdict), *(("written", str(file)) for file in files)]
    lines += ["| | |", "|---|---|", *(f"| {name} | {_escaped(value)} |" for name, value in rows)]
    lines += _curve(verdict.result, ascii_only)
    if baseline is not None:
        lines += ["", "The baseline:", *_curve(baseline, ascii_only)]
    return "\n".join(lines)


def _curve(result: Result, ascii_only: bool) -> list[str]:
    """Return the loss-vs-LR curve as a block of code, which keeps its columns."""
    return ["", "```text", str(sketch(result, WIDTH, HEIGHT, ascii_only)), "```"]


def as_document(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict in JSON types."""
    analysis = verdict.result.analysis
    return {
        "status": verdict.finding,
        "passes": verdict.exit_code is ExitCode.OK,
        "message": verdict.message,
        "lr": verdict.lr,
        "factor": verdict.factor,
        "suggested_lr": analysis.suggested_lr,
        "safe_range": analysis.safe_range,
        "confidence": analysis.confidence,
        "reason": analysis.reason,
        "baseline_lr": verdict.baseline_lr,
        "drift": verdict.drift,
        "tolerance": verdict.tolerance,
        "title": verdict.result.title,
    }


def _headline(verdict: Verdict) -> str:
    words = {Finding.NO_SUGGESTION: "Cannot tell", Finding.CUT_SHORT: "Not done"}
    passed = {Finding.TOO_LOW: "Passed with a warning"}.get(verdict.finding, "Passed")
    return words.get(verdict.finding, passed if verdict.exit_code is ExitCode.OK else "Failed")


def _facts(verdict: Verdict) -> Iterator[tuple[str, str]]:
    if verdict.lr is not None:
        yield "LR", format_lr(verdict.lr)
    yield from findings(verdict.result)
    if verdict.baseline_lr is not None:
        yield "baseline", format_lr(verdict.baseline_lr)


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is, in a paragraph or in one cell of a table."""
    return _ACTIVE.sub(lambda found: f"\\{found[0]}", shown(" ".join(text.split())))
