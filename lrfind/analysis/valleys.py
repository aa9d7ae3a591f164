"""Where a curve turns: the valley it falls into, its rise from there, and the hump before a second valley."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lrfind.analysis.landmarks import SIGNIFICANT, Curve, Fit
from lrfind.analysis.smoothing import Array

RISE_SHARE = 0.1
"""Share of the drop that the loss must rise by to have left its valley: what a safe learning rate may throw away."""


@dataclass(frozen=True)
class Valleys:
    """Turning points of a smoothed curve, as indices.

    Attributes:
        floor: The lowest point before the rise.
        rise: The first point that is clearly above it; None if there is none.
        hump: The top between two valleys; None if there is one valley.
        second: The lowest point behind the hump; None without a hump.
    """

    floor: int
    rise: int | None = None
    hump: int | None = None
    second: int | None = None


def find_valleys(fitted: Fit) -> Valleys:
    """Return where a smoothed curve turns.

    It has turned where it is away from its last extreme by `RISE_SHARE` of the whole drop, and by `SIGNIFICANT`
    standard errors of the difference. A valley must lie as clearly below the plateau.
    """
    level = fitted.smoothed
    error = fitted.jitter * fitted.curve.smoother.spread
    least = RISE_SHARE * max(fitted.plateau - float(level.min()), 0.0)
    below = fitted.plateau - level > np.maximum(least, SIGNIFICANT * fitted.error)

    lowest = _last_low(level)
    rose = level - level[lowest] > np.maximum(least, SIGNIFICANT * np.hypot(error, error[lowest]))
    rise = _first(rose & below[lowest])
    if rise is None:
        return Valleys(int(np.argmin(level)))
    floor = int(lowest[rise])

    highest = rise + _last_low(-level[rise:])
    fell = level[highest] - level[rise:] > np.maximum(least, SIGNIFICANT * np.hypot(error[highest], error[rise:]))
    fall = _first(fell & below[rise:])
    if fall is None:
        return Valleys(floor, rise)
    return Valleys(floor, rise, int(highest[fall]), rise + fall + int(np.argmin(level[rise + fall :])))


def _last_low(values: Array) -> NDArray[np.intp]:
    """Return the index of the lowest value up to each point, shape `(n,)`."""
    places = np.where(values <= np.minimum.accumulate(values), np.arange(len(values)), 0)
    return np.maximum.accumulate(places)


def _first(holds: NDArray[np.bool_]) -> int | None:
    return int(np.argmax(holds)) if holds.any() else None


def until(fitted: Fit, end: int) -> Fit:
    """Return the part of a smoothed curve before the point `end`, as it was smoothed."""
    curve = Curve(fitted.curve.log_lrs[:end], fitted.curve.response[:end], fitted.curve.smoother)
    arrays = ("smoothed", "residual", "cautious", "jitter", "slope", "error")
    return replace(fitted, curve=curve, **{name: getattr(fitted, name)[:end] for name in arrays})
