"""Several sweeps in one picture: their curves on one scale, and below the learning rates that they suggest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrfind.output import layout
from lrfind.output.curve import (
    Frame,
    Point,
    format_lr,
    frame_of,
    loss_at,
    meant_for,
    raw_points,
    schedule_of,
    smooth_points,
)
from lrfind.output.look import PLAIN, Look
from lrfind.output.picture import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, lr_axis, own_settings
from lrfind.records.types import Result

_STYLES = list(zip((BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY), "osD^vP", strict=True))
_DASHES = ("-", "--")
_LOW, _HIGH = -0.2, 1.4
"""What is shown of the scale on which a curve falls from 1 to 0."""

_CURVES, _ROW, _LABELS = 3.4, 0.3, 0.75
"""Heights of the curves, of the row of each sweep below them, and of all that stands around, in inches."""


def comparison(results: Mapping[str, Result], look: Look = PLAIN) -> Figure:
    """Return the picture of several results, by what each is called; of more than 12 some look the same."""
    with own_settings(look.theme):
        return _comparison(results, look)


def _comparison(results: Mapping[str, Result], look: Look) -> Figure:
    rows = _ROW * (len(results) + 0.4)
    picture = layout.new_picture(_CURVES + rows + _LABELS)
    above, below = picture.subplots(2, 1, sharex=True, height_ratios=(_CURVES, rows))
    _ruled(above, below, results)
    for index, result in enumerate(results.values()):
        color, marker = _STYLES[index % len(_STYLES)]
        style = {"color": color, "linestyle": _DASHES[index // len(_STYLES) % len(_DASHES)]}
        _curve(above, result, style, marker)
        _row(below, result, index, color, marker)
    if look.mark is not None:
        below.axvline(look.mark, color=rcParams["text.color"], linestyle="--", linewidth=1.6, zorder=3)
    title = look.title or f"{len(results)} sweeps: suggested LR, safe range and confidence of each"
    marked = f"; dashed: your LR {format_lr(look.mark)}" if look.mark is not None else ""
    layout.add_heading(picture, title, f"bar: safe range, mark: suggested LR, on the right with its confidence{marked}")
    return picture


def _ruled(above: Axes, below: Axes, results: Mapping[str, Result]) -> None:
    frames = [frame_of(result) for result in results.values()]
    ranges = [lr for result in results.values() for lr in result.analysis.safe_range or ()]
    low = min([*(frame.lr_low for frame in frames), *ranges])
    high = max([*(frame.lr_high for frame in frames), *ranges])
    for axes in (above, below):
        lr_axis(axes, low, high, at_most=6)
    above.set_ylim(_LOW, _HIGH)
    above.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    above.set_ylabel("loss: 1 at its plateau, 0 at its minimum")
    below.set_xlabel("learning rate")
    below.set_ylim(len(results) - 0.3, -0.7)
    below.set_yticks(range(len(results)), [layout.shortened(name, 30) for name in results], parse_math=False)
    below.tick_params(axis="y", length=0)


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
    """Draw the safe range as a bar, with a mark at the suggestion, and say on the right what it is."""
    analysis = result.analysis
    axes.text(1.02, index, _finding(result), transform=axes.get_yaxis_transform(), va="center_baseline")
    if analysis.safe_range:
        axes.plot(analysis.safe_range, [index, index], color=color, linewidth=7, alpha=0.45, solid_capstyle="butt")
    if analysis.suggested_lr is not None:
        axes.plot([analysis.suggested_lr], [index], marker, **_mark(color))
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
    analysis = result.analysis
    if analysis.suggested_lr is None:
        return "none" + (f": {analysis.reason.value.replace('_', ' ')}" if analysis.reason else "")
    peak = "" if schedule_of(result) == "constant" else f" {meant_for(result)}"
    return f"{format_lr(analysis.suggested_lr)}{peak} ({analysis.confidence:.0%})"
