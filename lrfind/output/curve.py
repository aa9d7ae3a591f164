"""The loss-vs-LR curve as something to draw: its points, what part of the plane to show, ticks and labels."""

from __future__ import annotations

import bisect
import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from lrfind.records.types import Result, Sweep

Point = tuple[float, float]
"""(learning rate, loss)"""

DECADES = 30.0
"""Highest over lowest loss from which a linear scale shows the lower half of the decades in a strip at the bottom."""
LEAST_DRAWN, MOST_DRAWN = 1e-200, 1e200
"""Of losses on a logarithmic scale: with its margins it stays within what a float holds."""


@dataclass(frozen=True)
class Frame:
    """The part of the plane that is shown.

    Attributes:
        lr_low: Learning rate at the left edge; above 0.
        lr_high: Learning rate at the right edge; above `lr_low`.
        loss_low: Loss at the bottom.
        loss_high: Loss at the top; above `loss_low`.
        log: Whether losses, then above 0, lie on a logarithmic scale.
    """

    lr_low: float
    lr_high: float
    loss_low: float
    loss_high: float
    log: bool = False

    def across(self, lr: float) -> float:
        """Where `lr` lies between the left edge (0) and the right edge (1), in log(LR)."""
        return math.log(lr / self.lr_low) / math.log(self.lr_high / self.lr_low)

    def up(self, loss: float) -> float:
        """Where `loss` lies between the bottom (0) and the top (1)."""
        if self.log:
            return math.log(loss / self.loss_low) / math.log(self.loss_high / self.loss_low)
        return (loss - self.loss_low) / (self.loss_high - self.loss_low)


def frame_of(result: Result) -> Frame:
    """Return the part of the plane to show: all rates, and the losses of the sweep before it diverges.

    Losses that are all above 0 have a logarithmic scale where they span decades, and else none below 0.
    """
    lrs, (low, high) = _lr_limits(result), _loss_span(result)
    if _all_positive(result) and DECADES * LEAST_DRAWN < DECADES * low < high < MOST_DRAWN:
        margin = (high / low) ** 0.08
        return Frame(*lrs, low / margin, high * margin, log=True)
    margin = margin_of(low, high, 0.08)
    return Frame(*lrs, max(low - margin, 0.0) if _all_positive(result) else low - margin, high + margin)


def raw_points(sweep: Sweep) -> list[Point]:
    """Return what each rate did to the loss: `(lrs[i - 1], losses[i])`, where both can be drawn."""
    return [(lr, loss) for lr, loss in zip(sweep.lrs, sweep.losses[1:], strict=False) if lr > 0 and _drawable(loss)]


def smooth_points(sweep: Sweep, smoothed: Sequence[float]) -> list[Point]:
    """Return `(lrs[i], smoothed[i])`, where both can be drawn."""
    return [(lr, loss) for lr, loss in zip(sweep.lrs, smoothed, strict=True) if lr > 0 and _drawable(loss)]


def probe_points(result: Result) -> list[Point]:
    """Return `(lr, loss at the end)` of each of the longest probes that got there, in order of the rate."""
    longest = max((probe.steps for probe in result.probes), default=0)
    ends = ((probe.lr, probe.end_loss) for probe in result.probes if probe.steps == longest)
    return sorted(end for end in ends if _drawable(end[1]))


def held_out_points(result: Result) -> list[Point]:
    """Return `(lr, loss on held-out data at the end)` of the probes of `probe_points`, where it was measured."""
    lrs = {lr for lr, _ in probe_points(result)}
    longest = max((probe.steps for probe in result.probes), default=0)
    found = [probe for probe in result.probes if probe.lr in lrs and probe.steps == longest and probe.held_out]
    ends = ((probe.lr, statistics.fmean(probe.held_out[-1])) for probe in found)
    return sorted(end for end in ends if _drawable(end[1]))


