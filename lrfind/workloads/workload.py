"""What all sweeps and probes of a run share, wherever the model and the data come from."""

from __future__ import annotations

import abc
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lrfind.errors import Level, Note, some
from lrfind.records.types import Group
from lrfind.training.distributed.process_group import Ranks
from lrfind.training.groups import describe_groups
from lrfind.training.step import OnNote, Step
from lrfind.training.update import Recipe
from lrfind.workloads.preflight import left_out

if TYPE_CHECKING:
    from lrfind.config.schema import Config


@dataclass(kw_only=True)
class Job(abc.ABC):
    """What stays the same over all sweeps of a run.

    Attributes:
        config: The settings of the run.
        device: Where the batches are sent.
        ranks: The processes that train together with this one; None if it trains alone.
        groups: The parameter groups of the optimizer; none before the first sweep.
    """

    config: Config
    device: torch.device
    ranks: Ranks | None = None
    groups: tuple[Group, ...] = ()
    _told: set[Note] = field(default_factory=set)

    @property
    def recipe(self) -> Recipe:
        """How mini-batches become updates."""
        train = self.config.train
        pieces = train.accumulate * self.world_size // (self.ranks.launch.size if self.ranks else 1)
        return Recipe(self.config.precision, pieces, train.clip_grad_norm, train.clip_grad_value)

    @property
    def world_size(self) -> int:
        """Processes of the training: those that run, or those that this one stands for."""
        return self.ranks.launch.size if self.ranks else self.config.train.world_size

    @abc.abstractmethod
    def fresh(
        self, on_note: OnNote = lambda note: None
    ) -> tuple[nn.Module, torch.optim.Optimizer, Step, Iterable[Any]]:
        """Return the model as the training starts with it, its optimizer, the step and the batches.

        Every random generator is set to the seed.

        Args:
            on_note: Is told what the user should know, each once in a run.
        """

    def take(self, optimizer: torch.optim.Optimizer, model: nn.Module, on_note: OnNote) -> None:
        """Make an optimizer ready to train `model`, and describe its groups."""
        if callable(train := getattr(optimizer, "train", None)):
            train()  # what the schedule-free ones ask for before their first step
        if names := left_out(optimizer, model):
            self.tell(
                Note("Not trained, as no group of the optimizer holds them: ", Level.WARNING, some(names)), on_note
            )
        self.groups = describe_groups(optimizer)

    def tell(self, note: Note, on_note: OnNote) -> None:
        """Tell the user something, unless this run has told it already."""
        if note not in self._told:
            self._told.add(note)
            on_note(note)
