"""What the charts of a page show: plain data, which the script of the page draws."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lrfind.output.curve import (
    DECADES,
    Frame,
    Point,
    divergence_in,
    format_lr,
    format_range,
    frame_of,
    held_out_points,
    margin_of,
    probe_points,
    raw_points,
    smooth_points,
)
from lrfind.records.types import Probe, Result
from lrfind.schedule.kinds import KINDS, set_up
from lrfind.schedule.learning_rates import LearningRates, learning_rates
from lrfind.schedule.scheduler import Length

Look = Literal["line", "points", "dashed", "marked"]
_PREVIEW = Length(30, 5)
"""The length of a training whose schedule is drawn: the shape is that of any length."""


@dataclass(frozen=True)
class Axis:
    """An axis, and what of it is shown at first."""

    label: str
    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Series:
    """The values of a chart that belong together.

    Attributes:
        label: What they are called in the legend.
        x: Rising, shape `(n,)`.
        y: Shape `(n,)`; NaN leaves a gap.
        look: How they are drawn.
        colour: A colour of the style sheet, or a number from 0 to 1 on a ramp.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    look: Look
    colour: str | float


@dataclass(frozen=True)
class Band:
    """A range of x, or a single one, that is marked."""

    low: float
    high: float
    label: str
    colour: str


@dataclass(frozen=True)
class Chart:
    """A chart."""

    x: Axis
    y: Axis
    series: tuple[Series, ...]
    bands: tuple[Band, ...] = ()


def charts(result: Result, mark: float | None = None) -> dict[str, Any]:
    """Return the charts of a result by name; None for one that would show nothing, and schedules by their own names."""
    rates = learning_rates(result)
    return {
        "curve": curve_chart(result, mark),
        "probes": probe_chart(result),
        "held_out": held_out_chart(result),
        "schedules": schedule_charts(rates) if rates else None,
    }


def curve_chart(result: Result, mark: float | None = None) -> Chart:
    """Return loss against learning rate: the sweep, the ends of the probes, what was read from them, and a mark."""
    frame = frame_of(result)
    return Chart(
        Axis("learning rate", frame.lr_low, frame.lr_high, log=True),
        Axis("loss", frame.loss_low, frame.loss_high, frame.log),
        tuple(_curves(result)),
        tuple(_bands(result, frame, mark)),
    )


def probe_chart(result: Result) -> Chart | None:
    """Return the loss of each probe over its steps; None without probes."""
    probes = _by_lr(result)
    lines = [
        Series(label, tuple(range(len(probe.losses))), _short(probe.losses), "line", colour)
        for label, probe, colour in probes
    ]
    return _over_steps(lines)


def held_out_chart(result: Result) -> Chart | None:
    """Return the mean loss of each probe on held-out samples over its steps; None if none was measured."""
    lines = [
        Series(label, probe.held_out_steps, _short(map(statistics.fmean, probe.held_out)), "marked", colour)
        for label, probe, colour in _by_lr(result)
        if probe.held_out
    ]
    return _over_steps(lines)


def schedule_charts(rates: LearningRates) -> dict[str, Chart]:
    """Return the learning rate over a training for each schedule, by its name."""
    shares = _short(100 * step / _PREVIEW.total for step in range(_PREVIEW.total))
    charts = {}
    for name, kind in KINDS.items():
        scheduler = set_up(name, rates, _PREVIEW)
        lrs = _short(scheduler.at(step) for step in range(_PREVIEW.total))
        line = Series(f"{name}: {kind.note}", shares, lrs, "line", "blue")
        charts[name] = Chart(Axis("% of the training", 0, 100), Axis("learning rate", 0, 1.08 * max(lrs)), (line,))
    return charts


def _curves(result: Result) -> Iterator[Series]:
    smoothed = result.analysis.smoothed
    yield _series("mini-batch loss", raw_points(result.sweep), "points", "sky")
    yield _series("smoothed loss", smooth_points(result.sweep, smoothed), "line", "blue")
    if probes := probe_points(result):
        steps = max(probe.steps for probe in result.probes)
        yield _series(f"probes of {steps} steps, at end", probes, "marked", "ink")
        if held_out := held_out_points(result):
            yield _series("the same on held-out samples", held_out, "marked", "purple")
    for index, sweep in enumerate(result.sweeps):
        points = smooth_points(sweep, result.smoothed[index])
        if index != result.used and points:
            yield _series(f"sweep {index + 1}, smoothed", points, "dashed", "grey")


def _bands(result: Result, frame: Frame, mark: float | None) -> Iterator[Band]:
    analysis = result.analysis
    if analysis.safe_range:
        yield Band(*analysis.safe_range, f"safe range {format_range(*analysis.safe_range)}", "green")
    if (start := divergence_in(result, frame)) is not None:
        yield Band(start, frame.lr_high, f"diverged from {format_lr(start)}", "grey")
    if analysis.suggested_lr is not None:
        yield Band(analysis.suggested_lr, analysis.suggested_lr, f"LR {format_lr(analysis.suggested_lr)}", "red")
    if mark is not None:
        yield Band(mark, mark, f"your LR {format_lr(mark)}", "ink")


def _by_lr(result: Result) -> list[tuple[str, Probe, float]]:
    """Return the probes in order of the learning rate, each with its label and its place on the ramp of colours."""
    probes = sorted(result.probes, key=lambda probe: (probe.lr, probe.steps))
    lrs = sorted({probe.lr for probe in probes})
    alike = len({probe.steps for probe in probes}) == 1
    return [
        (
            f"LR {format_lr(probe.lr)}" + ("" if alike else f", {probe.steps} steps"),
            probe,
            lrs.index(probe.lr) / max(len(lrs) - 1, 1),
        )
        for probe in probes
    ]


def _over_steps(lines: Sequence[Series]) -> Chart | None:
    """Return a chart of losses over steps that shows the falls whole, and of a rise as much as half of them."""
    shown = [line for line in lines if any(map(math.isfinite, line.y))]
    if not shown:
        return None
    losses = [loss for line in shown for loss in line.y if math.isfinite(loss)]
    start = max(next(filter(math.isfinite, line.y)) for line in shown)
    low = min(losses)
    high = min(max(losses), start + (start - low) / 2)
    if low > 0 and high > DECADES * low:
        loss = Axis("loss", low / 1.2, high * 1.2, log=True)
    else:
        margin = margin_of(low, high, 0.05)
        loss = Axis("loss", low - margin, high + margin)
    return Chart(Axis("step", 0, max(1, *(line.x[-1] for line in shown))), loss, tuple(shown))


def _series(label: str, points: Sequence[Point], look: Look, colour: str) -> Series:
    return Series(label, _short(lr for lr, _ in points), _short(loss for _, loss in points), look, colour)


def _short(values: Iterable[float]) -> tuple[float, ...]:
    """Return values with the digits of a 32-bit float, as most losses are, so that a page stays small."""
    return tuple(float(f"{value:.8g}") for value in values)
