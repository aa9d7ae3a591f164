"""Where the parts of a picture go: matplotlib's constrained layout places them, and the picture grows by its texts."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from lrfind.output.names import printable

WIDTH, HEIGHT = 8.0, 3.75
"""Width of a picture, and height of a single plot without heading and legend, in inches."""
DPI = 150
"""Pixels per inch."""

_MARGIN = 0.12


def shortened(text: str, most: int) -> str:
    """Return `text` on one line of at most `most` characters, its middle left out if need be."""
    text = printable(text)
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


def new_picture(height: float = HEIGHT) -> Figure:
    """Return an empty picture of so many inches, which legend and heading will add to."""
    engine = ConstrainedLayoutEngine(w_pad=_MARGIN, h_pad=_MARGIN / 2)
    return Figure(figsize=(WIDTH, height), dpi=DPI, layout=engine)


def add_legend(picture: Figure) -> None:
    """Write the legend below the axes, in as many columns, up to three, as fit beside each other."""
    handles, labels = picture.axes[0].get_legend_handles_labels()
    labels = [textwrap.fill(printable(label), 90) for label in labels]
    for columns in (3, 2, 1):
        legend = picture.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
        for text in legend.get_texts():
            text.set_parse_math(False)
        size = legend.get_window_extent()
        if columns == 1 or size.width <= picture.bbox.width:
            break
        legend.remove()
    picture.set_figheight(picture.get_figheight() + size.height / DPI)


def add_heading(picture: Figure, title: str, subtitle: str) -> None:
    """Write title and subtitle above the axes, in as many lines as they need, and label the figure with the title."""
    picture.set_label(printable(title))
    top, texts = _MARGIN, []
    for text, size, weight in ((title, 13, "bold"), (subtitle, 11, "normal"))[: 2 if subtitle else 1]:
        # matplotlib breaks lines only between words; any 50 characters fit in one line.
        words = re.sub(r"\S{50}(?=\S)", "\\g<0>\n", printable(text)).replace("$", r"\$")  # no formula is meant
        style: dict[str, Any] = {"fontsize": size, "fontweight": weight, "va": "top", "wrap": True}
        texts.append((top, picture.text(_MARGIN / WIDTH, 0.5, words, **style)))
        top += texts[-1][1].get_window_extent().height / DPI + _MARGIN
    height = picture.get_figheight() + top
    picture.set_figheight(height)
    for from_top, drawn in texts:
        drawn.set_y(1 - from_top / height)
    engine = picture.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(rect=(0, 0, 1, 1 - top / height))
