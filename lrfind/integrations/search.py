"""What the callbacks of all trainers share: one search, told of and applied, that leaves the trainer as it was."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lrfind.answer import Answer
from lrfind.errors import PYTHON, Fault, Level, LrfindError, Note
from lrfind.errors.setting_names import KEYS
from lrfind.finder import find_lr, search_objects
from lrfind.training.scheduler_peaks import peak_lrs, schedule_of
from lrfind.training.snapshot import Snapshot
from lrfind.training.step import Step
from lrfind.workloads.from_objects import Objects

OF_THE_TRAINER = (
    *("step", "device", "precision", "scaler", "world_size"),
    *("accumulate", "clip_grad_norm", "clip_grad_value", "on_note"),
)
"""Arguments of `find_lr` that the trainer decides."""
OPTIONS = [
    name
    for name, parameter in inspect.signature(find_lr).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY and name not in OF_THE_TRAINER
]
DEFAULTS = {name: inspect.signature(find_lr).parameters[name].default for name in KEYS}
"""The settings of a search, as `find_lr` has them."""
LR_NAMES = ("lr", "learning_rate")
"""Names under which models and trainers hold their learning rate."""


@dataclass(frozen=True)
class Training:
    """A training that is about to begin.

    Attributes:
        model: The model as it is trained.
        loader: Its mini-batches.
        optimizer: Of PyTorch, without a trainer's wrapper.
        step: step(model, batch) -> loss, as the trainer makes it.
        schedulers: Of the learning rate.
        settings: What else `find_lr` should know of it, by its arguments.
    """

    model: nn.Module
    loader: Any
    optimizer: torch.optim.Optimizer
    step: Step
    schedulers: Sequence[Any]
    settings: Mapping[str, Any]

    @property
    def peak_lr(self) -> float:
        """The learning rate that it is set up with, the peak of its schedule."""
        return peak_lrs(self.optimizer, self.schedulers)[0]


class Search:
    """Searches the learning rate of a training, and sets it.

    Attributes:
        result: What was found last; None before.
    """

    def __init__(
        self, *, strict: bool, options: Mapping[str, Any], on_note: Callable[[str], None], warn: Callable[[str], None]
    ) -> None:
        if unknown := [name for name in options if name not in OPTIONS]:
            raise TypeError(f"FindLR: expected strict or one of {', '.join(OPTIONS)}; got {', '.join(unknown)}")
        self.result: Answer | None = None
        self._strict = strict
        self._options = {"progress": False, **options}
        self._on_note = on_note
        self._warn = warn

    def note(self, text: str) -> None:
        """Tell the user something."""
        self._on_note(f"FindLR: {text}")

    def _tell(self, note: Note) -> None:
        """Pass on a note of the search, as a warning if the answer may be wrong because of it."""
        (self._warn if note.level is Level.WARNING else self._on_note)(f"FindLR: {note.render(PYTHON)}")

    def refuse(self, reason: str) -> None:
        """Say why the learning rate stays as it is.

        Raises:
            LrfindError: The search is strict.
        """
        if self._strict:
            raise LrfindError(Fault("FindLR", problem=reason))
        self._warn(f"FindLR: the learning rate stays as it is: {reason}")

    def run(self, training: Training) -> float | None:
        """Search, and set what is found; return the learning rate, None if it stays as it was.

        Raises:
            LrfindError: The training code raised, the data is empty, or the search is strict and found nothing.
            KeyboardInterrupt: The user interrupted it.
        """
        before = training.peak_lr
        self.note(f"searching the learning rate of {type(training.model).__name__}, as it stands")
        try:
            self.result = result = self._found(training)
            if result:
                result.apply(training.optimizer, list(training.schedulers))
        except LrfindError as error:
            if self._strict or type(error) is not LrfindError:  # one of its kinds is a fault, of code, data or options
                raise
            self.refuse(str(error))
            return None
        if not result:
            self.refuse(result.message)
            return None
        low, high = result.safe_range or (math.nan, math.nan)
        self.note(
            f"the learning rate is {training.peak_lr:.3g} instead of {before:.3g} (safe range {low:.3g} to {high:.3g}, "
            f"confidence {result.confidence:.0%}). {result.message}"
        )
        return training.peak_lr

    def _found(self, training: Training) -> Answer:
        given = {"schedule": schedule_of(training.schedulers), **training.settings, **self._options}
        settings = {name: given.get(name, default) for name, default in DEFAULTS.items()}
        objects = Objects(training.model, training.loader, None, training.optimizer, training.step, given["scaler"])
        return search_objects(objects, settings, given["device"], given["progress"], self._tell)


def renamed(holder: MutableMapping[str, Any], before: float, lr: float) -> None:
    """Set the learning rate that a mapping holds under one of its usual names, if it is that of the training."""
    for name in LR_NAMES:
        value = holder.get(name)
        if isinstance(value, (int, float)) and math.isclose(value, before):
            holder[name] = lr


@contextlib.contextmanager
def attributes_kept(*holders: Any) -> Iterator[None]:
    """Put the attributes of objects back at the end, and what is in those that are dicts and lists."""
    kept = [(vars(holder), dict(vars(holder))) for holder in holders]
    containers = Snapshot([value for _, own in kept for value in own.values() if isinstance(value, (dict, list))])
    try:
        yield
    finally:
        for attributes, before in kept:
            attributes.clear()
            attributes.update(before)
        containers.restore()


@contextlib.contextmanager
def without_autocast(device: torch.device) -> Iterator[None]:
    """Let the trainer enter the autocast of its own, with its own extent, within that of the sweep."""
    if not torch.amp.is_autocast_available(device.type):
        yield
        return
    with torch.autocast(device.type, enabled=False):
        yield
