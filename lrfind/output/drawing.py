"""The pictures of results, drawn by matplotlib, which is loaded only then."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from lrfind.output.look import PLAIN, Look
from lrfind.records.types import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def drawn(result: Result, look: Look = PLAIN) -> Figure:
    """Return the picture of loss against learning rate."""
    return cast("Figure", _pictures().plot.figure(result, look))


def compared(results: Mapping[str, Result], look: Look = PLAIN) -> Figure:
    """Return the picture of several results, by what each is called."""
    return cast("Figure", _pictures().compare.comparison(results, look))


def _pictures() -> Any:
    from lrfind.output import compare, plot  # load matplotlib, which a sketch in the terminal does without

    return SimpleNamespace(compare=compare, plot=plot)
