"""Where the parts of the picture go: text is measured and wrapped, and the picture grows until all fits."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend

from lrfind.output.names import printable

SIZE = (8.0, 5.0)
"""Width and least height, in inches."""
DPI = 150
"""Pixels per inch."""

_MARGIN = 0.12
_LEAST_AXES_HEIGHT = 2.7
_BELOW_AXES = 0.54
"""Room for the labels of the LR axis and its name, in inches."""
_LABEL_ABOVE_AXES = 0.2
"""Room for the label of the suggestion, in inches."""
_RIGHT_OF_AXES = 0.35
"""Room for half of the last label of the LR axis, in inches."""


def shortened(text: str, most: int) -> str:
    """Return `text` on one line of at most `most` characters, its middle left out if need be."""
    text = printable(text)
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


def widest(picture: Figure, texts: Sequence[str], size: float = 10, weight: str = "normal") -> float:
    """Return the width of the widest of `texts`, in inches."""
    renderer = FigureCanvasAgg(picture).get_renderer()  # type: ignore[no-untyped-call]
    return max((_width(renderer, text, FontProperties(size=size, weight=weight)) for text in texts), default=0.0)


def arrange(picture: Figure, axes: Axes, title: str, subtitle: str) -> None:
    """Write title and subtitle above the axes and the legend below, and give each the room it needs."""
    renderer = FigureCanvasAgg(picture).get_renderer()  # type: ignore[no-untyped-call]
    width = SIZE[0] - 2 * _MARGIN
    heading = [
        (_wrapped(renderer, title, FontProperties(size=13, weight="bold"), width), 13, "bold"),
        (_wrapped(renderer, subtitle, FontProperties(size=11), width), 11, "normal"),
    ]
    above = sum(_text_height(text, size) for text, size, _ in heading) + 2 * _MARGIN
    above += _LABEL_ABOVE_AXES if axes.texts else 0.0
    legend = _legend(picture, axes, renderer)
    below = (legend.get_window_extent(renderer).height / DPI + _MARGIN if legend else 0.0) + _BELOW_AXES
    height = max(SIZE[1], above + below + _LEAST_AXES_HEIGHT)
    picture.set_size_inches(SIZE[0], height)
    left = _room_for_loss_labels(axes, renderer)
    axes.set_position(
        (left / SIZE[0], below / height, 1 - (left + _RIGHT_OF_AXES) / SIZE[0], 1 - (above + below) / height)
    )
    _write_heading(picture, heading)


def _write_heading(picture: Figure, heading: list[tuple[str, int, str]]) -> None:
    height = picture.get_size_inches()[1]
    top = height - _MARGIN
    for text, size, weight in heading:
        style: dict[str, Any] = {"fontsize": size, "fontweight": weight, "linespacing": 1.1, "va": "top"}
        picture.text(_MARGIN / SIZE[0], top / height, text, parse_math=False, **style)
        top -= _text_height(text, size)


def _legend(picture: Figure, axes: Axes, renderer: RendererAgg) -> Legend | None:
    """Write the legend in as many columns, up to three, as fit beside each other."""
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return None
    width, key = SIZE[0] - 2 * _MARGIN, 0.6  # the key of a label and the gaps around it, in inches
    labels = [_wrapped(renderer, label, FontProperties(size=10), width - key) for label in labels]
    style: dict[str, Any] = {"loc": "lower center", "frameon": False, "fontsize": 10, "columnspacing": 1.5}
    for columns in (3, 2, 1):
        legend = picture.legend(handles, labels, ncols=columns, borderpad=0.3, **style)
        for text in legend.get_texts():
            text.set_parse_math(False)
        if columns == 1 or legend.get_window_extent(renderer).width / DPI <= width:
            break
        legend.remove()
    return legend


def _room_for_loss_labels(axes: Axes, renderer: RendererAgg) -> float:
    widths = [_width(renderer, label.get_text(), FontProperties(size=10)) for label in axes.get_yticklabels()]
    return 0.5 + max(widths, default=0.0)


def _text_height(text: str, size: int) -> float:
    return (1.5 + 1.29 * text.count("\n")) * size / 72


def _wrapped(renderer: RendererAgg, text: str, font: FontProperties, width: float) -> str:
    """Return `text` in lines of at most `width` inches; a word too long for a line is cut."""
    text = printable(text)
    lines, characters = [text], len(text)
    while characters > 1 and any(_width(renderer, line, font) > width for line in lines):
        characters = min(characters - 1, int(characters * 0.97))
        lines = textwrap.wrap(text, characters)
    return "\n".join(lines)


def _width(renderer: RendererAgg, line: str, font: FontProperties) -> float:
    width, _, _ = renderer.get_text_width_height_descent(line, font, False)  # type: ignore[no-untyped-call]
    return float(width) / DPI
