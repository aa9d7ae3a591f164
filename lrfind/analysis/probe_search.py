"""The order in which probes check a sweep, and when they suffice. Whoever calls it does the training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lrfind.analysis.probe_result import analysis_of_probes
from lrfind.analysis.probe_round import ProbeRound, finer_lrs, next_lr, probe_round, settled, starting_lr, sweep_minimum
from lrfind.records.types import Analysis, Probe
from lrfind.settings import Schedule

Train = Callable[[float, int], Probe | None]
"""train(learning rate, steps): a training from the start, on the mini-batches of all others; None if there is none."""


@dataclass(frozen=True)
class ProbeBudget:
    """What probes may cost, and what they are for.

    Attributes:
        steps: Updates of the first probes.
        max_steps: Updates of the longest.
        max_probes: Probes of one length, before they are refined.
        refine: Whether to make them twice as long, and to add learning rates in between.
        highest_lr: No probe goes beyond it.
        schedule: What the learning rate is for.
        train_steps: Updates of the real training, if known.
    """

    steps: int
    max_steps: int
    max_probes: int
    refine: bool
    highest_lr: float
    schedule: Schedule
    train_steps: int | None


def analysis_with_probes(analysis: Analysis, budget: ProbeBudget, train: Train) -> Analysis:
    """Return what a sweep and probes say together; the probes grow while the answer moves with their length.

    If none can be probed, or they are cut short before the answer counts, the analysis stays as it is.
    """
    start, landmarks = starting_lr(analysis, budget.highest_lr), analysis.landmarks
    if start is None or landmarks is None:
        return analysis
    said_by = partial(probe_round, landmarks=landmarks, sweep_steps=len(analysis.smoothed))
    # What the sweep did not show in its few steps at each learning rate takes longer to show in a training.
    steps = budget.steps * (1 if sweep_minimum(analysis) else 2) * (2 if budget.refine else 1)
    steps = min(steps, budget.max_steps)
    while True:
        probes = _until_surrounded(start, steps, budget, train, said_by)
        if probes is None:
            return analysis
        probed = said_by(probes, steps)
        sure = settled(probed, said_by(probes, steps // 2), analysis)
        if sure or steps >= budget.max_steps:
            break
        start = probed.best if probed.descends else start
        steps = min(2 * steps, budget.max_steps)
    if budget.refine and probed.descends:
        probed = said_by([*probes, *_refined(probed, steps, budget, train)], steps)
    return analysis_of_probes(
        analysis, probed, budget.schedule, budget.highest_lr, sure=sure, train_steps=budget.train_steps
    )


def _until_surrounded(
    start: float, steps: int, budget: ProbeBudget, train: Train, said_by: Callable[[Sequence[Probe], int], ProbeRound]
) -> list[Probe] | None:
    """Train at one learning rate after the other until the best has neighbours; None if that was cut short."""
    probes: list[Probe] = []
    probed: ProbeRound | None = None
    while (lr := next_lr(probed, start, budget.highest_lr, budget.max_probes)) is not None:
        probe = train(lr, steps)
        if probe is None or probe.stop_reason.cut_short:
            return None
        probes.append(probe)
        probed = said_by(probes, steps)
    return probes


def _refined(probed: ProbeRound, steps: int, budget: ProbeBudget, train: Train) -> list[Probe]:
    """Train half-way between the best learning rate and its neighbours; nothing if that was cut short."""
    probes: list[Probe] = []
    for lr in finer_lrs(probed, budget.highest_lr):
        probe = train(lr, steps)
        if probe is None or probe.stop_reason.cut_short:
            return []
        probes.append(probe)
    return probes
