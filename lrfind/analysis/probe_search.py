"""Which learning rate to probe next, and for how long: within a budget that is known before the first update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lrfind.analysis.landmarks import MARGIN, SIGNIFICANT
from lrfind.analysis.learning import Learning
from lrfind.analysis.probe_round import COARSE, ProbeRound, rounds
from lrfind.records.types import Analysis, Landmarks, Probe, Refusal

AROUND = 3
"""Probes of a round that suffice where the sweep has pointed to the best: it, and a neighbour on either side."""

SHORTEST = 8
"""Updates below which a probe says nothing."""

LONGER = 1.2
"""A longer round must be longer by this factor; less would show little more."""

STILL = 3
"""Probes none of which descends; the same length would not show more."""

WELL_BELOW = 0.1
"""Share of the weights that an update may change where probes start, if the sweep points to where it replaces them."""

_PROBED = (None, Refusal.NOISE, Refusal.UNSURE, Refusal.NO_PLATEAU, Refusal.STILL_DESCENDING)
"""What a sweep may say for probes to have a place to start from."""


@dataclass(frozen=True)
class ProbeLimits:
    """What probes may cost.

    Attributes:
        budget: Updates of all probes together.
        first_round: Updates of those of the first length; longer ones take what is left.
        steps: Updates of each probe of the first length; None takes a third of `first_round`.
        max_probes: Probes of one length.
        highest_lr: No probe goes beyond it.
        train_steps: Updates of the real training, if known; no probe costs more.
        replacing_lr: The learning rate at which one update is as large as the weights, if known.
        look_updates: Returns the updates that the held-out losses of a probe of so many cost.
    """

    budget: int
    first_round: int
    steps: int | None
    max_probes: int
    highest_lr: float
    train_steps: int | None
    replacing_lr: float | None = None
    look_updates: Callable[[int], int] = lambda steps: 0

    def length(self, updates: int) -> int:
        """Return the updates of each probe in a round that may cost so many."""
        most = min(updates // AROUND, self.train_steps or updates)
        return next((steps for steps in range(most, 0, -1) if self.cost(steps) <= most), 0)

    def cost(self, steps: int) -> int:
        """Return what a probe of so many updates costs, with those of its looks at held-out samples."""
        return steps + self.look_updates(steps)

    def spent(self, probes: Sequence[Probe]) -> int:
        """Return what probes have cost."""
        return sum(len(probe.losses) + (self.look_updates(probe.steps) if probe.held_out else 0) for probe in probes)


def next_probe(analysis: Analysis, probes: Sequence[Probe], limits: ProbeLimits) -> tuple[float, int] | None:
    """Return the learning rate and the updates of the next probe; None when there is enough, or no more is allowed.

    The first round of probes looks for a best one with neighbours on both sides. What the budget leaves then goes into
    a longer round around it, as only the length shows what comes late: overfitting, a drift, a slow start.

    Args:
        analysis: What the sweep says.
        probes: Those made so far, in their order.
        limits: What they may cost.
    """
    start, landmarks = starting_lr(analysis, limits), analysis.landmarks
    if start is None or landmarks is None:
        return None
    left = limits.budget - limits.spent(probes)
    if not probes:
        steps = limits.steps or limits.length(_first_share(left, limits.first_round))
        return (start, steps) if steps >= SHORTEST and limits.cost(steps) <= left else None
    latest = rounds(probes, landmarks, len(analysis.smoothed))[-1]
    if left >= limits.cost(latest.steps) and (lr := _next_lr(latest, limits, landmarks)) is not None:
        return lr, latest.steps
    longer = limits.length(left)
    if longer < LONGER * latest.steps:
        return None
    nothing = latest.most_learned is Learning.NOTHING
    centre = max(latest.finished, default=None) if nothing else latest.best
    return (centre, longer) if centre is not None else None


def _first_share(left: int, first_round: int) -> int:
    """Return the updates of the first round: all that are left, if too few remain for a longer one."""
    return left if left < (1 + LONGER) * first_round else first_round


def _next_lr(latest: ProbeRound, limits: ProbeLimits, landmarks: Landmarks) -> float | None:
    """Return the learning rate that the round lacks.

    The lower neighbour comes first, as it is the safer one; but where no probe has learned more than a trace, the upper
    one does, as it learns faster.
    """
    if len(latest.probes) >= limits.max_probes:
        return None
    lowest = min(probe.lr for probe in latest.probes)
    if latest.most_learned is Learning.CONSTANT and landmarks.descent_end_lr < lowest / 10**COARSE:
        return landmarks.descent_end_lr  # the network died at the first updates: back to where the sweep fell
    if latest.best is None or latest.most_learned is Learning.CONSTANT:
        return lowest / 10 ** (COARSE * len(latest.probes))
    if len(latest.finished) >= STILL and latest.most_learned is Learning.NOTHING:
        return None
    sides = (COARSE, -COARSE) if latest.most_learned is Learning.TRACE else (-COARSE, COARSE)
    return latest.neighbour(sides[0], limits.highest_lr) or latest.neighbour(sides[1], limits.highest_lr)


def starting_lr(analysis: Analysis, limits: ProbeLimits) -> float | None:
    """Return the learning rate of the first probe; None if the sweep leaves nothing to probe.

    It is the minimum of the curve where one shows, otherwise just below where the sweep blew up, or ended. An optimizer
    of normalized updates need not blow up where these replace the weights: then it is well below that place.
    """
    landmarks = analysis.landmarks
    if landmarks is None or analysis.reason not in _PROBED:
        return None
    start = sweep_minimum(analysis) or (landmarks.divergence_lr or limits.highest_lr) / MARGIN
    if limits.replacing_lr is not None and start >= limits.replacing_lr:
        start = WELL_BELOW * limits.replacing_lr
    return min(start, limits.highest_lr)


def sweep_minimum(analysis: Analysis) -> float | None:
    """Return the learning rate of the sweep's minimum; None where no descent stands out from its noise."""
    landmarks = analysis.landmarks
    return landmarks.minimum_lr if landmarks and landmarks.significance >= SIGNIFICANT else None
