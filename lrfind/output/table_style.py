"""The look that all tables have."""

from __future__ import annotations

from rich import box
from rich.table import Table


def plain_table() -> Table:
    """Return a table without columns yet, ruled below its heading alone."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