def loss_at(points: Sequence[Point], lr: float) -> float | None:
    """Return the loss of the curve through `points` at `lr`, interpolated in log(LR); None beside it."""
    if not points or not points[0][0] <= lr <= points[-1][0]:
        return None
    right = bisect.bisect_left(points, lr, key=lambda point: point[0])
    (high, loss_high), (low, loss_low) = points[right], points[max(right - 1, 0)]
    share = math.log(lr / low) / math.log(high / low) if low < high else 0.0
    return loss_low + share * (loss_high - loss_low)


def divergence_in(result: Result, frame: Frame) -> float | None:
    """Return the learning rate from which the sweep diverged; None if it did not, or only outside the frame."""
    landmarks = result.analysis.landmarks
    start = landmarks.divergence_lr if landmarks else None
    return start if start is not None and start < frame.lr_high else None


def format_lr(lr: float) -> str:
    """Return a learning rate with 3 significant digits, as `float` reads it: 0.0123, 3.2e-05, 1.5."""
    return f"{lr:.3g}"


def format_range(low: float, high: float) -> str:
    """Return a range of learning rates in words: 0.00316 to 0.0412."""
    return f"{format_lr(low)} to {format_lr(high)}"


def schedule_of(result: Result) -> str:
    """Return the schedule that the suggestion is for; `constant` without one."""
    analysis = result.analysis
    if analysis.suggested_lr in (None, analysis.constant_lr):
        return "constant"
    return str((result.settings or result.config).get("train", {}).get("schedule", "schedule"))


def meant_for(result: Result) -> str:
    """Return what the suggestion is: a constant learning rate, or the peak of a schedule."""
    schedule = schedule_of(result)
    return schedule if schedule == "constant" else f"peak of {schedule}"


def purpose(result: Result) -> str:
    """Return what the suggestion is for; "" for a constant learning rate."""
    constant = result.analysis.constant_lr
    if constant is None or schedule_of(result) == "constant":
        return ""
    return f" as the {meant_for(result)} ({format_lr(constant)} if constant)"


def findings(result: Result) -> list[tuple[str, str]]:
    """Return the suggested LR, the safe range and the confidence, each with its name; none of them for a refusal."""
    analysis = result.analysis
    if analysis.suggested_lr is None:
        return []
    safe = [("safe range", format_range(*analysis.safe_range))] if analysis.safe_range else []
    lr = f"{format_lr(analysis.suggested_lr)}{purpose(result)}"
    return [("suggested LR", lr), *safe, ("confidence", f"{analysis.confidence:.0%}")]


def headline(result: Result, name_end: str = " ", between: str = ", ") -> str:
    """Return the finding in one line."""
    analysis = result.analysis
    if analysis.suggested_lr is None:
        reason = f" ({analysis.reason.value.replace('_', ' ')})" if analysis.reason else ""
        return f"No learning rate suggested{reason}"
    line = between.join(f"{name}{name_end}{value}" for name, value in findings(result))
    return line[0].upper() + line[1:]


