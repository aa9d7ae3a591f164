"""Short trainings around a learning rate in one picture: their losses over the updates, each labelled at its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrfind.explain.types import Explanation, Outcome, Run
from lrfind.output import layout
from lrfind.output.curve import even_ticks, format_lr, lr_ticks, margin_of, tick_labels
from lrfind.output.picture import BLUE, GREEN, VERMILLION, own_settings, plain

LOG_FROM = 10.0
"""How many times the start must be above the lowest end for a logarithmic axis: on a linear one, curves that end below
a tenth of the start lie on top of each other. A loss that can be 0 or less has no logarithm."""

HEADROOM = 0.4
"""What is shown above the start over what is shown below it, unless nothing rises so far. Curves that go higher leave
the picture: they end at a ceiling, which is no level of theirs."""

_MARGIN = 0.05
_LABEL_HEIGHT = 0.15
"""Height of a label of two lines over that of the axes, at most."""


@dataclass(frozen=True)
class _Scale:
    """The losses that are shown, from `low` to `high`."""

    low: float
    high: float
    log: bool

    def shown(self, losses: Sequence[float]) -> list[float]:
        """Return losses with those far outside brought to just outside: matplotlib cannot draw what is far away."""
        room = self.high / self.low if self.log else self.high - self.low
        low, high = (self.low / room, self.high * room) if self.log else (self.low - room, self.high + room)
        return [min(max(loss, low), high) if math.isfinite(loss) else math.nan for loss in losses]

    def inside(self, loss: float) -> float:
        return min(max(loss, self.low), self.high)


@own_settings()
def explanation_figure(explained: Explanation) -> Figure:
    """Return the picture of short trainings."""
    picture = layout.new_picture()
    axes = picture.add_subplot(xlabel="updates", ylabel="loss")
    scale, drawn = _scale(explained), [run for run in explained.runs if run.probe.losses]
    _ruled(axes, explained, scale)
    for run in drawn:
        _curve(axes, run, scale, _color(run))
    _key(axes, explained)
    _label_ends(axes, drawn, scale)
    layout.add_legend(picture)
    layout.add_heading(picture, explained.title, explained.message)
    return picture


def _scale(explained: Explanation) -> _Scale:
    start = explained.start.loss
    raw = [loss for run in explained.runs for loss in run.probe.losses if math.isfinite(loss)]
    curves = [loss for run in explained.runs for loss in run.smoothed]
    lowest, highest = min([*curves, start]), max([*curves, start])
    usual = float(np.quantile(raw, 0.01)) if raw else start  # single mini-batches may leave the picture
    log = min([*raw, start]) > 0 and start > LOG_FROM * max(lowest, usual)
    low = max(lowest, usual) if log else min(lowest, usual)
    high = min(highest, start + max(HEADROOM * (start - low), (highest - start) / 2))
    if log:
        margin = (high / low) ** _MARGIN
        return _Scale(low / margin, high * margin, log=True)
    margin = margin_of(low, high, _MARGIN)
    return _Scale(low - margin, high + margin, log=False)


def _ruled(axes: Axes, explained: Explanation, scale: _Scale) -> None:
    axes.set_yscale("log" if scale.log else "linear")
    axes.set_ylim(scale.low, scale.high)
    losses = lr_ticks(scale.low, scale.high, 7) if scale.log else even_ticks(scale.low, scale.high, 7)
    axes.set_yticks(losses, tick_labels(losses))
    axes.set_yticks([], minor=True)
    axes.set_xlim(-0.015 * explained.steps, explained.steps)
    ticks = sorted({round(tick) for tick in even_ticks(0, explained.steps, 6)})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    plain(axes)
    axes.axhline(explained.start.loss, color="#666666", linestyle="--", linewidth=1.2, zorder=1.5)


def _curve(axes: Axes, run: Run, scale: _Scale, color: str) -> None:
    """Draw the losses of a training, with a mark where they leave the picture and where it was stopped."""
    raw, smooth = scale.shown(run.probe.losses), scale.shown(run.smoothed)
    axes.plot(range(len(raw)), raw, color=color, linewidth=0.9, alpha=0.3)
    axes.plot(range(len(smooth)), smooth, color=color, linewidth=2.6, zorder=3)
    style: dict[str, Any] = {"color": color, "markersize": 9, "clip_on": False, "zorder": 4, "markeredgecolor": "white"}
    leaves = next((step for step, loss in enumerate(smooth) if loss > scale.high), None)
    if leaves is not None:
        axes.plot([leaves], [scale.high], "^", **style)
    if run.outcome in (Outcome.DIVERGES, Outcome.FAILS) and len(raw) < run.probe.steps:
        axes.plot([len(raw) - 1], [_end(run, scale)], "X", **style)


def _end(run: Run, scale: _Scale) -> float:
    """Return the loss at which a curve ends in the picture; the top, if its last loss is not finite."""
    curve, losses = run.smoothed, run.probe.losses
    return scale.inside(curve[-1]) if len(curve) == len(losses) else scale.high


def _color(run: Run) -> str:
    return GREEN if run.factor < 1 else VERMILLION if run.factor > 1 else BLUE


def _key(axes: Axes, explained: Explanation) -> None:
    """Explain lines and marks in the legend, in a neutral colour."""
    grey = "#555555"
    axes.plot([], [], color=grey, linewidth=2.6, label="smoothed loss (faint: mini-batches)")
    axes.plot([], [], color="#666666", linestyle="--", linewidth=1.2, label="loss before training")
    marks = {line.get_marker() for line in axes.lines}
    for marker, label in {"^": "leaves the picture", "X": "stopped"}.items():
        if marker in marks:
            axes.plot([], [], marker, color=grey, markersize=9, markeredgecolor="white", label=label)


def _label(run: Run) -> str:
    """Return the label at the end of a curve: learning rate, role, outcome and where it ends."""
    probe, outcome = run.probe, run.outcome
    ends = f": {format_lr(probe.end_loss)}" if math.isfinite(probe.end_loss) else f" at step {len(probe.losses)}"
    return f"{format_lr(run.lr)}, {run.role}\n{outcome.value}{ends}"


def _label_ends(axes: Axes, runs: Sequence[Run], scale: _Scale) -> None:
    """Write beside the axes what each curve is, with a line from its end."""
    ends = [(len(run.probe.losses) - 1, _end(run, scale)) for run in runs]
    to_axes = axes.transData - axes.transAxes
    heights = _spread([float(to_axes.transform(end)[1]) for end in ends], _LABEL_HEIGHT, 0, 1)
    for run, end, height in zip(runs, ends, heights, strict=True):
        color, weight = _color(run), "bold" if run.factor == 1 else "normal"
        lead = {"arrowstyle": "-", "linestyle": ":", "color": color, "relpos": (0, 0.5), "shrinkA": 3, "shrinkB": 0}
        style: dict[str, Any] = {"color": color, "fontsize": 10.5, "va": "center", "weight": weight}
        place: dict[str, Any] = {"xytext": (1.05, height), "textcoords": "axes fraction", "annotation_clip": False}
        axes.annotate(_label(run), end, arrowprops=lead, **place, **style)


def _spread(wanted: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Return heights near those wanted, from `low` to `high`, at least so far apart."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed, floor, ceiling = list(wanted), low, high
    for index in order:
        placed[index] = floor = max(wanted[index], floor)
        floor += apart
    for index in reversed(order):
        placed[index] = ceiling = min(placed[index], ceiling)
        ceiling -= apart
    return placed
