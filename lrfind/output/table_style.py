"""The style of all tables."""

from __future__ import annotations

from rich import box
from rich.table import Table


def plain_table() -> Table:
    """Return an empty table with a rule below its heading only."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
