"""What a curve says of the learning rate: the landmarks of its lower valley, and what each method makes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lrfind.analysis.landmarks import DESCENT_SHARE, MARGIN, Fit, find_landmarks, plateau_points
from lrfind.analysis.pace import slowdown
from lrfind.analysis.smoothing import Array
from lrfind.analysis.valleys import Valleys, find_valleys, until
from lrfind.records.types import Candidate, Landmarks

LONG_FLOOR = 290.0
"""In 95 % of the usual sweeps of tuning trainings the rise is no farther above the end of the descent. Where it is, and
it is unknown how many updates a point stands for, there are many."""

TYPICAL_FLOOR = 20.0
"""The same factor, as the median."""

_NOTE_OF_VALLEY = "two thirds down the longest descent (after fastai's valley)"


@dataclass(frozen=True)
class Reading:
    """A smoothed curve, read.

    Attributes:
        whole: The curve.
        part: The curve up to its hump; all of it without one.
        valleys: Where the curve turns.
        landmarks: Those of the part, as they were measured.
        slowdown: As of `lrfind.analysis.pace`, shape `(n,)`.
        counted: Whether it is known how many updates a point stands for.
    """

    whole: Fit
    part: Fit
    valleys: Valleys
    landmarks: Landmarks
    slowdown: Array
    counted: bool

    @property
    def rise_lr(self) -> float | None:
        """The learning rate at which the loss has left its valley upwards; None if it was not seen to."""
        return None if self.valleys.rise is None else self.lr_at(self.valleys.rise)

    @property
    def edge(self) -> float:
        """The highest learning rate that may be suggested."""
        return (self.landmarks.divergence_lr or math.inf) / MARGIN

    @property
    def shows_plateau(self) -> bool:
        """Whether the steepest descent lies behind what is taken as the plateau."""
        return self.landmarks.steepest_lr > self.lr_at(plateau_points(self.whole.curve) - 1)

    @property
    def rise_alone(self) -> bool:
        """Whether the place of the descent says nothing, as the updates of a point are unknown, and many or unseen."""
        if self.counted or self.rise_lr is None:
            return False
        return not self.shows_plateau or self.rise_lr > LONG_FLOOR * self.moved(self.landmarks.descent_end_lr)

    def lower(self, fitted: Fit) -> Fit:
        """Return the part before the hump, where there is one, of a curve of the same sweep."""
        return fitted if self.valleys.hump is None else until(fitted, self.valleys.hump)

    def lr_at(self, index: int) -> float:
        """Return the learning rate of a point."""
        return math.pow(10.0, float(self.whole.curve.log_lrs[index]))

    def usual(self, lr: float) -> float:
        """Return a learning rate of the descent as it is suggested: where it would show in the usual sweep.

        It is not moved beyond a factor of `MARGIN` below the rise, which stays where it is.
        """
        if self.rise_alone and self.rise_lr is not None:
            return self.rise_lr / TYPICAL_FLOOR
        return min(self.moved(lr), max(lr, (self.rise_lr or math.inf) / MARGIN))

    def moved(self, lr: float) -> float:
        """Return where a learning rate of the descent would show in the usual sweep, as its pace alone has it."""
        return lr * float(np.interp(math.log10(lr), self.whole.curve.log_lrs, self.slowdown))

    @property
    def highest(self) -> float:
        """The upper end of the safe range: the minimum as the usual sweep would show it, and below the rise."""
        if self.rise_alone and self.rise_lr is not None:
            return min(self.rise_lr / MARGIN, self.edge)
        return min(self.usual(self.landmarks.minimum_lr), self.edge)

    def lr(self, method: str) -> float | None:
        """Return what a method suggests; None if it finds nothing."""
        return next(candidate.lr for candidate in self.candidates if candidate.method == method)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The proposal of each method, in the order in which they climb the learning rate on a typical curve."""
        minimum, steepest = self.landmarks.minimum_lr / 10, self.landmarks.steepest_lr
        valley, end = _valley(self.part), self.landmarks.descent_end_lr
        return (
            Candidate("minimum", self.usual(minimum), "a tenth of the LR of the minimum (Gugger 2018)"),
            Candidate("valley", valley and self.usual(valley), _NOTE_OF_VALLEY),
            Candidate("steepest", self.usual(steepest), "steepest descent per decade of LR"),
            Candidate("descent_end", self.usual(end), f"{DESCENT_SHARE:.0%} of the way down to the minimum"),
        )


def read(fitted: Fit, *, blew_up: bool, updates_per_point: float | None) -> Reading:
    """Read a smoothed curve.

    Args:
        fitted: The smoothed curve.
        blew_up: Whether the sweep ended because the loss diverged or was not finite.
        updates_per_point: Updates that each of its points stands for; None if unknown.
    """
    valleys = find_valleys(fitted)
    part = fitted if valleys.hump is None else until(fitted, valleys.hump)
    landmarks = find_landmarks(part, blew_up=blew_up and valleys.hump is None)
    pace = slowdown(fitted.curve, updates_per_point or 1.0)
    return Reading(fitted, part, valleys, landmarks, pace, updates_per_point is not None)


def _valley(fitted: Fit) -> float | None:
    """Return the learning rate two thirds along the longest falling stretch of the smoothed curve; None without one."""
    falling = np.concatenate(([False], np.diff(fitted.smoothed) < 0, [False]))
    edges = np.flatnonzero(np.diff(falling.astype(int)))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return None
    longest = int(np.argmax(ends - starts))
    index = starts[longest] + 2 * (ends[longest] - starts[longest]) / 3
    return float(10 ** np.interp(index, np.arange(len(fitted.smoothed)), fitted.curve.log_lrs))
