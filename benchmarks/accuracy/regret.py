"""What a learning rate throws away: its regret against the truth by brute force, and the band of good ones."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

from accuracy.truth import PER_DECADE, SCHEDULES, level, path_of, references

GOOD = 0.05
"""Regret up to which a learning rate is in the good band."""


@dataclass(frozen=True)
class Truth:
    """The regret of the learning rates of a grid, for one task and schedule.

    Attributes:
        log_lrs: Rising, in decades, shape `(n,)`.
        regrets: (L(lr) - min L) / (L(reference) - min L), each 0 to 1, shape `(n,)`.
    """

    log_lrs: tuple[float, ...]
    regrets: tuple[float, ...]

    @classmethod
    def of(cls, losses: Mapping[int, Sequence[float | None]], reference: float) -> Truth:
        """Return the truth from the final losses by exponent (in quarters of a decade) and seed.

        Args:
            losses: What `accuracy.truth` measured; one that is None, or above the reference, counts as the reference.
            reference: Loss of what has learned nothing from the inputs, as `accuracy.baseline` defines it.
        """
        exponents = sorted(losses)
        levels = [level(losses[exponent], reference) for exponent in exponents]
        best = min(levels)
        regrets = ((value - best) / (reference - best) for value in levels)
        return cls(
            tuple(exponent / PER_DECADE for exponent in exponents), tuple(min(1.0, max(0.0, r)) for r in regrets)
        )

    @property
    def best(self) -> float:
        """The best learning rate of the grid."""
        return float(10 ** self.log_lrs[self.regrets.index(0.0)])

    def regret(self, lr: float | None) -> float:
        """Return the share of the possible gain over a constant prediction that `lr` throws away; all of it for None.

        Between the points of the grid it is interpolated in log(LR). Below the grid the gain is taken to shrink in
        proportion to the learning rate, as a training does whose weights hardly move; above it the last point stands.
        """
        if lr is None or not lr > 0:
            return 1.0
        x = log10(lr)
        if x <= self.log_lrs[0]:
            return float(1 - (1 - self.regrets[0]) * 10 ** (x - self.log_lrs[0]))
        if x >= self.log_lrs[-1]:
            return self.regrets[-1]
        right = bisect_right(self.log_lrs, x)
        return _between(x, self.log_lrs[right - 1 : right + 1], self.regrets[right - 1 : right + 1])

    @property
    def band(self) -> tuple[float, float]:
        """The learning rates around the best one whose regret is at most `GOOD`."""
        centre = self.regrets.index(0.0)
        low = high = centre
        while low > 0 and self.regrets[low - 1] <= GOOD:
            low -= 1
        while high < len(self.regrets) - 1 and self.regrets[high + 1] <= GOOD:
            high += 1
        return 10 ** self._crossing(low, -1), 10 ** self._crossing(high, 1)

    def _crossing(self, inside: int, step: int) -> float:
        """Return where the regret rises to `GOOD` between a point of the band and its neighbour outside."""
        outside = inside + step
        if not 0 <= outside < len(self.regrets):
            return self.log_lrs[inside]
        places = (self.log_lrs[inside], self.log_lrs[outside])
        return _between(GOOD, (self.regrets[inside], self.regrets[outside]), places)

    def distance(self, lr: float) -> float:
        """Return how many decades `lr` lies outside the good band."""
        low, high = self.band
        return max(0.0, log10(low / lr), log10(lr / high))


def _between(x: float, places: Sequence[float], values: Sequence[float]) -> float:
    share = (x - places[0]) / (places[1] - places[0])
    return values[0] + share * (values[1] - values[0])


def read_truths(name: str, longer: int = 1) -> dict[str, Truth] | None:
    """Return the truth of a task under each schedule; None while it is not finished."""
    path = path_of(name, longer)
    if not path.exists():
        return None
    document: dict[str, Any] = json.loads(path.read_text())
    if not document["finished"]:
        return None
    _, reference = references(document)
    return {
        schedule: Truth.of({int(key): losses for key, losses in document["losses"][schedule].items()}, reference)
        for schedule in SCHEDULES
    }
