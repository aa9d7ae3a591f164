"""The course of a learning rate over a training: the schedulers are stepped as the training will, and put back."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lrfind.training.scheduler_peaks import nested, peak_lrs
from lrfind.training.snapshot import attributes_kept

MOST_STEPS = 100_000
"""Steps of schedulers that are replayed; more would take seconds."""
NEAR_THE_TOP = 0.99
TOP_SHARE = 0.25
"""A learning rate that is near its highest for this share of the training is a constant one: staircases, warm-ups."""
MOST_ABOVE = 2.0
"""The highest learning rate over the mean one, at the most: what a decay to 0 in a line has."""


@dataclass(frozen=True)
class Clock:
    """A scheduler, and the updates after which it is stepped; 0 if that is unknown."""

    scheduler: Any
    updates: int = 1


@dataclass(frozen=True)
class Course:
    """The learning rate of a training, over the peak that its scheduler was made with.

    Attributes:
        highest: The highest that it reaches.
        mean: Its mean over the updates.
        at_top: The share of the updates at which it is nearly as high as it gets.
    """

    highest: float
    mean: float
    at_top: float

    @property
    def decays(self) -> bool:
        """Whether it leaves its top so soon that this may be higher than a constant learning rate."""
        return self.at_top < TOP_SHARE

    def peak(self, constant_lr: float) -> float:
        """Return the peak at which the training has the mean, or with a long top the highest, of `constant_lr`."""
        above = min(MOST_ABOVE, self.highest / self.mean) if self.decays else 1.0
        return constant_lr * above / self.highest


def planned_course(optimizer: Optimizer, clocks: Sequence[Clock], updates: int) -> Course | None:
    """Return the course of the first swept group's learning rate; None if it cannot be known beforehand.

    A scheduler that waits for a validation loss is taken to stand still.

    Args:
        optimizer: At the start of the training; it and its schedulers are put back.
        clocks: Its schedulers, and when they are stepped.
        updates: Those of the training.
    """
    moving = [clock for clock in clocks if not isinstance(clock.scheduler, ReduceLROnPlateau)]
    known = all(clock.updates and isinstance(clock.scheduler, LRScheduler) for clock in moving)
    if not moving or not known or sum(updates // clock.updates for clock in moving) > MOST_STEPS:
        return None
    groups = optimizer.param_groups
    index = next((index for index, group in enumerate(groups) if not group.get("fixed_lr")), 0)
    peak = peak_lrs(optimizer, [clock.scheduler for clock in clocks])[index]
    with _put_back(optimizer, [clock.scheduler for clock in moving]):
        spans = list(_spans(groups[index], moving, updates))
    highest = max(lr for lr, _ in spans)
    if not peak > 0 or not highest > 0:
        return None
    length = sum(span for _, span in spans)
    mean = sum(lr * span for lr, span in spans) / length
    at_top = sum(span for lr, span in spans if lr >= NEAR_THE_TOP * highest) / length
    return Course(highest / peak, mean / peak, at_top)


def _spans(group: dict[str, Any], clocks: Sequence[Clock], updates: int) -> Iterator[tuple[float, int]]:
    """Yield the learning rates of a training, each with the updates that it lasts."""
    ticks = sorted({tick for clock in clocks for tick in range(0, updates, clock.updates)} | {updates})
    for start, end in pairwise(ticks):
        try:
            for clock in clocks:
                if start and start % clock.updates == 0:
                    clock.scheduler.step()
        except ValueError:  # of OneCycleLR, beyond its end
            return
        yield float(group["lr"]), end - start


@contextlib.contextmanager
def _put_back(optimizer: Optimizer, schedulers: Sequence[Any]) -> Iterator[None]:
    """Put the groups of an optimizer and the state of its schedulers back at the end."""
    groups = optimizer.param_groups
    kept = [{key: _copied(value) for key, value in each.items()} for each in groups]
    try:
        with warnings.catch_warnings(), attributes_kept(*nested(schedulers)):
            warnings.simplefilter("ignore")  # that the optimizer has made no step yet
            yield
    finally:
        for group, before in zip(groups, kept, strict=True):
            for key, value in before.items():
                if isinstance(value, Tensor):
                    group[key].copy_(value)
                else:
                    group[key] = value


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value
