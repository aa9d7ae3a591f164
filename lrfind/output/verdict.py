"""A verdict on a learning rate, as text, Markdown or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lrfind.output.curve import format_lr, format_range
from lrfind.verdict import Finding, Verdict


def as_text(verdict: Verdict) -> str:
    """Return the verdict for a person to read."""
    facts = "   ".join(f"{name}: {value}" for name, value in _facts(verdict))
    return "\n".join(filter(None, [verdict.result.title, f"{_headline(verdict)}: {verdict.message}", facts]))


def as_markdown(verdict: Verdict) -> str:
    """Return the verdict as the summary of a CI job."""
    lines = [f"### Learning rate check: {_headline(verdict).lower()}", "", _escaped(verdict.message), ""]
    rows = [("training", verdict.result.title), *_facts(verdict)]
    lines += ["| | |", "|---|---|", *(f"| {name} | {_escaped(value)} |" for name, value in rows)]
    return "\n".join(lines)


def as_document(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict in JSON types."""
    found = verdict.result.analysis
    return {
        "status": verdict.finding.value,
        "message": verdict.message,
        "lr": verdict.lr,
        "factor": verdict.factor,
        "suggested_lr": found.suggested_lr,
        "safe_range": found.safe_range,
        "confidence": found.confidence,
        "reason": found.reason.value if found.reason else None,
        "baseline_lr": verdict.baseline_lr,
        "drift": verdict.drift,
        "tolerance": verdict.tolerance,
        "title": verdict.result.title,
    }


def _headline(verdict: Verdict) -> str:
    words = {Finding.OK: "Passed", Finding.NO_SUGGESTION: "Cannot tell", Finding.CUT_SHORT: "Not done"}
    return words.get(verdict.finding, "Failed")


def _facts(verdict: Verdict) -> Iterator[tuple[str, str]]:
    found = verdict.result.analysis
    if verdict.lr is not None:
        yield "LR", format_lr(verdict.lr)
    if found.suggested_lr is not None:
        yield "suggested LR", format_lr(found.suggested_lr)
    if found.safe_range:
        yield "safe range", format_range(*found.safe_range)
    if found.suggested_lr is not None:
        yield "confidence", f"{found.confidence:.0%}"
    if verdict.baseline_lr is not None:
        yield "baseline", format_lr(verdict.baseline_lr)


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is, in one cell of a table."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#" else char for char in printable)
