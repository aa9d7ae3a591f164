"""Smoothing without lag, and slopes per decade of learning rate.

An exponential moving average, as other finders use, trails the curve: at its usual factor of 0.98 by two decades of
learning rate in a sweep of 100 steps over 8 decades. A kernel that looks both ways does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BANDWIDTH_DECADES = 0.3
"""Standard deviation of the kernel, in decades of learning rate: what lies within a factor of 2 is averaged. On real
sweeps 0.2 to 0.4 read the same learning rate."""

MIN_BANDWIDTH_STEPS = 2.0
"""A narrower kernel would follow single mini-batches."""


MAX_BANDWIDTH_SHARE = 1 / 8
"""A sweep over less than some two decades is averaged over this share of it, or nothing would be left of its shape."""


@dataclass(frozen=True)
class Smoother:
    """Gaussian-weighted local linear regression on equally spaced points (Cleveland 1979; Fan & Gijbels 1996, ch. 3).

    Attributes:
        level: Weights that give the fitted values, shape `(n, n)`.
        slope: Weights that give the fitted slopes per step, shape `(n, n)`.
        average: Weights of the plain kernel mean, which never leaves the range of its values, shape `(n, n)`.
        spread: Standard deviation of a fitted value where that of a single one is 1, shape `(n,)`.
        bandwidth: Standard deviation of the kernel, in steps.
    """

    level: Array
    slope: Array
    average: Array
    spread: Array
    bandwidth: float


def smoother(log_lrs: Array) -> Smoother:
    """Return the smoother for a sweep over the learning rates `10**log_lrs`, shape `(n,)` with n >= 2.

    With `w = exp(-(i - j)^2 / (2 h^2))` and the moments `s_k = sum_j w (j - i)^k`, the local line at i has the
    value `sum_j w (s_2 - s_1 (j - i)) y_j / (s_0 s_2 - s_1^2)` and the slope
    `sum_j w (s_0 (j - i) - s_1) y_j / (s_0 s_2 - s_1^2)`.
    """
    n = len(log_lrs)
    decades_per_step = float(log_lrs[-1] - log_lrs[0]) / (n - 1)
    bandwidth = max(min(BANDWIDTH_DECADES / decades_per_step, MAX_BANDWIDTH_SHARE * n), MIN_BANDWIDTH_STEPS)
    index = np.arange(n, dtype=np.float64)
    offset = index[None, :] - index[:, None]
    weight = np.exp(-0.5 * (offset / bandwidth) ** 2)
    s0, s1, s2 = (np.sum(weight * offset**k, axis=1, keepdims=True) for k in range(3))
    determinant = s0 * s2 - s1**2
    level = weight * (s2 - s1 * offset) / determinant
    return Smoother(
        level=level,
        slope=weight * (s0 * offset - s1) / determinant,
        average=weight / s0,
        spread=np.sqrt(np.einsum("ij,ij->i", level, level)),
        bandwidth=bandwidth,
    )


def per_decade(slope_per_step: Array, log_lrs: Array) -> Array:
    """Return slopes in loss per decade of learning rate from slopes in loss per step, both shape `(n,)`."""
    return slope_per_step / np.gradient(log_lrs)
