"""Checking a sweep by short trainings: which learning rate to try next, and whether the answer has settled.

A sweep sees each learning rate for a few steps, with weights that smaller ones have trained. A probe trains from the
start at one learning rate, on the same mini-batches as all others, so that probes differ by the learning rate alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lrfind.analysis.landmarks import MARGIN, PLATEAU_SHARE, SIGNIFICANT
from lrfind.records.types import Analysis, Landmarks, Probe, Refusal

COARSE, FINE = 0.5, 0.25
"""Distance of neighbouring probes in decades of learning rate, at first and when refining."""

SAME_SHARE = 0.02
"""Share of the drop of the loss within which probes are as good as each other; then the lower learning rate is taken,
as a training that has all but ended says nothing of how much higher it could have been."""

ENOUGH = 4
"""Probes that do not rise, and none of which descends; more of the same length would not either."""

SAME = 1e-6
"""Decades below which two learning rates are the same."""

_PROBED = (None, Refusal.NOISE, Refusal.UNSURE, Refusal.NO_PLATEAU, Refusal.STILL_DESCENDING)
"""What a sweep may say for probes to have a place to start from."""


@dataclass(frozen=True)
class ProbeRound:
    """Probes of one length, beside the plateau of the sweep.

    Attributes:
        end_losses: Mean loss of the last quarter of each probe, by learning rate; infinite if it blew up before.
        steps: Updates of each probe.
        plateau: Loss without training.
        noise: Standard error of `plateau` minus an end loss.
    """

    end_losses: Mapping[float, float]
    steps: int
    plateau: float
    noise: float

    @property
    def best(self) -> float:
        """The learning rate of the best probe: of those within `SAME_SHARE` of the lowest loss, the lowest."""
        lowest = min(self.end_losses.values())
        enough = lowest + SAME_SHARE * max(self.plateau - lowest, 0.0) if math.isfinite(lowest) else lowest
        return min(lr for lr, loss in self.end_losses.items() if loss <= enough)

    @property
    def is_lowest(self) -> bool:
        """Whether no probe lies below the best one."""
        return self.best == min(self.end_losses)

    @property
    def is_highest(self) -> bool:
        """Whether no probe lies above the best one."""
        return self.best == max(self.end_losses)

    @property
    def descends(self) -> bool:
        """Whether the best probe ends below the plateau by more than chance."""
        return self.plateau - min(self.end_losses.values()) >= SIGNIFICANT * self.noise

    @property
    def still(self) -> int:
        """How many probes did not rise."""
        return sum(loss <= self.plateau + SIGNIFICANT * self.noise for loss in self.end_losses.values())

    @property
    def vertex(self) -> float:
        """The learning rate at the vertex of the least-squares parabola, in log(LR), around the best probe.

        Where a neighbour is missing or blew up, it is the best probe itself.
        """
        best = self.best
        near = {
            math.log10(lr / best): loss
            for lr, loss in self.end_losses.items()
            if abs(math.log10(lr / best)) <= COARSE + SAME and math.isfinite(loss)
        }
        if len(near) < 3 or min(near) > -SAME or max(near) < SAME:
            return best
        curvature, slope, _ = np.polyfit(list(near), list(near.values()), 2)
        return float(best * 10 ** np.clip(-slope / (2 * curvature), -COARSE, COARSE)) if curvature > 0 else best


def probe_round(probes: Sequence[Probe], steps: int, landmarks: Landmarks, sweep_steps: int) -> ProbeRound:
    """Return what the first `steps` updates of `probes` say.

    Args:
        probes: At least one.
        steps: At most the length of the probes.
        landmarks: Of the sweep before them.
        sweep_steps: Updates of that sweep.
    """
    counted = max(1, round(steps / 4))
    before = max(1, round(PLATEAU_SHARE * sweep_steps))
    noise = landmarks.noise * math.sqrt(1 / counted + 1 / before) + float(np.finfo(np.float64).tiny)
    return ProbeRound({probe.lr: probe.loss_after(steps) for probe in probes}, steps, landmarks.plateau_loss, noise)


def starting_lr(analysis: Analysis, highest_lr: float) -> float | None:
    """Return the learning rate of the first probe; None if the sweep leaves nothing to probe.

    It is the minimum of the curve where one shows, otherwise just below where the sweep blew up, or ended.
    """
    landmarks = analysis.landmarks
    if landmarks is None or analysis.reason not in _PROBED:
        return None
    if minimum := sweep_minimum(analysis):
        return min(minimum, highest_lr)
    return (landmarks.divergence_lr or highest_lr) / MARGIN


def sweep_minimum(analysis: Analysis) -> float | None:
    """Return the learning rate of the sweep's minimum; None where no descent stands out from its noise."""
    landmarks = analysis.landmarks
    return landmarks.minimum_lr if landmarks and landmarks.significance >= SIGNIFICANT else None


def next_lr(probed: ProbeRound | None, start_lr: float, highest_lr: float, most: int) -> float | None:
    """Return the learning rate to probe next; None when the best has neighbours on both sides, or there are enough.

    Args:
        probed: The probes of this length so far; None before the first.
        start_lr: Learning rate of the first probe.
        highest_lr: No probe goes beyond it.
        most: Probes at the most.
    """
    if probed is None:
        return start_lr
    if len(probed.end_losses) == 1:
        return start_lr / 10**COARSE
    if len(probed.end_losses) >= most or (probed.still >= ENOUGH and not probed.descends):
        return None
    return next(iter(_missing(probed, COARSE, highest_lr)), None)


def finer_lrs(probed: ProbeRound, highest_lr: float) -> list[float]:
    """Return the learning rates half-way between the best probe and its neighbours."""
    return _missing(probed, FINE, highest_lr)


def _missing(probed: ProbeRound, distance: float, highest_lr: float) -> list[float]:
    """Return the neighbours of the best probe that are not probed yet, the lower first: it is the safer one."""
    wanted = (probed.best / 10**distance, min(probed.best * 10**distance, highest_lr))
    return [lr for lr in wanted if all(abs(math.log10(lr / other)) > SAME for other in probed.end_losses)]


def settled(probed: ProbeRound, at_half: ProbeRound, analysis: Analysis) -> bool:
    """Tell whether the answer has stopped moving with the length of the probes.

    It has if two looks of different length agree to within the distance of two probes: the whole probes and their first
    halves, or the probes and the minimum of the sweep, where a descent shows in both.

    Args:
        probed: The probes.
        at_half: The same probes after half of their steps.
        analysis: What the sweep says.
    """
    if not probed.descends or probed.is_lowest or probed.is_highest:
        return False
    looks = (at_half.vertex if at_half.descends else None, sweep_minimum(analysis))
    return any(look and abs(math.log10(look / probed.vertex)) <= COARSE for look in looks)
