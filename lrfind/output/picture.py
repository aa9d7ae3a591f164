"""What all pictures have in common: their files, settings and colours. No display or pyplot is used."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.errors import Fault, LrfindError, OutputError, first_line
from lrfind.output.curve import lr_ticks, tick_labels
from lrfind.output.files import WAY_OUT, write_atomically
from lrfind.output.look import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
"""Suffixes that a picture can have."""

# The colour-blind-safe palette of Okabe and Ito (Wong 2011, Nature Methods 8, "Color blindness").
BLUE, SKY, VERMILLION, GREEN, ORANGE = "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#E69F00"
PURPLE, BLACK = "#CC79A7", "#000000"


def _colours(ink: str, paper: str, grid: str, hatch: str) -> dict[str, str]:
    """Return the settings of matplotlib for text and lines, the page, the grid and hatches."""
    inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    pages = ("figure.facecolor", "axes.facecolor")
    return {**dict.fromkeys(inked, ink), **dict.fromkeys(pages, paper), "grid.color": grid, "hatch.color": hatch}


THEMES: dict[Theme, dict[str, str]] = {
    "light": _colours("#000000", "#FFFFFF", "#E4E4E4", "#BBBBBB"),
    "dark": _colours("#E8E8E8", "#181A1D", "#3A3D41", "#5C6066"),
    "paper": _colours("#000000", "#FFFFFF", "#E4E4E4", "#BBBBBB") | {"font.family": "serif"},
    # A grey that stands out from white (4:1) and from black (5:1) alike: nobody tells the colour of the page.
    "notebook": _colours("#7A7A7A", "none", "#88888844", "#88888888"),
}
"""What the themes set."""


def is_page(path: Path) -> bool:
    """Tell whether the name of a file is one for a page in the place of a picture."""
    return path.suffix.lower() in (".html", ".htm")


@contextlib.contextmanager
def own_settings(theme: Theme = "light") -> Iterator[None]:
    """Draw with matplotlib's defaults instead of the user's matplotlibrc, and with reproducible ids in SVG."""
    import matplotlib  # a command that draws nothing does without

    settings: Any = {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}
    settings |= {"svg.hashsalt": "lrfind", "font.size": 10, **THEMES[theme]}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # A character that the font lacks is drawn as a box; nothing that a user could do about it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


@contextlib.contextmanager
def loading_matplotlib() -> Iterator[None]:
    """Let the enclosed code load matplotlib and draw, without a backend, which the environment may name wrongly.

    Raises:
        OutputError: matplotlib is missing, or fails on its settings, its fonts or its cache.
    """
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        yield
    except LrfindError:
        raise
    except Exception as error:
        problem = f"cannot draw the picture: {type(error).__name__}: {first_line(error)}"
        raise OutputError(Fault(problem=problem, fix="does `import matplotlib` work? or add --plot none")) from error
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend


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
        raise OutputError(Fault(expected="a name that ends in .png, .svg, .pdf or .html", got=got), source=str(path))
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
    axes.grid(linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
