"""The learning rate over a training: one schedule, or all of them side by side."""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrfind.output import layout
from lrfind.output.curve import even_ticks, format_lr, tick_labels
from lrfind.output.picture import BLUE, own_settings, plain, save_picture
from lrfind.schedule.kinds import KINDS, Length, Scheduler, set_up
from lrfind.schedule.learning_rates import LearningRates

_POINTS = 2000
_COLUMNS, _CELL, _HEADING = 3, 1.75, 0.75
"""Small pictures beside each other, and the heights of one and of what stands above all, in inches."""


def save_schedule(name: str, scheduler: Scheduler, length: Length, path: Path) -> None:
    """Write the picture of one schedule to `path`, as PNG, SVG or PDF by its suffix.

    Raises:
        OutputError: The suffix is another one, or the file cannot be written.
    """
    save_picture(lambda: schedule_figure(name, scheduler, length), path, f"{name} schedule")


def save_schedules(rates: LearningRates, length: Length, path: Path) -> None:
    """Write the picture of all schedules; arguments and errors are those of `save_schedule`."""
    save_picture(lambda: schedules_figure(rates, length), path, "learning-rate schedules")


@own_settings()
def schedule_figure(name: str, scheduler: Scheduler, length: Length) -> Figure:
    """Return the picture of one schedule."""
    picture = Figure(figsize=(layout.SIZE[0], 4.2), dpi=layout.DPI)
    axes = picture.add_axes((0.1, 0.15, 0.86, 0.64), xlabel="epoch", ylabel="learning rate")
    lrs = _curve(axes, scheduler, length, 2.4)
    ticks = even_ticks(0, 1.08 * max(lrs), 6)
    labels = tick_labels(ticks)
    axes.set_yticks(ticks, labels)
    left = (0.5 + layout.widest(picture, labels)) / layout.SIZE[0]
    axes.set_position((left, 0.15, 0.96 - left, 0.64))
    title = f"{name}: {scheduler.node.name}" + ", if the validation loss stops falling half-way" * (name == "plateau")
    picture.text(0.015, 0.97, title, va="top", fontsize=13, fontweight="bold")
    picture.text(0.015, 0.90, f"{_span(lrs)}, {length.epochs} epochs of {length.steps} updates", va="top", fontsize=11)
    return picture


@own_settings()
def schedules_figure(rates: LearningRates, length: Length) -> Figure:
    """Return the picture of all schedules."""
    rows = math.ceil(len(KINDS) / _COLUMNS)
    height = _HEADING + rows * _CELL + 0.3
    picture = Figure(figsize=(layout.SIZE[0], height), dpi=layout.DPI)
    schedulers = {name: set_up(name, rates, length) for name in KINDS}
    room = 0.2 + layout.widest(picture, [format_lr(_top(scheduler, length)) for scheduler in schedulers.values()])
    cell = (layout.SIZE[0] - 0.15) / _COLUMNS
    for index, (name, scheduler) in enumerate(schedulers.items()):
        column, row = index % _COLUMNS, index // _COLUMNS
        left, bottom = column * cell + room, height - _HEADING - (row + 1) * _CELL + 0.4
        size = (cell - room - 0.1) / layout.SIZE[0], (_CELL - 0.75) / height
        axes = picture.add_axes((left / layout.SIZE[0], bottom / height, *size))
        lrs = _curve(axes, scheduler, length, 1.8)
        axes.set_yticks([0, max(lrs)], ["0", format_lr(max(lrs))])
        axes.set_title(name, fontsize=11, fontweight="bold", loc="left", pad=4)
        if index + _COLUMNS >= len(KINDS):
            axes.set_xlabel("epoch")
    heading = f"Learning rate over {length.epochs} epochs of {length.steps} updates"
    picture.text(0.015, 1 - 0.1 / height, heading, va="top", fontsize=13, fontweight="bold")
    note = "plateau: if the validation loss stops falling half-way"
    picture.text(0.015, 1 - 0.37 / height, note, va="top", fontsize=11)
    return picture


def _curve(axes: Axes, scheduler: Scheduler, length: Length, width: float) -> list[float]:
    """Draw the learning rate over the epochs, and return it."""
    steps = _steps(length)
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


def _steps(length: Length) -> list[int]:
    """Return the updates, or as many of them as can be told apart."""
    stride = max(1, length.total // _POINTS)
    return sorted({*range(0, length.total, stride), length.total - 1})


def _top(scheduler: Scheduler, length: Length) -> float:
    return max(map(scheduler.at, _steps(length)))


def _span(lrs: list[float]) -> str:
    if min(lrs) == max(lrs):
        return f"LR {format_lr(lrs[0])}"
    return f"LR from {format_lr(lrs[0])}, at most {format_lr(max(lrs))}, at the end {format_lr(lrs[-1])}"
