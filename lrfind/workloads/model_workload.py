"""A training whose model, optimizer and mini-batches are objects of this process."""

from __future__ import annotations

import abc
import contextlib
import math
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy
import torch
from torch import nn

import lrfind
from lrfind.errors import DataError, Fault, Level, Note, interrupts, some, user_code
from lrfind.observer import Observer
from lrfind.records.facts import UNKNOWN_SIZE, UpdateSize
from lrfind.records.types import Group, Sweep
from lrfind.settings import Settings
from lrfind.training.batch import not_finite
from lrfind.training.distributed.process_group import ProcessGroup
from lrfind.training.groups import describe_groups
from lrfind.training.held_out import HeldOutLoss
from lrfind.training.minibatches import Latest, endless
from lrfind.training.step import OnNote, Step
from lrfind.training.sweep import run_sweep
from lrfind.training.update import Recipe
from lrfind.training.update_size import update_size
from lrfind.workloads.preflight import untrained_parameters
from lrfind.workloads.workload import Workload

Fresh = tuple[nn.Module, torch.optim.Optimizer, Step, Iterable[Any]]
"""The model as the training starts with it, its optimizer, the step and the mini-batches."""


@dataclass(kw_only=True)
class ModelWorkload(Workload, abc.ABC):
    """A training in this process that can be started again and again from the same state.

    Attributes:
        settings: How it is swept and probed, and how it updates its weights.
        device: Where the mini-batches are sent.
        processes: The processes of this training; None if there is only this one.
        groups: The parameter groups of the optimizer; none before the first training.
        update_size: How large its updates are; unknown before the first training, and without probes.
    """

    settings: Settings
    device: torch.device
    processes: ProcessGroup | None = None
    groups: tuple[Group, ...] = ()
    update_size: UpdateSize = UNKNOWN_SIZE

    @abc.abstractmethod
    def fresh(self, on_note: OnNote = lambda note: None, *, hold_out: bool = False) -> Fresh:
        """Return what is trained, in the state in which the training starts, with every random generator seeded.

        Args:
            on_note: Takes what the user should know, each note once in a run.
            hold_out: Whether to keep the samples of `held_out` out of the mini-batches.
        """

    @property
    @abc.abstractmethod
    def held_out(self) -> Sequence[Any]:
        """Batches that a training does not train on if it holds them out; empty if the data has none to spare."""

    @property
    @abc.abstractmethod
    def names(self) -> tuple[str, str]:
        """The names of model and optimizer, for titles."""

    @property
    @abc.abstractmethod
    def epoch_batches(self) -> int | None:
        """Mini-batches of a pass over the data, those of all processes together; None if that is unknown."""

    def count_epochs(self) -> None:
        """Count them by the mini-batches of the data."""
        train = self.settings.train
        if train.epochs is None:
            return
        if (batches := self.epoch_batches) is None:
            expected, fix = "data whose length is known", "say $train_steps instead"
            raise DataError(Fault("train.epochs", expected=expected, got="data that does not tell it", fix=fix))
        steps = train.epochs * max(1, batches // (train.accumulate * self.world_size))
        self.settings = replace(self.settings, train=replace(train, epochs=None, steps=steps))

    @property
    @abc.abstractmethod
    def batch_size(self) -> int | None:
        """Samples in a mini-batch; None if the loader does not say."""

    def train(
        self,
        lrs: Sequence[float],
        observer: Observer,
        held_out: HeldOutLoss | None = None,
    ) -> Sweep:
        """Train in this process, as any workload trains."""
        observer.on_sweep(len(lrs))
        with self.processes.faults_settled() if self.processes else contextlib.nullcontext():
            with interrupts.interruptible(), user_code("preparing the training"):
                model, optimizer, step, batches = self.fresh(observer.on_note, hold_out=held_out is not None)
            settings = self.settings.sweep
            latest = Latest(endless(batches, lambda: self._recycled(observer.on_note), self.recipe.accumulate))
            sweep = run_sweep(
                model,
                latest,
                step,
                optimizer,
                lrs,
                device=self.device,
                seed=self.settings.seed,
                recipe=self.recipe,
                processes=self.processes,
                warmup=(settings.start_lr,) * settings.warmup_steps,
                stop_on_divergence=settings.stop_on_divergence,
                on_step=observer.on_step,
                look=held_out.watch(model, step, self.device, self.recipe) if held_out else None,
            )
        if sweep.losses and not math.isfinite(sweep.losses[-1]) and (places := not_finite(latest.batch)):
            text = "A loss is not finite where the mini-batch itself holds such numbers: "
            self.tell(Note(text, Level.WARNING, some(places)), observer.on_note)
        return sweep

    def _recycled(self, on_note: OnNote) -> None:
        if self.epoch_batches is None:  # else it is no news
            self.tell(Note("The data ran out; starting over with its first batch."), on_note)

    def looks(self, steps: int) -> HeldOutLoss | None:
        """Return what takes the losses on the held-out batches in a training of `steps`; None without any."""
        return HeldOutLoss(self.held_out, steps, self.processes) if self.held_out else None

    @property
    def alone(self) -> bool:
        """Whether no other process trains with this one."""
        return self.processes is None

    @property
    def recipe(self) -> Recipe:
        """How mini-batches become updates."""
        train = self.settings.train
        pieces = train.accumulate * self.world_size // (self.processes.launch.size if self.processes else 1)
        return Recipe(self.settings.precision, pieces, train.clip_grad_norm, train.clip_grad_value)

    @property
    def world_size(self) -> int:
        """Processes of the training: the running ones, or those that this one stands for."""
        return self.processes.launch.size if self.processes else self.settings.train.world_size

    def take(self, optimizer: torch.optim.Optimizer, model: nn.Module, on_note: OnNote, loss: Any = None) -> None:
        """Make an optimizer ready to train `model` and what its loss has of its own, and describe its groups."""
        if callable(train := getattr(optimizer, "train", None)):
            train()  # schedule-free optimizers ask for it before their first step
        if names := untrained_parameters(optimizer, model, loss):
            text = "No group of the optimizer holds these parameters, so they are not trained: "
            self.tell(Note(text, Level.WARNING, some(names)), on_note)
        if not self.groups and self.settings.probing:
            self.update_size = update_size(optimizer, (each for each in model.parameters() if each.requires_grad))
        self.groups = describe_groups(optimizer)

    @property
    def title(self) -> str:
        """What is trained, in a line."""
        accumulate = self.settings.train.accumulate
        batch = f"batch {self.batch_size}" if self.batch_size else "own loader"
        batch += f" x {accumulate}" if accumulate > 1 else ""
        if self.world_size > 1:
            kind = self.processes.kind.upper() if self.processes else "in one"
            batch += f" x {self.world_size} processes ({kind})"
        precision = () if self.settings.precision == "fp32" else (self.settings.precision,)
        return ", ".join((*self.names, batch, *precision, str(self.device)))

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, machine and size of the run, as its record keeps them."""
        cuda = self.device.type == "cuda"
        size = self.batch_size
        return {
            "lrfind": lrfind.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": numpy.__version__,
            "platform": platform.system(),
            "device": str(self.device),
            "device_name": torch.cuda.get_device_name(self.device) if cuda else platform.machine(),
            "world_size": self.world_size,
            "effective_batch_size": size * self.settings.train.accumulate * self.world_size if size else None,
            "normalized_updates": self.update_size.normalized,
            "updates_shrink": self.update_size.shrinks,
            "threads": torch.get_num_threads(),
            "seed": self.settings.seed,
        }
