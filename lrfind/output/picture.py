"""What all pictures have in common: their files, settings and colours. No display or pyplot is used."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrfind.errors import Fault, OutputError
from lrfind.output.curve import lr_ticks, tick_labels
from lrfind.output.files import WAY_OUT, write_atomically
from lrfind.output.names import printable

FORMATS = ("png", "svg", "pdf")
"""Suffixes that a picture can have."""

# The colour-blind-safe palette of Okabe and Ito (Wong 2011, Nature Methods 8, "Color blindness").
BLUE, SKY, VERMILLION, GREEN, ORANGE = "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#E69F00"
PURPLE, BLACK = "#CC79A7", "#000000"


def save_picture(draw: Callable[[], Figure], path: Path, title: str, way_out: str = WAY_OUT) -> None:
    """Write the picture that `draw` returns to `path`, as PNG, SVG or PDF by its suffix.

    Raises:
        OutputError: The suffix is another one, or the file cannot be written.
    """
    write_atomically(path, picture_bytes(draw, check_suffix(path), title), way_out)


def picture_bytes(draw: Callable[[], Figure], form: str, title: str) -> bytes:
    """Return the picture that `draw` returns as a file of one of the `FORMATS` holds it."""
    picture = io.BytesIO()
    with own_settings(), warnings.catch_warnings():
        # A character that the font lacks is drawn as a box; nothing that a user could do about it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        draw().savefig(picture, format=form, metadata=_metadata(form, printable(title)))
    return picture.getvalue()


def check_suffix(path: Path) -> str:
    """Return the format that the suffix of `path` names.

    Raises:
        OutputError: It names none.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        got = path.suffix or "no suffix"
        raise OutputError(Fault(expected="a name that ends in .png, .svg or .pdf", got=got), source=str(path))
    return form


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Draw with matplotlib's defaults instead of the user's matplotlibrc, and with reproducible ids in SVG."""
    defaults = {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}
    with matplotlib.rc_context({**defaults, "svg.hashsalt": "lrfind", "font.size": 10}):
        yield


def lr_axis(axes: Axes, low: float, high: float, at_most: int = 10) -> None:
    """Rule a logarithmic axis of learning rates from `low` to `high` with so many labels, and a grid."""
    lrs = lr_ticks(low, high, at_most)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_xticks(lrs, tick_labels(lrs))
    axes.set_xticks([], minor=True)
    plain(axes)


def plain(axes: Axes) -> None:
    """Give axes a faint grid and no box."""
    axes.grid(color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _metadata(form: str, title: str) -> dict[str, str | None]:
    undated = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[form]
    return {"Title": title, "Software" if form == "png" else "Creator": "lrfind", **undated}