def lr_ticks(low: float, high: float, at_most: int) -> list[float]:
    """Return rates to label between `low` and `high`: decades, or finer if there are not three of them."""
    decades = [float(f"1e{k}") for k in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    whole = [lr for lr in decades if low <= lr <= high]
    if len(whole) >= 3:
        return whole[:: math.ceil(len(whole) / at_most)]
    parts = [float(f"{n}e{math.log10(lr):.0f}") for lr in decades for n in (1, 2, 5)]
    inside = [lr for lr in parts if low <= lr <= high]
    return inside if 3 <= len(inside) <= at_most else even_ticks(low, high, min(at_most, 5))


def even_ticks(low: float, high: float, at_most: int) -> list[float]:
    """Return at most `at_most` round numbers between `low` and `high`, evenly spaced."""
    room = (high - low) / at_most
    unit = 10.0 ** math.floor(math.log10(room))
    step = next(unit * n for n in (1, 2, 5, 10) if unit * n >= room)
    return [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Return a label for each tick, with as many digits as it takes to tell neighbours apart.

    Decades are written in one style: 0.001 to 10, or 1e-5 to 1e1 if one of them would be long.
    """
    if len(ticks) > 2 and all(math.log10(tick) % 1 in (0.0, 1.0) for tick in ticks if tick > 0) and min(ticks) > 0:
        long = not 1e-4 < min(ticks) <= max(ticks) < 1e4
        return [f"1e{round(math.log10(tick))}" if long else f"{tick:g}" for tick in ticks]
    largest = max(map(abs, ticks), default=0.0)
    step = min((b - a for a, b in itertools.pairwise(ticks)), default=largest)
    digits = math.ceil(math.log10(largest / step) - 1e-9) + 1 if 0 < step < largest else 2
    if 1 <= largest < 1e5:
        digits = max(digits, math.floor(math.log10(largest)) + 1)  # 1200 rather than 1.2e3
    return [_short(f"{tick:.{digits}g}") for tick in ticks]


def _short(number: str) -> str:
    mantissa, e, exponent = number.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else number


def _drawable(loss: float) -> bool:
    return abs(loss) < 1e300  # false for NaN; differences of larger ones overflow


def _lr_limits(result: Result) -> tuple[float, float]:
    suggested = result.analysis.suggested_lr
    lrs = [lr for lr in (*result.sweep.lrs, suggested or 0.0) if 0 < lr < math.inf] or [1.0]
    # A margin of 2 % on each side, and a factor of 2.5 if there is only one rate.
    margin = max(math.log(max(lrs) / min(lrs)) * 0.02, 1e-5) if max(lrs) > min(lrs) else math.log(2.5)
    return min(lrs) / math.exp(margin), max(lrs) * math.exp(margin)


def _all_positive(result: Result) -> bool:
    """Tell whether all that can be drawn lies above 0, as of a loss that cannot be negative."""
    points = [*raw_points(result.sweep), *smooth_points(result.sweep, result.analysis.smoothed)]
    points += [*probe_points(result), *held_out_points(result)]
    return bool(points) and min(loss for _, loss in points) > 0


def margin_of(low: float, high: float, share: float) -> float:
    """Return the room to leave above and below losses, as a share of their span; they may all be one."""
    margins = ((high - low) * share, abs(low) * share)
    return next((margin for margin in margins if margin > 1e-300), 1.0)  # smaller floats lose their digits


def _loss_span(result: Result) -> tuple[float, float]:
    landmarks = result.analysis.landmarks
    raw, smooth = raw_points(result.sweep), smooth_points(result.sweep, result.analysis.smoothed)
    if landmarks is None:
        values = [loss for _, loss in raw + smooth]
        return _bulk(values) if values else (0.0, 1.0)
    end = math.inf if landmarks.divergence_lr is None else landmarks.divergence_lr
    shown = [loss for lr, loss in smooth if lr < end] + [landmarks.plateau_loss, landmarks.minimum_loss]
    if before := [loss for lr, loss in raw if lr < end]:
        shown.append(_bulk(before)[0])
    if descent := [loss for lr, loss in raw if lr <= landmarks.minimum_lr]:  # behind it the explosion sets in
        shown.extend(_bulk(descent))
    ends = probe_points(result) + held_out_points(result)
    shown.extend(loss for _, loss in ends if loss < landmarks.plateau_loss)
    drawable = list(filter(_drawable, shown))
    return (min(drawable), max(drawable)) if drawable else (0.0, 1.0)


def _bulk(losses: Sequence[float]) -> tuple[float, float]:
    """Return the range of `losses` (in the order of the sweep) without single outliers and an explosion.

    Nothing that is worth a look rises above the start of a sweep by more than twice what it falls below.
    """
    ordered = sorted(losses)
    last = len(ordered) - 1
    low, high = ordered[round(0.01 * last)], ordered[round(0.99 * last)]
    start = max(losses[0], ordered[last // 2])
    return low, max(low, min(high, start + 2 * (start - low)))
