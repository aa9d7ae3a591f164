"""The parts of Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table_head(cells: Sequence[str]) -> list[str]:
    """Return the first two lines of a table."""
    return [table_row(cells), "|---" * len(cells) + "|"]


def table_row(cells: Iterable[str]) -> str:
    """Return a line of a table."""
    return "| " + " | ".join(cells) + " |"


def share(flags: Iterable[bool]) -> str:
    """Return the percentage that is true."""
    values = list(flags)
    return percent(sum(values) / len(values)) if values else "-"


def percent(value: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * value:.0f} %"


def pair(cells: Iterable[str]) -> str:
    """Return what belongs side by side in one cell, such as figures under each schedule."""
    return " / ".join(cells)
