"""What short trainings of one length, each at one learning rate, say about the best one.

A sweep sees each learning rate for a few steps, with weights that smaller ones have trained. A probe trains from the
start at one learning rate, on the same mini-batches as all others, so that probes differ by the learning rate alone.
They are compared batch by batch, so neither the level of the loss nor its unit matters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lrfind.analysis.landmarks import PLATEAU_SHARE, SIGNIFICANT
from lrfind.analysis.learning import Learning, generalizes, importance, learning
from lrfind.analysis.scatter import standard_error
from lrfind.analysis.smoothing import Array
from lrfind.records.types import Landmarks, Probe

COARSE = 0.5
"""Distance of neighbouring probes in decades of learning rate."""

MADE_UP = 0.1
"""Share of what the best probe gains in its second half that a lower learning rate may lag behind. It makes that up in
a training which is not much longer, and is safer."""

SAME = 1e-6
"""Decades below which two learning rates are the same, and the share by which rounding may part two that are."""


@dataclass(frozen=True)
class ProbeRound:
    """Probes of one length.

    Attributes:
        probes: At least one, in any order.
        plateau: Loss without training.
        noise: Standard deviation of the loss from batch to batch.
        before: Losses that `plateau` is made of.
    """

    probes: tuple[Probe, ...]
    plateau: float
    noise: float
    before: int

    @property
    def steps(self) -> int:
        """Updates of each probe."""
        return self.probes[0].steps

    @property
    def counted(self) -> int:
        """Losses at the end of each probe that it is judged by."""
        return self.probes[0].counted

    @cached_property
    def finished(self) -> dict[float, Probe]:
        """The probes that did not blow up, by learning rate, the lowest first: none ends clearly above its start."""
        highest = self.plateau + SIGNIFICANT * self._error
        return {probe.lr: probe for probe in sorted(self.probes, key=_lr) if probe.end_loss <= highest}

    @cached_property
    def best(self) -> float | None:
        """The learning rate of the best probe; None if all blew up.

        It is the lowest of those that do as well as the one with the lowest loss on the mini-batches trained with, but
        none whose held-out loss lies clearly above that of another. Those that have learned less are out. Where no more
        than a trace has been learned, which the loss does not show yet, the one that has most of it is the best.
        """
        if not self.finished:
            return None
        rivals = {lr: probe for lr, probe in self.finished.items() if self.learned[lr] is self.most_learned}
        if self.most_learned is Learning.TRACE:
            return max(rivals, key=lambda lr: importance(rivals[lr])[0])
        lowest = min(rivals.values(), key=lambda probe: probe.end_loss)
        best = min(lr for lr, probe in rivals.items() if lr <= lowest.lr and self._as_good(probe, lowest))
        return min(best, _highest_that_generalizes(rivals))

    def _as_good(self, probe: Probe, lowest: Probe) -> bool:
        behind = self._ends(probe) - self._ends(lowest)
        middle = np.array(lowest.losses[self.steps // 2 - self.counted // 2 :][: self.counted])
        gain = float(middle.mean()) - lowest.end_loss
        return float(behind.mean()) <= (1 + SAME) * max(standard_error(behind), MADE_UP * gain)

    def _ends(self, probe: Probe) -> Array:
        return np.array(probe.losses[-self.counted :])

    @property
    def is_lowest(self) -> bool:
        """Whether no probe lies below the best one."""
        return self.best == min(map(_lr, self.probes))

    @property
    def is_highest(self) -> bool:
        """Whether no probe lies above the best one."""
        return self.best == max(map(_lr, self.probes))

    @property
    def descends(self) -> bool:
        """Whether a probe has learned something for sure."""
        if self.most_learned is Learning.TRACE and self.best is not None:
            return importance(self.finished[self.best])[1] >= SIGNIFICANT
        return self.most_learned >= Learning.FALLING

    @cached_property
    def learned(self) -> dict[float, Learning]:
        """What each finished probe has learned, by learning rate."""
        return {
            lr: learning(probe, (self.plateau - probe.end_loss) / self._error) for lr, probe in self.finished.items()
        }

    @property
    def most_learned(self) -> Learning:
        """What the best of them have learned."""
        return max(self.learned.values(), default=Learning.NOTHING)

    @property
    def _error(self) -> float:
        """Standard error of `plateau` minus the end loss of a probe."""
        return self.noise * math.sqrt(1 / self.counted + 1 / self.before) + float(np.finfo(np.float64).tiny)

    def neighbour(self, decades: float, highest_lr: float) -> float | None:
        """Return the learning rate `decades` from the best one, at most `highest_lr`; None if it has been probed."""
        assert self.best is not None
        lr = min(self.best * 10**decades, highest_lr)
        return None if any(abs(math.log10(lr / probe.lr)) <= SAME for probe in self.probes) else lr

    @property
    def vertex(self) -> float | None:
        """The learning rate at the vertex of the parabola, in log(LR), through the best probe and its neighbours.

        Where a neighbour is missing or blew up, it is the best probe itself.
        """
        best = self.best
        if best is None:
            return None
        near = {
            math.log10(lr / best): probe.end_loss
            for lr, probe in self.finished.items()
            if abs(math.log10(lr / best)) <= COARSE + SAME
        }
        if len(near) < 3 or min(near) > -SAME or max(near) < SAME:
            return best
        curvature, slope, _ = np.polyfit(list(near), list(near.values()), 2)
        if curvature <= 0:
            return best
        return float(best * 10 ** np.clip(-slope / (2 * curvature), -COARSE / 2, COARSE / 2))


def rounds(probes: Sequence[Probe], landmarks: Landmarks, sweep_steps: int) -> list[ProbeRound]:
    """Return the rounds that probes make, the shortest first.

    Args:
        probes: Of any lengths.
        landmarks: Of the sweep before them.
        sweep_steps: Updates of that sweep.
    """
    before = max(1, round(PLATEAU_SHARE * sweep_steps))
    lengths = sorted({probe.steps for probe in probes})
    return [
        ProbeRound(
            tuple(probe for probe in probes if probe.steps == steps), landmarks.plateau_loss, landmarks.noise, before
        )
        for steps in lengths
    ]


def _lr(probe: Probe) -> float:
    return probe.lr


def _highest_that_generalizes(probes: Mapping[float, Probe]) -> float:
    """Return the highest learning rate whose held-out loss is no more than chance above the lowest of them."""
    held_out = {lr: np.array(probe.held_out[-1]) for lr, probe in probes.items() if probe.held_out}
    held_out = {lr: losses for lr, losses in held_out.items() if np.isfinite(losses).all()}
    if not any(generalizes(probes[lr]) for lr in held_out):
        return math.inf
    lowest = min(held_out.values(), key=np.mean)
    above = {lr: losses - lowest for lr, losses in held_out.items()}
    return max(lr for lr, excess in above.items() if excess.mean() <= standard_error(excess))
