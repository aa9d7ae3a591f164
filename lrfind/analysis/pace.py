"""The pace of a sweep: how many updates it spends at each learning rate, and how far that moves its descent."""

from __future__ import annotations

import math

import numpy as np

from lrfind.analysis.landmarks import Curve
from lrfind.analysis.smoothing import Array
from lrfind.settings import SweepSettings

USUAL = SweepSettings()
"""The usual sweep, 100 updates over 8 decades, 12.4 in each: that of other finders as well, and what the rules of
reading were measured on."""

USUAL_PACE = 1 / (1 - (USUAL.start_lr / USUAL.end_lr) ** (1 / (USUAL.num_iter - 1)))
"""Sum of the learning rates of the usual sweep up to any one of them, over that one: 5.9, a geometric series."""

SCATTER = 0.3
"""Standard deviation of the exponent below from one training to another: 10 tuning trainings, 400 to 6400 updates."""

TOLERANCE = 2.9
"""A learning rate this many times too high or too low is within 5 % of the best, in the median tuning training."""


def slowdown(curve: Curve, updates_per_point: float) -> Array:
    """Return how many times as far as the usual sweep this one has trained at each learning rate, at least 1.

    The loss falls once the weights have gone a certain distance, which is the sum of the learning rates (an update is a
    step of gradient flow; see `lrfind.analysis.peak_lr`). With a ratio r from one learning rate to the next that sum is
    `lr / (1 - 1 / r)`. So where k times as many updates are spent in a decade, the descent shows at `lr / k`; where the
    loss rises again depends on the curvature, and stays.

    A faster sweep counts as the usual one: it is unstable before it has gone that far. In the tuning trainings, sweeps
    of 25 updates did better as they are than moved down (mean regret 0.16, not 0.22).

    Args:
        curve: The curve of the sweep.
        updates_per_point: Updates that each of its points stands for.

    Returns:
        Shape `(n,)`.
    """
    lrs = np.power(10.0, curve.log_lrs - curve.log_lrs[-1])
    slower: Array = np.maximum(updates_per_point * np.cumsum(lrs) / (USUAL_PACE * lrs), 1.0)
    return slower


def certainty(factor: float) -> float:
    """Return how likely a learning rate that was moved up by `factor` is within `TOLERANCE` of where it belongs.

    The exponent of the law above is 1 but for `SCATTER`, so the error of log(LR) is normal, with a standard deviation
    of `SCATTER * log(factor)`.
    """
    moved = SCATTER * math.log(factor)
    return math.erf(math.log(TOLERANCE) / (moved * math.sqrt(2))) if moved > 0 else 1.0
