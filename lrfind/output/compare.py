"""Several sweeps in one picture: their curves on one scale, and below the learning rates that they suggest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrfind.output import layout
from lrfind.output.curve import Frame, Point, format_lr, frame_of, loss_at, raw_points, smooth_points
from lrfind.output.picture import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    lr_axis,
    own_settings,
    picture_bytes,
    save_picture,
)
from lrfind.records.types import Result

MOST = 12
"""Sweeps in one picture; of more, no curve can be told from another."""

_STYLES = list(zip((BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY), "osD^vP", strict=True))
_DASHES = ("-", "--")
_LOW, _HIGH = -0.2, 1.4
"""What is shown of the scale on which a curve falls from 1 to 0."""

# Inches.
_CURVES, _ROW, _TOP, _BOTTOM, _BETWEEN, _LABEL = 3.4, 0.3, 0.75, 0.6, 0.2, 0.65


@dataclass(frozen=True)
class Named:
    """A result and what it is called among others."""

    name: str
    result: Result


def save_comparison(named: Sequence[Named], path: Path) -> None:
    """Write the picture of up to `MOST` results to `path`, as PNG, SVG or PDF by its suffix.

    Raises:
        OutputError: The suffix is another one, or the file cannot be written.
    """
    save_picture(lambda: comparison(named), path, _title(named))


def comparison_bytes(named: Sequence[Named], form: str) -> bytes:
    """Return the picture of several results as a PNG, SVG or PDF file holds it."""
    return picture_bytes(lambda: comparison(named), form, _title(named))


@own_settings()
def comparison(named: Sequence[Named]) -> Figure:
    """Return the picture of several results."""
    rows = _ROW * (len(named) + 0.4)
    height = _TOP + _CURVES + _BETWEEN + rows + _BOTTOM
    picture = Figure(figsize=(layout.SIZE[0], height), dpi=layout.DPI)
    names = [layout.shortened(each.name, 30) for each in named]
    findings = [_finding(each.result) for each in named]
    left, right = 0.35 + layout.widest(picture, [*names, "0.5"]), 0.25 + layout.widest(picture, findings)
    inches = layout.SIZE[0] - left - right
    left, width = left / layout.SIZE[0], inches / layout.SIZE[0]
    above = picture.add_axes((left, (_BOTTOM + rows + _BETWEEN) / height, width, _CURVES / height))
    below = picture.add_axes((left, _BOTTOM / height, width, rows / height), xlabel="learning rate")
    _ruled(above, below, named, names, labels=max(int(inches / _LABEL), 3))
    for index, each in enumerate(named):
        color, marker = _STYLES[index % len(_STYLES)]
        style = {"color": color, "linestyle": _DASHES[index // len(_STYLES) % len(_DASHES)]}
        _curve(above, each.result, style, marker)
        _row(below, each.result, index, color, marker)
    _heading(picture, _title(named))
    return picture


def _ruled(above: Axes, below: Axes, named: Sequence[Named], names: Sequence[str], labels: int) -> None:
    frames = [frame_of(each.result) for each in named]
    ranges = [lr for each in named for lr in each.result.analysis.safe_range or ()]
    low = min([*(frame.lr_low for frame in frames), *ranges])
    high = max([*(frame.lr_high for frame in frames), *ranges])
    for axes in (above, below):
        lr_axis(axes, low, high, labels)
    above.tick_params(labelbottom=False)
    above.set_ylim(_LOW, _HIGH)
    above.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    above.set_ylabel("loss: 1 at its plateau, 0 at its minimum")
    below.set_ylim(len(named) - 0.3, -0.7)
    below.set_yticks(range(len(named)), names)
    below.tick_params(axis="y", length=0)
    for label in below.get_yticklabels():
        label.set_parse_math(False)
    place: dict[str, Any] = {"transform": below.get_yaxis_transform(), "va": "center_baseline", "ha": "left"}
    for index, each in enumerate(named):
        below.text(1.02, index, _finding(each.result), **place)


def _curve(axes: Axes, result: Result, style: dict[str, Any], marker: str) -> None:
    """Draw the smoothed curve, or the mini-batches if there is none, with a mark at the suggestion."""
    scale = _scale(result)
    smooth = _scaled(smooth_points(result.sweep, result.analysis.smoothed), scale)
    raw = _scaled(raw_points(result.sweep), scale)
    if smooth:
        axes.plot(*zip(*smooth, strict=True), linewidth=2.2, **style)
    elif raw:
        axes.plot(*zip(*raw, strict=True), ".", color=style["color"], markersize=4)
    lr = result.analysis.suggested_lr
    loss = loss_at(smooth, lr) if lr is not None else None
    if lr is not None and loss is not None:
        axes.plot([lr], [min(max(loss, _LOW), _HIGH)], marker, **_mark(style["color"]))


def _row(axes: Axes, result: Result, index: int, color: str, marker: str) -> None:
    """Draw the safe range as a bar, with a mark at the suggestion."""
    found = result.analysis
    if found.safe_range:
        axes.plot(found.safe_range, [index, index], color=color, linewidth=7, alpha=0.45, solid_capstyle="butt")
    if found.suggested_lr is not None:
        axes.plot([found.suggested_lr], [index], marker, **_mark(color))
    else:  # how it looks above is said all the same, but at no learning rate
        axes.axhline(index, color=color, linestyle=":", linewidth=2.2)


def _mark(color: str) -> dict[str, Any]:
    return {"color": color, "markersize": 8, "markeredgecolor": BLACK, "markeredgewidth": 1.0, "zorder": 4}


def _scale(result: Result) -> Frame:
    """Return the frame whose bottom and top are the minimum and the plateau of a curve, if it has a descent."""
    frame, landmarks = frame_of(result), result.analysis.landmarks
    descends = landmarks is not None and result.analysis.suggested_lr is not None
    if landmarks is None or not descends or not landmarks.plateau_loss > landmarks.minimum_loss:
        return frame
    return Frame(frame.lr_low, frame.lr_high, landmarks.minimum_loss, landmarks.plateau_loss)


def _scaled(points: Sequence[Point], scale: Frame) -> list[Point]:
    """Return the points on the scale, up to one beyond the picture: matplotlib cannot draw what is far beyond it."""
    scaled = [(lr, scale.up(loss)) for lr, loss in points]
    return [(lr, min(max(up, _LOW - 1), _HIGH + 1)) for lr, up in scaled if math.isfinite(up)]


def _finding(result: Result) -> str:
    found = result.analysis
    if found.suggested_lr is None:
        return "none" + (f": {found.reason.value.replace('_', ' ')}" if found.reason else "")
    return f"{format_lr(found.suggested_lr)} ({found.confidence:.0%})"


def _title(named: Sequence[Named]) -> str:
    return f"{len(named)} sweeps: suggested LR, safe range and confidence of each"


def _heading(picture: Figure, title: str) -> None:
    height = picture.get_size_inches()[1]
    picture.text(0.12 / layout.SIZE[0], 1 - 0.12 / height, title, fontsize=13, fontweight="bold", va="top")
    note = "bar: safe range, mark: suggested LR, on the right with its confidence"
    picture.text(0.12 / layout.SIZE[0], 1 - 0.39 / height, note, fontsize=11, va="top")
