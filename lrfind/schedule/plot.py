"""The learning rate over a training: one schedule, or all of them side by side."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrfind.output import layout
from lrfind.output.curve import even_ticks, format_lr, tick_labels
from lrfind.output.picture import BLUE, own_settings, plain
from lrfind.schedule.kinds import KINDS, set_up
from lrfind.schedule.learning_rates import LearningRates
from lrfind.schedule.scheduler import Length, Scheduler

_POINTS = 2000
_COLUMNS, _ROW = 3, 1.7
"""Small plots beside each other, and the height of a row of them in inches."""


@own_settings()
def schedule_figure(name: str, scheduler: Scheduler, length: Length) -> Figure:
    """Return the picture of one schedule."""
    picture = layout.new_picture()
    axes = picture.add_subplot(xlabel="epoch", ylabel="learning rate")
    lrs = _curve(axes, scheduler, length, 2.4)
    ticks = even_ticks(0, 1.08 * max(lrs), 6)
    axes.set_yticks(ticks, tick_labels(ticks))
    title = f"{name}: {scheduler.node.name}" + ", if the validation loss stops falling half-way" * (name == "plateau")
    layout.add_heading(picture, title, f"{_span(lrs)}, {length.epochs} epochs of {length.steps} updates")
    return picture


@own_settings()
def schedules_figure(rates: LearningRates, length: Length) -> Figure:
    """Return the picture of all schedules."""
    rows = math.ceil(len(KINDS) / _COLUMNS)
    picture = layout.new_picture(rows * _ROW)
    for place, name in enumerate(KINDS, 1):
        axes = picture.add_subplot(rows, _COLUMNS, place)
        lrs = _curve(axes, set_up(name, rates, length), length, 1.8)
        axes.set_yticks([0, max(lrs)], ["0", format_lr(max(lrs))])
        axes.set_title(name, fontsize=11, fontweight="bold", loc="left")
    picture.supxlabel("epoch", fontsize=10)
    title = f"Learning rate over {length.epochs} epochs of {length.steps} updates"
    layout.add_heading(picture, title, "plateau: if the validation loss stops falling half-way")
    return picture


def _curve(axes: Axes, scheduler: Scheduler, length: Length, width: float) -> list[float]:
    """Draw the learning rate over the epochs, and return it."""
    stride = max(1, length.total // _POINTS)  # as many updates as can be told apart
    steps = sorted({*range(0, length.total, stride), length.total - 1})
    lrs = [scheduler.at(step) for step in steps]
    # Each update keeps its learning rate until the next.
    epochs = [step / length.steps for step in steps] + [float(length.epochs)]
    axes.plot(epochs, [*lrs, lrs[-1]], color=BLUE, linewidth=width, drawstyle="steps-post")
    axes.set_xlim(0, length.epochs)
    axes.set_ylim(0, 1.08 * max(lrs))
    ticks = sorted({round(tick) for tick in even_ticks(0, length.epochs, 5)})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    plain(axes)
    return lrs


def _span(lrs: list[float]) -> str:
    if min(lrs) == max(lrs):
        return f"LR {format_lr(lrs[0])}"
    return f"LR from {format_lr(lrs[0])}, at most {format_lr(max(lrs))}, at the end {format_lr(lrs[-1])}"
