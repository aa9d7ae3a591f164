"""What the callbacks of all trainers share: one search, which is logged and applied, and changes nothing else."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import torch
from torch import nn

from lrfind.answer import Answer, Found, Refused
from lrfind.errors import PYTHON, Fault, Level, LrfindError, Note
from lrfind.errors.setting_names import KEYS
from lrfind.finder import find_lr, search_objects
from lrfind.integrations.course import Clock, Course, planned_course
from lrfind.settings import Method, Schedule
from lrfind.training.scheduler_peaks import peak_lrs, schedule_of, set_peaks
from lrfind.training.step import Step
from lrfind.workloads.from_objects import Objects


class SearchOptions(TypedDict, total=False):
    """The arguments of `find_lr` that a callback takes: those that its trainer does not decide."""

    seed: int
    start_lr: float
    end_lr: float
    num_iter: int
    max_iter: int
    warmup_steps: int
    schedule: Schedule
    train_steps: int | None
    train_epochs: int | None
    probes: bool
    probe_steps: int | None
    max_probes: int
    refine: bool
    budget: int | None
    max_time: float | None
    method: Method
    restore: Sequence[Any]
    progress: bool | None


DEFAULTS = {name: inspect.signature(find_lr).parameters[name].default for name in KEYS}
"""The settings of a search, as `find_lr` has them."""
NOTICEABLE = 1.25
"""A factor between learning rates that is more than their steps make of a mean."""
NEARLY_REACHED = 0.9
_WAY_OUT = "was it made for more steps than it is stepped for? (total_steps, T_max, num_warmup_steps; interval)"
OTHER_FINDERS = {"LearningRateFinder"}
"""Callbacks of Lightning that set the learning rate as well."""
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
        clocks: The schedulers of the learning rate, and when they are stepped.
        settings: Further arguments of `find_lr`, by name.
        package: That of the trainer, where the model does not tell.
    """

    model: nn.Module
    loader: Any
    optimizer: torch.optim.Optimizer
    step: Step
    clocks: Sequence[Clock]
    settings: Mapping[str, Any]
    package: str = ""

    @property
    def schedulers(self) -> list[Any]:
        """The schedulers alone."""
        return [clock.scheduler for clock in self.clocks]

    @property
    def peak_lr(self) -> float:
        """The learning rate before the search: the peak of the schedule."""
        return peak_lrs(self.optimizer, self.schedulers)[0]

    @property
    def course(self) -> Course | None:
        """The course of its learning rate; None if that is unknown."""
        steps = self.settings.get("train_steps")
        return planned_course(self.optimizer, self.clocks, steps) if steps else None


