"""Short trainings at constant learning rates of a workload, for an explanation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lrfind.errors import interrupts, user_code
from lrfind.observer import Observer
from lrfind.records.types import Probe, StopReason
from lrfind.search import one_probe

if TYPE_CHECKING:
    from lrfind.workloads.workload import Workload


Training = tuple[Probe, str | None]
"""A training, and the message of the fault that ended it; None if none did."""


def train_at(
    make: Callable[[], Workload], lrs: Sequence[float], steps: int, observer: Observer | None = None
) -> tuple[list[Training], str]:
    """Train at each learning rate from the same start and on the same mini-batches, and return the device as well.

    A training that blows up is stopped as a sweep is. A fault of the user's code at one learning rate ends that
    training alone, once another one has been made.

    Args:
        make: Returns what is trained; called once.
        lrs: The learning rates, the most important first: an interrupt keeps what was measured before.
        steps: Updates of each training.
        observer: Follows the trainings.

    Raises:
        LrfindError: The job cannot be built, or its very first step fails.
        KeyboardInterrupt: The user interrupted it before anything was measured.
    """
    observer = observer or Observer()
    interrupts.hold()
    with interrupts.interruptible(), user_code("preparing the training"):
        workload = make()
    with contextlib.closing(workload):
        return _train_all(workload, lrs, steps, observer), str(workload.device)


def _train_all(workload: Workload, lrs: Sequence[float], steps: int, observer: Observer) -> list[Training]:
    trainings: list[Training] = []
    for lr in lrs:
        probe, error = _train(workload, lr, steps, observer, needed=not trainings)
        trainings.append((probe, error))
        reason = probe.stop_reason
        # Processes that train together part at a fault; one that trains alone goes on with the next learning rate.
        if interrupts.stopped() and not reason.cut_short:
            reason = StopReason.INTERRUPTED
        if reason.cut_short and (error is None or not workload.alone or reason is StopReason.DATA_ENDED):
            trainings += [(Probe(rest, steps, (), reason), None) for rest in lrs[len(trainings) :]]
            break
    return trainings


def _train(workload: Workload, lr: float, steps: int, observer: Observer, *, needed: bool) -> Training:
    """Train at one learning rate; if `needed`, a training without a loss is an error."""
    probe, fault = one_probe(workload, lr, steps, observer)
    if needed and not probe.losses:
        raise fault or KeyboardInterrupt
    if fault is None:
        return probe, None
    observer.on_error(fault)
    return probe, str(fault)
