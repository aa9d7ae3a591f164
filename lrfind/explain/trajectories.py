"""What became of short trainings at learning rates around one another: crawling, descending, diverging.

Every outcome is read from the losses by rule, and by their differences alone: a loss that is scaled or shifted has the
same outcome. Trainings that are compared share weights and mini-batches, so they differ by the learning rate alone.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

from lrfind.analysis.landmarks import PLATEAU_SHARE, ROUNDING, SIGNIFICANT
from lrfind.analysis.smoothing import Array
from lrfind.explain.types import Course, Outcome, Start
from lrfind.records.types import Landmarks, Probe, StopReason

LAG = 0.5
"""A training lags behind another one that was as far after this share of the steps: it needs at least twice as many.
A tenth of the learning rate would be where the other was after a tenth of them, if the distance travelled were all;
what lies between a half and all of them no one would call slow by looking at the curves."""

MOST = 0.9
"""Share of a drop after which most of it is made."""

SMOOTHED_ROOT = 1 / 3
"""Standard deviation of the smoothing kernel over the root of the steps: about ten mini-batches count in a training of
100. In a longer one more do, to show its course, but over a smaller share of it, as it falls within its first steps."""

MIN_SMOOTHED_STEPS = 1.5
"""A narrower kernel would follow single mini-batches."""

SPIKE = 5
"""Losses of which the median is taken to see a rise, as a single mini-batch is none."""


def start_of(landmarks: Landmarks | None, sweep_steps: int, probes: Sequence[Probe]) -> Start:
    """Return the loss before training: the plateau of the sweep, or else the first loss of the trainings.

    Args:
        landmarks: Of the sweep of the same training; None if there are none.
        sweep_steps: Updates of that sweep.
        probes: The trainings, at least one of them with a loss.
    """
    if landmarks is not None:
        points = max(1, round(PLATEAU_SHARE * sweep_steps))
        return Start(landmarks.plateau_loss, landmarks.noise, landmarks.noise / math.sqrt(points))
    slowest = min((probe for probe in probes if probe.losses), key=lambda probe: probe.lr)
    first = [loss for loss in slowest.losses[: 2 * SPIKE] if math.isfinite(loss)]
    noise = statistics.stdev(first) if len(first) > 1 else 0.0
    return Start(slowest.losses[0], noise, noise)


def courses(probes: Sequence[Probe], alpha: float, start: Start) -> list[Course]:
    """Return how each of `probes` went, compared with the one at `alpha`.

    Args:
        probes: Trainings of equal length from the same start, one of them at `alpha`.
        alpha: Learning rate of the one that the others are compared with.
        start: The loss before any training.
    """
    ceiling = _ceiling(probes, start)
    readings = [_Reading(probe, start, ceiling) for probe in probes]
    reference = next(reading for reading in readings if reading.probe.lr == alpha)
    return [_course(reading, reference) for reading in readings]


def smooth(losses: Sequence[float], steps: int, ceiling: float = math.inf) -> Array:
    """Return losses smoothed without lag, shape `(n,)`: up to the first one that is not finite.

    Gaussian-weighted local lines, as of `lrfind.analysis.smoothing.smoother`, by convolution. The moments
    `s_k = sum_j w (j - i)^k` and `t_k = sum_j w (j - i)^k y_j` give `(s_2 t_0 - s_1 t_1) / (s_0 s_2 - s_1^2)`.

    Args:
        losses: Raw loss of each mini-batch, shape `(m,)`.
        steps: Length of the training, which the width of the kernel grows with.
        ceiling: Losses above count as this much, so that an explosion cannot leak into what lies before it.
    """
    values = np.minimum(_finite(losses), ceiling)
    if len(values) < 2:
        return values
    width = max(SMOOTHED_ROOT * math.sqrt(steps), MIN_SMOOTHED_STEPS)
    reach = min(math.ceil(4 * width), len(values) - 1)
    offset = np.arange(-reach, reach + 1, dtype=np.float64)
    weight = np.exp(-0.5 * (offset / width) ** 2)

    def moment(of: Array, power: int) -> Array:
        # np.convolve turns its kernel around, hence the sign.
        return np.asarray(np.convolve(of, weight * (-offset) ** power)[reach:-reach])

    s0, s1, s2 = (moment(np.ones_like(values), power) for power in range(3))
    t0, t1 = (moment(values - values[0], power) for power in range(2))
    return np.asarray(values[0] + (s2 * t0 - s1 * t1) / (s0 * s2 - s1**2))


def _ceiling(probes: Sequence[Probe], start: Start) -> float:
    """Return a loss above which only divergence is left: as far above the start as the lowest loss is below it.

    Where none falls, the mildest rise is below it still.
    """
    fall = start.loss - min(float(_finite(probe.losses).min(initial=start.loss)) for probe in probes)
    rise = min(_highest(probe.losses) for probe in probes if probe.losses) - start.loss
    return start.loss + max(fall, rise, SIGNIFICANT * start.noise, ROUNDING * abs(start.loss))


def _highest(losses: Sequence[float]) -> float:
    """Return the highest median of five successive losses, up to the first that is not finite; -inf without any."""
    values = _finite(losses)
    if not len(values):
        return -math.inf
    windows = np.lib.stride_tricks.sliding_window_view(values, min(SPIKE, len(values)))
    return float(np.median(windows, axis=1).max())


def _finite(losses: Sequence[float]) -> Array:
    values = np.asarray(losses, dtype=np.float64)
    finite = np.isfinite(values)
    return values if finite.all() else values[: int(np.argmin(finite))]


class _Reading:
    """One training beside the start."""

    def __init__(self, probe: Probe, start: Start, ceiling: float) -> None:
        self.probe = probe
        self.start = start
        self.end = probe.end_loss
        self.smoothed = smooth(probe.losses, probe.steps, ceiling)
        last = probe.losses[-max(2, round(probe.steps / 4)) :]
        self._error = statistics.stdev(last) / math.sqrt(len(last)) if math.isfinite(self.end) else 0.0
        self._least = ROUNDING * abs(start.loss) + float(np.finfo(np.float64).tiny)

    @property
    def drop(self) -> float:
        return self.start.loss - self.end

    @property
    def descends(self) -> bool:
        """Whether it ends below the start by more than chance."""
        return self.drop >= SIGNIFICANT * math.hypot(self._error, self.start.error) + self._least

    @property
    def peak(self) -> float | None:
        """The highest median of five losses, where that is above the start by more than chance."""
        highest = _highest(self.probe.losses)
        return highest if highest - self.start.loss >= SIGNIFICANT * self.start.noise + self._least else None

    def lags(self, other: _Reading) -> bool:
        """Whether it ends above another one by more than chance, which was as far in half of the steps."""
        behind = self.end - other.end >= SIGNIFICANT * math.hypot(self._error, other._error) + self._least
        steps = other.steps_to(self.end)
        return behind and steps is not None and steps <= LAG * self.probe.steps

    def steps_to(self, loss: float) -> int | None:
        """Return the steps after which the smoothed loss was down to `loss`; None if it never was."""
        there = np.flatnonzero(self.smoothed <= loss)
        return int(there[0]) if len(there) else None


def _course(run: _Reading, alpha: _Reading) -> Course:
    ended = alpha.descends and math.isfinite(run.end)
    return Course(
        probe=run.probe,
        smoothed=tuple(run.smoothed.tolist()),
        outcome=_outcome(run, alpha),
        peak_loss=run.peak,
        drop_share=run.drop / alpha.drop if ended else None,
        most_steps=run.steps_to(alpha.start.loss - MOST * alpha.drop) if alpha.descends else None,
        alpha_steps=alpha.steps_to(run.end) if ended and run.descends else None,
    )


def _outcome(run: _Reading, alpha: _Reading) -> Outcome:
    reason = run.probe.stop_reason
    if reason.cut_short:
        return Outcome.FAILS if reason is StopReason.FAILED else Outcome.UNFINISHED
    if reason is not StopReason.COMPLETED:
        return Outcome.DIVERGES
    if not run.descends:
        return _without_descent(run, alpha)
    if run is alpha or not alpha.descends:
        return Outcome.DESCENDS
    if alpha.lags(run):
        return Outcome.FASTER
    if not run.lags(alpha):
        return Outcome.AS_WELL
    if run.probe.lr < alpha.probe.lr:
        return Outcome.CRAWLS
    return Outcome.LAGS if run.peak is None else Outcome.OVERSHOOTS


def _without_descent(run: _Reading, alpha: _Reading) -> Outcome:
    if run.peak is not None:
        return Outcome.DIVERGES
    return Outcome.CRAWLS if run.probe.lr < alpha.probe.lr and alpha.descends else Outcome.STALLS
