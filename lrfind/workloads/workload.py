"""What a run trains, as search and pipeline see it: `train(lrs) -> Sweep`, wherever it comes from. No torch."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from lrfind.errors import Note
from lrfind.observer import Observer
from lrfind.records.facts import UNKNOWN_SIZE, LoopFacts, UpdateSize
from lrfind.records.types import Group, Sweep
from lrfind.settings import Settings
from lrfind.training.ladder import ladder


class Looks(Protocol):
    """The losses of one training on held-out batches.

    Attributes:
        at: Updates before each look.
        losses: Losses at each look, one for each batch.
        shuffled: Those at the last look when each target comes with the inputs of another sample; empty if unknown.
        error: Why there are none.
    """

    at: list[int]
    losses: list[tuple[float, ...]]
    shuffled: tuple[float, ...]
    error: Exception | None


@dataclass(kw_only=True)
class Workload(abc.ABC):
    """A training that can be started again and again from the same state.

    Attributes:
        settings: How it is swept and probed, and what is known of it; a first training may add to that.
        device: Where it trains.
        groups: The parameter groups of the optimizer; none before the first training.
        update_size: How large its updates are; unknown before the first training, and without probes.
        most_steps: Updates that a training can have at most; None if there is no such limit.
        unseen_steps: Updates of a training that see no sample twice, so that each of their losses is one on held-out
            data; None if unknown.
    """

    settings: Settings
    device: Any
    groups: tuple[Group, ...] = ()
    update_size: UpdateSize = UNKNOWN_SIZE
    most_steps: int | None = None
    unseen_steps: int | None = None
    _told: set[Note] = field(default_factory=set)

    @abc.abstractmethod
    def train(
        self,
        lrs: Sequence[float],
        observer: Observer,
        held_out: Any = None,
    ) -> Sweep:
        """Train from the start with one update per learning rate, and return the loss of every update.

        Args:
            lrs: Learning rate of each update, shape `(n,)`.
            observer: Follows the training.
            held_out: What `looks` has returned takes the losses on the held-out batches; None trains on all data.

        Raises:
            LrfindError: Nothing can be trained, or a step fails; its `partial` is what was measured before.
        """

    @abc.abstractmethod
    def looks(self, steps: int) -> Looks | None:
        """Return what takes the losses on the held-out batches in a training of `steps`; None without any."""

    def look_updates(self, steps: int) -> int:
        """Return the updates that these losses cost in a training of `steps`."""
        return 0

    @property
    @abc.abstractmethod
    def alone(self) -> bool:
        """Whether no other process trains with this one."""

    @property
    def loop(self) -> LoopFacts | None:
        """What code that trains in the same way needs to know, after a training; None if that is unknown."""
        return None

    @property
    @abc.abstractmethod
    def title(self) -> str:
        """What is trained, in a line."""

    @property
    @abc.abstractmethod
    def environment(self) -> dict[str, Any]:
        """Versions, machine and size of the run, as its record keeps them."""

    @abc.abstractmethod
    def count_epochs(self) -> None:
        """Say the length of the training in updates, if it is known in epochs.

        Raises:
            DataError: The length of an epoch is unknown.
        """

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Let go of what it holds besides memory, such as processes; it is not trained any more."""

    def ladder(self, steps: int) -> Sequence[float]:
        """Return the learning rates of a sweep of that many steps, shape `(steps,)`."""
        settings = self.settings.sweep
        return ladder(settings.start_lr, settings.end_lr, steps, settings.mode)

    def tell(self, note: Note, on_note: Callable[[Note], None]) -> None:
        """Pass on a note, unless this run has passed it on already."""
        if note not in self._told:
            self._told.add(note)
            on_note(note)
