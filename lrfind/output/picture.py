"""What all pictures have in common: their files, settings and colours. No display or pyplot is used."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lrfind.errors import Fault, OutputError
from lrfind.output.curve import lr_ticks, tick_labels
from lrfind.output.files import WAY_OUT, write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
"""Suffixes that a picture can have."""

# The colour-blind-safe palette of Okabe and Ito (Wong 2011, Nature Methods 8, "Color blindness").
BLUE, SKY, VERMILLION, GREEN, ORANGE = "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#E69F00"
PURPLE, BLACK = "#CC79A7", "#000000"


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Draw with matplotlib's defaults instead of the user's matplotlibrc, and with reproducible ids in SVG."""
    import matplotlib  # a command that draws nothing does without

    defaults = {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}
    with matplotlib.rc_context({**defaults, "svg.hashsalt": "lrfind", "font.size": 10}), warnings.catch_warnings():
        # A character that the font lacks is drawn as a box; nothing that a user could do about it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def save_picture(picture: Figure, path: Path, way_out: str = WAY_OUT) -> None:
    """Write a picture to `path`, as PNG, SVG or PDF by its suffix.

    Args:
        picture: What to write.
        path: The file.
        way_out: What the user can do if it cannot be written.

    Raises:
        OutputError: The suffix is another one, or the file cannot be written.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        got = path.suffix or "no suffix"
        raise OutputError(Fault(expected="a name that ends in .png, .svg or .pdf", got=got), source=str(path))
    write_atomically(path, picture_bytes(picture, form), way_out)


@own_settings()
def picture_bytes(picture: Figure, form: str) -> bytes:
    """Return a picture as a file of one of the `FORMATS` holds it; the label of the figure is its title."""
    undated = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[form]
    program = "Software" if form == "png" else "Creator"
    file = io.BytesIO()
    picture.savefig(file, format=form, metadata={"Title": picture.get_label(), program: "lrfind", **undated})
    return file.getvalue()


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