class Search:
    """Searches the learning rate of a training as it begins, and sets it; the base of the callbacks.

    Args:
        strict: Whether to raise instead of warn.
        options: Arguments of `lrfind.find_lr`.

    Attributes:
        result: The answer of the last search, also if it refuses; None before a search.
    """

    result: Answer | None = None

    def __init__(self, *, strict: bool, options: SearchOptions) -> None:
        if unknown := [name for name in options if name not in SearchOptions.__annotations__]:
            known = ", ".join(SearchOptions.__annotations__)
            raise TypeError(f"FindLR: expected strict or one of {known}; got {', '.join(unknown)}")
        self._strict = strict
        self._options = {"progress": False, **options}

    def _log(self, text: str, level: Level = Level.INFO) -> None:
        """Write a line to the trainer's own log."""
        raise NotImplementedError

    def _note(self, text: str) -> None:
        self._log(f"FindLR: {text}")

    def _refuse(self, reason: str) -> None:
        """Say why the learning rate stays.

        Raises:
            LrfindError: The search is strict.
        """
        if self._strict:
            raise LrfindError(Fault("FindLR", problem=reason))
        self._log(f"FindLR: the learning rate stays as it is: {reason}", Level.WARNING)

    def _is_second(self, callbacks: Sequence[Any]) -> bool:
        """Tell whether another finder of the same trainer sets the learning rate, and say so."""
        finders = [each for each in callbacks if isinstance(each, Search) or type(each).__name__ in OTHER_FINDERS]
        others = [type(each).__name__ for each in finders if each is not self]
        if not others or (finders[0] is self and not set(others) & OTHER_FINDERS):
            return False
        self._refuse(f"{others[0]} is in the same Trainer and sets it too; keep one of them")
        return True

    def _run(self, training: Training) -> tuple[float, float] | None:
        """Search, set the learning rate that results, and return the old and the new one; None if the old one stays.

        Raises:
            LrfindError: The training code raised, the data is empty, or the search is strict and found nothing.
            KeyboardInterrupt: The user interrupted it.
        """
        before, course = training.peak_lr, training.course
        self._note(f"searching the learning rate of {type(training.model).__name__}, as it stands")
        try:
            self.result = result = self._answer(training, course)
            if result:
                self._apply(result, training, course)
        except LrfindError as error:
            if self._strict or type(error) is not LrfindError:  # its subclasses are faults: of code, data or options
                raise
            self._refuse(str(error))
            return None
        if not result:
            self._refuse(result.message)
            return None
        low, high = result.safe_range
        self._note(
            f"the learning rate is {training.peak_lr:.3g} instead of {before:.3g} (safe range {low:.3g} to {high:.3g}, "
            f"confidence {result.confidence:.0%}). {result.message}"
        )
        return before, training.peak_lr

    def _apply(self, result: Answer, training: Training, course: Course | None) -> None:
        """Set the suggestion as the peak, or another one if the schedulers make another course of it."""
        result.apply(training.optimizer, training.schedulers)
        if course is None or result.analysis.constant_lr is None or "schedule" in self._options:
            return
        suggested, peak = training.peak_lr, course.peak(result.analysis.constant_lr)
        if max(peak / suggested, suggested / peak) < NOTICEABLE:
            return
        lrs = [lr * peak / suggested for lr in peak_lrs(training.optimizer, training.schedulers)]
        set_peaks(training.optimizer, lrs, training.schedulers)
        reached = peak * course.highest
        self._log(
            f"FindLR: as its scheduler is stepped, this training has a learning rate of {peak * course.mean:.3g} on "
            f"average, and of {reached:.3g} at the most; so the peak is set to {peak:.3g} instead of {suggested:.3g}"
            + f", which is never reached: {_WAY_OUT}"
            * (course.highest < NEARLY_REACHED),
            Level.WARNING,
        )

    def _answer(self, training: Training, course: Course | None) -> Found | Refused:
        schedule = schedule_of(training.schedulers)
        if course:
            schedule = "constant" if not course.decays else "linear" if schedule == "constant" else schedule
        given = {"schedule": schedule, **training.settings, **self._options}
        settings = {name: given.get(name, default) for name, default in DEFAULTS.items()}
        parts = (training.model, training.loader, None, training.optimizer, training.step, given["scaler"])
        objects = Objects(*parts, trainer=training.package, restore=given.get("restore", ()))
        return search_objects(objects, settings, given["device"], given["progress"], self._tell)

    def _tell(self, note: Note) -> None:
        self._log(f"FindLR: {note.render(PYTHON)}", note.level)


def replace_lr(holder: MutableMapping[str, Any], old: float, new: float) -> None:
    """Set the learning rate that a mapping holds under one of its usual names, if it is that of the training."""
    for name in LR_NAMES:
        value = holder.get(name)
        if isinstance(value, (int, float)) and math.isclose(value, old):
            holder[name] = new


@contextlib.contextmanager
def without_autocast(device: torch.device) -> Iterator[None]:
    """Leave the autocast of the sweep, so that the trainer can enter its own."""
    available = torch.amp.is_autocast_available(device.type)
    with torch.autocast(device.type, enabled=False) if available else contextlib.nullcontext():
        yield
