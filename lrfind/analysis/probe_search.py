"""The order in which short trainings check a sweep, and when they suffice, whoever makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lrfind.analysis.probe_result import conclude
from lrfind.analysis.probe_round import Round, finer_lrs, next_lr, round_of, settled, starting_lr, sweep_minimum
from lrfind.analysis.schedules import Schedule
from lrfind.records.types import Analysis, Probe

Train = Callable[[float, int], Probe | None]
"""train(learning rate, steps): a training from the start, on the mini-batches of all others; None if there is none."""


@dataclass(frozen=True)
class ProbePlan:
    """How much short trainings may take, and for what they are made.

    Attributes:
        steps: Updates of the first probes.
        max_steps: Updates of the longest.
        max_probes: Probes of one length, before they are refined.
        refine: Whether to make them twice as long, and at learning rates in between.
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


def checked_by_probes(analysis: Analysis, plan: ProbePlan, train: Train) -> Analysis:
    """Return what a sweep and short trainings say together; the trainings grow as long as the answer moves with them.

    Where they cannot be made, or are cut short before the answer counts, the analysis stays as it is.
    """
    start, landmarks = starting_lr(analysis, plan.highest_lr), analysis.landmarks
    if start is None or landmarks is None:
        return analysis
    said_by = partial(round_of, landmarks=landmarks, sweep_steps=len(analysis.smoothed))
    # What the sweep did not show in its few steps at each learning rate takes longer to show in a training.
    steps = plan.steps * (1 if sweep_minimum(analysis) else 2) * (2 if plan.refine else 1)
    steps = min(steps, plan.max_steps)
    while True:
        probes = _until_surrounded(start, steps, plan, train, said_by)
        if probes is None:
            return analysis
        made = said_by(probes, steps)
        sure = settled(made, said_by(probes, steps // 2), analysis)
        if sure or steps >= plan.max_steps:
            break
        start = made.best if made.descends else start
        steps = min(2 * steps, plan.max_steps)
    if plan.refine and made.descends:
        made = said_by([*probes, *_refined(made, steps, plan, train)], steps)
    return conclude(analysis, made, plan.schedule, plan.highest_lr, sure=sure, train_steps=plan.train_steps)


def _until_surrounded(
    start: float, steps: int, plan: ProbePlan, train: Train, said_by: Callable[[Sequence[Probe], int], Round]
) -> list[Probe] | None:
    """Train at one learning rate after the other until the best has neighbours; None if that was cut short."""
    probes: list[Probe] = []
    made: Round | None = None
    while (lr := next_lr(made, start, plan.highest_lr, plan.max_probes)) is not None:
        probe = train(lr, steps)
        if probe is None or probe.stop_reason.cut_short:
            return None
        probes.append(probe)
        made = said_by(probes, steps)
    return probes


def _refined(made: Round, steps: int, plan: ProbePlan, train: Train) -> list[Probe]:
    """Train half-way between the best learning rate and its neighbours; nothing if that was cut short."""
    probes: list[Probe] = []
    for lr in finer_lrs(made, plan.highest_lr):
        probe = train(lr, steps)
        if probe is None or probe.stop_reason.cut_short:
            return []
        probes.append(probe)
    return probes
