"""Training again for a record: a config -> short trainings at constant learning rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrfind.config.schema import Config
from lrfind.observer import Observer
from lrfind.pipeline import build
from lrfind.records.types import Probe, StopReason
from lrfind.search import one_probe

if TYPE_CHECKING:
    from lrfind.workloads.workload import Workload


@dataclass(frozen=True)
class Trainings:
    """Trainings from the same start.

    Attributes:
        made: The trainings in the order asked for, each with the message of the fault that ended it if one did.
        device: What they were made on.
    """

    made: tuple[tuple[Probe, str | None], ...]
    device: str


def train_at(
    config: Config, source: str, lrs: Sequence[float], steps: int, observer: Observer | None = None
) -> Trainings:
    """Train from the start at one constant learning rate after the other, on the same mini-batches.

    A training that blows up is stopped as a sweep is. A fault of the user's code at one learning rate ends that
    training alone, once another one has been made.

    Args:
        config: What is trained.
        source: Name of the config, for error messages.
        lrs: The learning rates, the most wanted first: what is made before an interrupt is kept.
        steps: Updates of each training.
        observer: Is told how it goes.

    Raises:
        LrfindError: The job cannot be built, or its very first step fails.
        KeyboardInterrupt: The user interrupted it before anything was measured.
    """
    observer = observer or Observer()
    workload = build(config, source)
    made: list[tuple[Probe, str | None]] = []
    for lr in lrs:
        made.append(_train(workload, lr, steps, observer, needed=not made))
        reason, error = made[-1][0].stop_reason, made[-1][1]
        # Processes that train together part at a fault; one that trains alone goes on with the next learning rate.
        if reason.cut_short and (error is None or workload.processes or reason is StopReason.DATA_ENDED):
            made += [(Probe(rest, steps, (), reason), None) for rest in lrs[len(made) :]]
            break
    return Trainings(tuple(made), str(workload.device))


def _train(workload: Workload, lr: float, steps: int, observer: Observer, *, needed: bool) -> tuple[Probe, str | None]:
    """Train at one learning rate; if it is needed, not to measure anything at all is an error."""
    made, fault = one_probe(workload, lr, steps, observer)
    if needed and not made.losses:
        raise fault or KeyboardInterrupt
    if fault is None:
        return made, None
    observer.on_error(fault)
    return made, str(fault)
