"""Training again from a record: its config -> short trainings at constant learning rates."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lrfind.config.load import make_importable, validated
from lrfind.config.schema import Config
from lrfind.config.validate import check_targets
from lrfind.errors import ConfigError, Fault
from lrfind.observer import Observer
from lrfind.pipeline import build
from lrfind.records.types import Probe, Result, StopReason
from lrfind.search import one_probe
from lrfind.training.distributed.launch import read_launch

if TYPE_CHECKING:
    from lrfind.workloads.workload import Job


@dataclass(frozen=True)
class Trials:
    """Trainings from the same start.

    Attributes:
        made: The trainings in the order asked for, each with the message of the fault that ended it if one did.
        device: What they were made on.
    """

    made: tuple[tuple[Probe, str | None], ...]
    device: str


def config_of_record(result: Result, name: str, place: Path, device: str | None = None) -> Config:
    """Return the config of a record, with every fault that can be found without building anything ruled out.

    Args:
        result: The record. Its config is the one that counts, whatever the file says by now.
        name: Name of the record, for error messages.
        place: Where the file of the config lies; its folder becomes importable.
        device: Instead of the one in the config.

    Raises:
        ConfigError: The config of the record cannot be trained from, or not here.
    """
    document = {**result.config, **({} if device is None else {"device": device})}
    config = _found(validated(document, name, {"device": "--device"} if device else {}), result, name, place)
    read_launch(config.parallel, config.train.world_size, name)
    make_importable(place)
    return check_targets(config, name)


def _found(config: Config, result: Result, name: str, place: Path) -> Config:
    """Return `config` with its checkpoint where it is now: as recorded, or as far from the config as it was."""
    given = config.train.checkpoint
    if given is None or Path(given).is_file():
        return config
    moved = place.parent / os.path.relpath(given, Path(result.source or "").parent)
    if not moved.is_file():
        problem = f"expected a file, got none at {given} or {moved}; put it there, or go to the folder of the run"
        raise ConfigError(name, [Fault("train.checkpoint", problem=problem)])
    return config.model_copy(update={"train": config.train.model_copy(update={"checkpoint": str(moved)})})


def train_at(config: Config, source: str, lrs: Sequence[float], steps: int, observer: Observer | None = None) -> Trials:
    """Train from the start at one constant learning rate after the other, on the same mini-batches.

    A training that blows up is stopped as a sweep is. A fault of the user's code at one learning rate ends that
    training alone, once another one has been made.

    Args:
        config: From `config_of_record` or `lrfind.pipeline.read_config`.
        source: Name of the config, for error messages.
        lrs: The learning rates, the most wanted first: what is made before an interrupt is kept.
        steps: Updates of each training.
        observer: Is told how it goes.

    Raises:
        LrfindError: The job cannot be built, or its very first step fails.
        KeyboardInterrupt: The user interrupted it before anything was measured.
    """
    observer = observer or Observer()
    job = build(config, source)
    made: list[tuple[Probe, str | None]] = []
    for lr in lrs:
        made.append(_train(job, lr, steps, observer, needed=not made))
        reason, error = made[-1][0].stop_reason, made[-1][1]
        # Processes that train together part at a fault; one that trains alone goes on with the next learning rate.
        if reason.cut_short and (error is None or job.ranks or reason is StopReason.DATA_ENDED):
            made += [(Probe(rest, steps, (), reason), None) for rest in lrs[len(made) :]]
            break
    return Trials(tuple(made), str(job.device))


def _train(job: Job, lr: float, steps: int, observer: Observer, *, needed: bool) -> tuple[Probe, str | None]:
    """Train at one learning rate; if it is needed, not to measure anything at all is an error."""
    made, fault = one_probe(job, lr, steps, observer)
    if needed and not made.losses:
        raise fault or KeyboardInterrupt
    if fault is None:
        return made, None
    observer.on_error(fault)
    return made, str(fault)
