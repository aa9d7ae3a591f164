"""The peak and the length of a training, from the schedulers that a script has made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lrfind.scripts.optimizers import Made
from lrfind.scripts.places import Place
from lrfind.training.scheduler_peaks import peak_lrs

WITH_PEAK = ("OneCycleLR", "CyclicLR")
"""Schedulers that are given their highest learning rate, whatever the optimizer was made with."""
PER_UPDATE = 0.5
"""A scheduler that was stepped at least this often for each update is stepped after each, not after each epoch."""


def peak_of(
    optimizer: Any, made: Made, reference: float, schedulers: Sequence[tuple[Any, Place]]
) -> tuple[float, str, Place]:
    """Return the highest learning rate that a script gives its first group, and the argument and place that say so.

    It is the `max_lr` of a scheduler that has one, or else what the optimizer was made with, which schedulers decay.
    """
    for scheduler, place in schedulers:
        if type(scheduler).__name__ in WITH_PEAK:
            return peak_lrs(optimizer, [scheduler])[0], f"{type(scheduler).__name__}(max_lr", place
    return reference, f"{type(optimizer).__name__}(lr", made.place


def length_of(schedulers: Sequence[Any], updates: int, per_epoch: int | None) -> int | None:
    """Return the updates of the training that a scheduler was made for; None if none says.

    Args:
        schedulers: In the order made; the last one that says counts.
        updates: Updates made so far, which tell whether the scheduler counts updates or epochs.
        per_epoch: Updates of an epoch, if known.
    """
    for scheduler in reversed(_outermost(schedulers)):
        span = _span(scheduler)
        if span is None:
            continue
        turns = getattr(scheduler, "last_epoch", None)
        if turns is None:  # of timm, which says itself what it counts
            if not getattr(scheduler, "t_in_epochs", True):
                return span
            turns = 0
        if turns >= PER_UPDATE * updates:
            return round(span / max(1, round(turns / updates)))
        if per_epoch:
            return span * per_epoch
    return None


def _outermost(schedulers: Sequence[Any]) -> list[Any]:
    """Return the schedulers that are not within another one, which steps them in its own way."""
    inner = {id(each) for scheduler in schedulers for each in getattr(scheduler, "_schedulers", ())}
    return [each for each in schedulers if id(each) not in inner]


def _span(scheduler: Any) -> int | None:
    """Return the steps of a scheduler from its start to its end; None if it does not say."""
    for function in getattr(scheduler, "lr_lambdas", ()):  # the functions of transformers are partials
        if steps := (getattr(function, "keywords", None) or {}).get("num_training_steps"):
            return int(steps)
    if milestones := getattr(scheduler, "_milestones", None):  # of a SequentialLR
        last = _span(scheduler._schedulers[-1])
        return None if last is None else int(milestones[-1]) + last
    if inner := getattr(scheduler, "_schedulers", None):  # of a ChainedScheduler
        return max((span for each in inner if (span := _span(each))), default=None)
    if type(scheduler).__name__ == "LinearLR" and scheduler.end_factor >= scheduler.start_factor:
        return None  # a warm-up
    for name in ("total_steps", "T_max", "total_iters", "t_initial"):
        if isinstance(value := getattr(scheduler, name, None), (int, float)) and value >= 1:
            return int(value)
    return None
