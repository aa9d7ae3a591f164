"""The picture of a result, drawn by matplotlib, which is loaded only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.output.look import PLAIN, Look
from lrfind.records.types import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def drawn(result: Result, look: Look = PLAIN) -> Figure:
    """Return the picture of loss against learning rate."""
    from lrfind.output.plot import figure  # loads matplotlib

    return figure(result, look)
