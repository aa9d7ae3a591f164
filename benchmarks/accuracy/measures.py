"""Numbers for the suggestions of a finder, from the truth of the tasks that they are for.

Regret is the share that a learning rate throws away of what the best one gains over the best constant prediction, in
validation loss.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from accuracy.regret import GOOD, Truth, read_truths
from accuracy.tasks import LONG, TASKS
from accuracy.truth import LONGER

FAILED = 0.5
"""Regret from which a suggestion has failed."""
SURE = 0.9
"""Confidence from which a suggestion claims to be right."""
TOLERABLE = 0.1
"""Regret that the learning rates of a safe range should not exceed."""
INSIDE = 21
"""Learning rates, evenly spaced in log(LR), that a safe range is looked at."""
Truths = dict[str, dict[str, Truth]]


@dataclass(frozen=True)
class Scored:
    """One suggestion, or the lack of one, beside the truth of its task."""

    task: str
    seed: str
    pick: dict[str, Any]
    truths: dict[str, Truth]

    @property
    def lr(self) -> float | None:
        """The suggestion."""
        lr: float | None = self.pick["lr"]
        return lr

    def lr_for(self, schedule: str) -> float | None:
        """Return the suggestion for a schedule; a finder that knows no schedules means the same for all."""
        lr: float | None = self.pick.get("lrs", {}).get(schedule, self.lr)
        return lr

    def safe_range(self, schedule: str) -> tuple[float, float]:
        """Return the safe range of a suggestion of lrfind for a schedule."""
        low, high = self.pick["safe_range"]
        factor = (self.lr_for(schedule) or 1.0) / (self.lr or 1.0)
        return low * factor, high * factor

    def holds_best(self, schedule: str) -> bool:
        """Tell whether the safe range holds the best learning rate."""
        low, high = self.safe_range(schedule)
        return bool(low <= self.truths[schedule].best <= high)

    def tolerable(self, schedule: str) -> list[bool]:
        """Return for learning rates all over the safe range whether their regret is tolerable."""
        low, high = self.safe_range(schedule)
        lrs = [low * (high / low) ** (index / (INSIDE - 1)) for index in range(INSIDE)]
        return [self.truths[schedule].regret(lr) <= TOLERABLE for lr in lrs]

    def regret(self, schedule: str) -> float:
        """Return the regret under a schedule, 1 without a suggestion."""
        return self.truths[schedule].regret(self.lr_for(schedule))


def known_truths() -> Truths:
    """Return the truth of every task whose truth is finished."""
    return {name: truth for name in TASKS if (truth := read_truths(name)) is not None}


def scored(picks: dict[str, dict[str, Any]], truths: Truths, role: str | None = None) -> list[Scored]:
    """Return the suggestions of one finder for the tasks of a role whose truth is known."""
    return [
        Scored(name, seed, pick, truths[name])
        for name, seeds in picks.items()
        if name in truths and role in (None, TASKS[name].role)
        for seed, pick in seeds.items()
    ]


def answered(rows: Sequence[Scored]) -> list[Scored]:
    """Return the rows with a suggestion."""
    return [row for row in rows if row.lr]


def by_task(rows: Sequence[Scored], value: Callable[[Scored], float]) -> list[list[float]]:
    """Return a value of every suggestion, grouped by task."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(row.task, []).append(value(row))
    return list(groups.values())


@dataclass(frozen=True)
class Regrets:
    """The regrets of a finder under one schedule; no answer counts as a regret of 1.

    Attributes:
        mean: Over all suggestions.
        error: Standard error of the mean, over the tasks; NaN for a single task.
        high: 90th percentile.
        within: Share with a regret of at most `GOOD`.
        failed: Share with a regret of at least `FAILED`.
    """

    mean: float
    error: float
    high: float
    within: float
    failed: float


def regrets(rows: Sequence[Scored], schedule: str) -> Regrets:
    """Return the regrets of at least one suggestion under a schedule."""
    values = sorted(row.regret(schedule) for row in rows)
    means = [statistics.mean(group) for group in by_task(rows, lambda row: row.regret(schedule))]
    return Regrets(
        mean=statistics.mean(values),
        error=statistics.stdev(means) / math.sqrt(len(means)) if len(means) > 1 else math.nan,
        high=values[min(len(values) - 1, int(0.9 * len(values)))],
        within=statistics.mean(float(value <= GOOD) for value in values),
        failed=statistics.mean(float(value >= FAILED) for value in values),
    )


def spread(rows: Sequence[Scored]) -> float | None:
    """Return the standard deviation of log10(LR) over the seeds, the median over the tasks."""
    groups = by_task(answered(rows), lambda row: math.log10(row.lr or math.nan))
    deviations = [statistics.pstdev(group) for group in groups if len(group) > 1]
    return statistics.median(deviations) if deviations else None


def distances(rows: Sequence[Scored], schedule: str) -> list[float]:
    """Return how many decades each suggestion lies outside the band of good learning rates."""
    return [row.truths[schedule].distance(lr) for row in rows if (lr := row.lr_for(schedule))]


def widths(rows: Sequence[Scored]) -> list[float]:
    """Return the width of each safe range in decades."""
    return [math.log10(row.pick["safe_range"][1] / row.pick["safe_range"][0]) for row in answered(rows)]


@dataclass(frozen=True)
class Bin:
    """The suggestions whose confidence lies in one range.

    Attributes:
        low: Lowest confidence.
        high: Confidence below which it ends.
        stated: Mean confidence of the suggestions.
        within: Share of them with a regret of at most `GOOD`, by schedule.
        count: Suggestions.
        tasks: Tasks that they are for.
    """

    low: float
    high: float
    stated: float
    within: dict[str, float]
    count: int
    tasks: int


def reliability(rows: Sequence[Scored], edges: Sequence[float], schedules: Sequence[str]) -> list[Bin]:
    """Return what the confidence is worth in each bin between `edges`; a bin without suggestions is left out."""
    bins = []
    for low, high in pairwise(edges):
        found = [row for row in answered(rows) if low <= row.pick["confidence"] < high]
        if found:
            stated = statistics.mean(row.pick["confidence"] for row in found)
            within = {name: statistics.mean(float(row.regret(name) <= GOOD) for row in found) for name in schedules}
            bins.append(Bin(low, high, stated, within, len(found), len({row.task for row in found})))
    return bins


def horizon_shifts(schedule: str) -> list[float]:
    """Return by how many decades the best learning rate moves when a training is made longer, for each of `LONG`."""
    shifts = []
    for name in LONG:
        short, long = read_truths(name), read_truths(name, LONGER)
        if short is not None and long is not None:
            shifts.append(math.log10(long[schedule].best / short[schedule].best))
    return shifts
