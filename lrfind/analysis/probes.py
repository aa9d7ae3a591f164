"""Refining a learning rate by short probe trainings: which to try next, and what they say together.

A sweep sees each learning rate for a few steps, with weights that smaller ones have trained. A probe trains from the
start at one learning rate, on the same mini-batches as all others, so that probes differ by the learning rate alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lrfind.analysis.landmarks import DESCENT_SHARE, MARGIN
from lrfind.analysis.schedules import MEAN_SHARE, Schedule, for_schedules, peak_lr
from lrfind.record import Analysis, Candidate, Landmarks, Probe, Status

COARSE, FINE = 0.5, 0.25
"""Distance of neighbouring probes in decades of learning rate, at first and around the best. Trainings at learning
rates closer than a factor of 1.8 are told apart by more steps only."""

EXPLORED = 0.5
"""Confidence of a suggestion that no sweep supports: one training at each learning rate, half a decade apart."""

FAR = 3.0
"""A factor between probes and sweep that is more than their noise."""

_SAME = 1e-6
"""Decades below which two learning rates are the same."""


@dataclass(frozen=True)
class Plan:
    """How to probe; see `next_lr`.

    Attributes:
        start_lrs: Learning rates that are probed first.
        steps: Updates of each probe.
        most: Probes at the most.
        distances: From the best probe to its neighbours, in decades.
    """

    start_lrs: tuple[float, ...]
    steps: int
    most: int
    distances: tuple[float, ...] = (COARSE, FINE)


def next_lr(probes: Sequence[Probe], plan: Plan) -> float | None:
    """Return the learning rate to probe next; None when the best one has neighbours on both sides, or enough are made.

    After the first ones of the plan, the best probe gets neighbours until none is better.
    """
    if len(probes) >= plan.most:
        return None
    if len(probes) < len(plan.start_lrs):
        return plan.start_lrs[len(probes)]
    tried = [math.log10(probe.lr) for probe in probes]
    best = math.log10(_best(probes).lr)
    for distance in plan.distances:
        for side in (-distance, distance):  # below first: a probe that diverges costs the most to be wrong about
            if all(abs(best + side - other) > _SAME for other in tried):
                return float(10 ** (best + side))
    return None


def exploration(landmarks: Landmarks, end_lr: float) -> tuple[float, ...]:
    """Return the learning rates to explore where a sweep shows no descent: below where it blew up, or ended."""
    top = (landmarks.divergence_lr or end_lr) / MARGIN
    return tuple(top / 10 ** (COARSE * index) for index in range(3))


def descends(landmarks: Landmarks, probes: Sequence[Probe]) -> bool:
    """Tell whether the best probe ends below the plateau by more than the noise of single mini-batches."""
    return _best(probes).end_loss < landmarks.plateau_loss - 3 * landmarks.noise


def best_lr(probes: Sequence[Probe]) -> float | None:
    """Return the learning rate at which the probes end lowest; None if none got to its end.

    It is the vertex of the parabola in log(LR) through the best probe and its neighbours, or the best probe itself
    where there is none.
    """
    best = _best(probes)
    if not math.isfinite(best.end_loss):
        return None
    ordered = sorted(probes, key=lambda probe: probe.lr)
    place = ordered.index(best)
    around = ordered[max(place - 1, 0) : place + 2]
    if len(around) < 3 or not all(math.isfinite(probe.end_loss) for probe in around):
        return best.lr
    x = np.log10([probe.lr / best.lr for probe in around])
    curvature, slope, _ = np.polyfit(x, [probe.end_loss for probe in around], 2)
    return float(best.lr * 10 ** np.clip(-slope / (2 * curvature), x[0], x[2])) if curvature > 0 else best.lr


def refine(analysis: Analysis, probes: Sequence[Probe], steps: int, schedule: Schedule) -> Analysis:
    """Return `analysis` with its suggestion moved to where the probes are best.

    The probes are short, and over a short horizon a higher learning rate wins than over the whole training: what is
    best in them is the peak of a schedule that decays, and half of it a constant learning rate.

    Args:
        analysis: With a suggestion, around which the probes were made.
        probes: At least one.
        steps: Updates of each probe.
        schedule: What the learning rate is for.
    """
    peak = best_lr(probes)
    if peak is None or analysis.safe_range is None or analysis.suggested_lr is None:
        return analysis
    constant = peak * MEAN_SHARE["cosine"]
    lr = peak_lr(constant, schedule)
    low, high = (edge * lr / analysis.suggested_lr for edge in analysis.safe_range)
    return replace(
        analysis,
        message=f"{len(probes)} short trainings of {steps} steps are best at {peak:.3g}, {_beside(peak, analysis)}",
        method="probes",
        suggested_lr=lr,
        suggested_lrs=for_schedules(constant),
        safe_range=(low, high),
        candidates=(*analysis.candidates, Candidate("probes", constant, "half of where short trainings are best")),
    )


def explore(analysis: Analysis, probes: Sequence[Probe], steps: int, schedule: Schedule) -> Analysis:
    """Return `analysis`, refused for noise, with a suggestion where longer trainings descend, if one does.

    A sweep spends a few steps at each learning rate: too few for a network that first sits on a plateau, as deep ones
    without normalisation do. These probes are as long as a sweep, and what is best in them is a constant learning rate.

    Args:
        analysis: With landmarks, and without a suggestion.
        probes: At least one.
        steps: Updates of each probe.
        schedule: What the learning rate is for.
    """
    landmarks, lr = analysis.landmarks, best_lr(probes)
    if landmarks is None or lr is None or not descends(landmarks, probes):
        return analysis
    enough = landmarks.plateau_loss - DESCENT_SHARE * (landmarks.plateau_loss - _best(probes).end_loss)
    good = [probe.lr for probe in probes if probe.end_loss <= enough]
    return replace(
        analysis,
        status=Status.OK,
        reason=None,
        message=f"The sweep does not tell, but {len(probes)} trainings of {steps} steps are best at {lr:.3g}.",
        method="probes",
        suggested_lr=peak_lr(lr, schedule),
        suggested_lrs=for_schedules(lr),
        safe_range=(peak_lr(min(*good, lr), schedule), peak_lr(max(*good, lr), schedule)),
        confidence=EXPLORED,
        candidates=(*analysis.candidates, Candidate("probes", lr, f"where trainings of {steps} steps are best")),
    )


def _beside(peak: float, analysis: Analysis) -> str:
    sweep = analysis.suggested_lrs["cosine"]
    if peak < sweep / FAR:
        return f"{sweep / peak:.1f} times below the sweep, which warms up as it goes: a cold start takes less."
    return f"{peak / sweep:.1f} times the reading of the sweep."


def _best(probes: Sequence[Probe]) -> Probe:
    return min(probes, key=lambda probe: (probe.end_loss, probe.lr))
