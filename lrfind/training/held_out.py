"""The loss on data that a training does not train on, measured a few times on its way."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    default_collate,
)

from lrfind.errors import DataError, Fault, UserCodeError
from lrfind.training.batch import to_device
from lrfind.training.batch_form import with_other_targets
from lrfind.training.distributed.process_group import ProcessGroup
from lrfind.training.evaluation import evaluating
from lrfind.training.loader_state import one_pass
from lrfind.training.precision import under_autocast
from lrfind.training.rng import keep_rng
from lrfind.training.step import DefaultStep, Step
from lrfind.training.update import Recipe

LOOKS = 8
"""How often the held-out loss is measured in a training, after the look before the first update."""

EVERY = 4
"""Updates between two looks at least: a look costs three updates, and in a short probe so many show no more."""

BATCHES = 8
"""Batches that the held-out samples are measured in: enough to tell a difference from the scatter between them."""

SHARE, MOST_SHARE = 10, 5
"""One in ten samples is held out; of a small data set a whole mini-batch, but no more than one in five."""

ROUNDING = 1e-6
"""Share of a float32 loss that rounding moves."""

MOST, MOST_UPDATES = 256, 2
"""Samples held out at most, unless the samples of that many updates are more."""

PAIR = 2
"""Samples of the smallest held-out batch: one alone has no other to take a target from."""


@dataclass
class HeldOutLoss:
    """The losses of one training on held-out batches.

    Attributes:
        batches: On the host.
        steps: Updates of the training.
        processes: The processes that train together; all of them look, and agree on the mean.
        at: Updates before each look.
        losses: Losses at each look, one for each batch.
        shuffled: Those at the last look when each target comes with the inputs of another sample; empty if unknown.
        error: What the training code raised in evaluation mode; then there are no more looks.
    """

    batches: Sequence[Any]
    steps: int
    processes: ProcessGroup | None = None
    at: list[int] = field(default_factory=list)
    losses: list[tuple[float, ...]] = field(default_factory=list)
    shuffled: tuple[float, ...] = ()
    error: Exception | None = None

    def fail(self, error: Exception) -> None:
        """Give up, with what has been measured: a curve that breaks off says nothing."""
        self.error = error
        self.at.clear()
        self.losses.clear()
        self.shuffled = ()

    def watch(self, model: nn.Module, step: Step, device: torch.device, recipe: Recipe) -> Look:
        """Return the look to take before each update of a training."""
        # The default step decides on its first batch what it reads; that is to be one of the training.
        default = isinstance(step, DefaultStep)
        own = copy.copy(step) if default else step
        mismatched = [with_other_targets(batch, known=default) for batch in self.batches]
        return Look(self, model, under_autocast(own, recipe.precision, device), device, mismatched)


class Look:
    """Called before each update, and after the last, with the number of updates so far."""

    def __init__(
        self, into: HeldOutLoss, model: nn.Module, step: Step, device: torch.device, mismatched: Sequence[Any]
    ) -> None:
        self._into, self._model, self._step, self._device = into, model, step, device
        self._mismatched = () if any(batch is None for batch in mismatched) else mismatched
        looks = max(1, min(LOOKS, into.steps // EVERY))
        self._due = frozenset(round(into.steps * look / looks) for look in range(looks + 1))

    def __call__(self, done: int) -> None:
        """Measure the loss, if it is time for it; nothing of the training changes."""
        if done not in self._due or self._into.error:
            return
        put_back_rng = keep_rng()
        try:
            with torch.no_grad(), evaluating(self._model, lambda: self._losses(self._into.batches)):
                put_back_rng()
                losses = self._losses(self._into.batches)
                self._into.losses.append(losses)
                self._into.at.append(done)
                put_back_rng()  # a step that draws noise is to draw the same
                if self._mismatched and done == 0:
                    self._check_mismatched(losses)
                elif self._mismatched and done == self._into.steps:
                    self._into.shuffled = self._losses(self._mismatched)
        except Exception as error:  # the training works, so it goes on without
            self._into.fail(error)
        finally:
            put_back_rng()

    def _losses(self, batches: Sequence[Any]) -> tuple[float, ...]:
        losses = [self._step(self._model, to_device(batch, self._device)) for batch in batches]
        means = torch.stack([loss.float() for loss in losses if loss is not None])
        if self._into.processes:
            means = self._into.processes.mean(means)()
        return tuple(means.tolist())

    def _check_mismatched(self, losses: Sequence[float]) -> None:
        """Do without mismatched batches if they cannot be used, or the loss is the same on them for any model."""
        try:
            others = self._losses(self._mismatched)
        except Exception:  # what was taken for the targets is something else
            self._mismatched = ()
            return
        if all(math.isclose(loss, other, rel_tol=ROUNDING) for loss, other in zip(losses, others, strict=True)):
            self._mismatched = ()


def split(dataset: Any, update: int, seed: int) -> tuple[list[int], list[int]] | None:
    """Return the indices to train on and those held out, drawn at random; None if no samples can be spared.

    Args:
        dataset: Is not split unless it is map-style.
        update: Samples of one update, which what is left must make.
        seed: Decides which ones.
    """
    if not can_be_split(dataset):
        return None
    samples = len(dataset)
    count = min(max(samples // SHARE, min(samples // MOST_SHARE, update)), most_samples(update))
    if count < BATCHES or samples - count < update:
        return None
    order = _drawn(samples, seed)
    return sorted(order[count:]), order[:count]


def most_samples(update: int) -> int:
    """Return how many samples are held out at most if an update trains on so many.

    Without a backward pass a sample costs a third of what it costs in an update. So the nine looks of a probe, and two
    at mismatched targets, cost up to 30 updates; with batch norms, whose statistics take a pass before each look, 55;
    half as much with mini-batches of 64 samples, twice as much with a single sample.
    """
    return min(max(MOST, MOST_UPDATES * update), BATCHES * max(update, PAIR))


def batches_at(dataset: Any, indices: Sequence[int], batch_size: int, collate_fn: Any = None) -> list[Any]:
    """Return the samples at some indices as mini-batches of equal size; those that remain are left out.

    Args:
        dataset: Of the samples.
        indices: At least `BATCHES`.
        batch_size: That of the training, as larger batches may not fit into memory.
        collate_fn: Makes a batch of a list of samples; None is that of torch.
    """
    whole = len(indices) // BATCHES
    size = min(whole, max(batch_size, PAIR))
    collate = collate_fn or default_collate
    put_back_rng = keep_rng()  # samples may be augmented at random
    try:
        return [
            collate([dataset[index] for index in indices[first : first + size]])
            for first in range(0, whole * BATCHES - size + 1, size)
        ]
    finally:
        put_back_rng()


def first_batches(loader: Iterable[Any]) -> list[Any]:
    """Return the first batches of a validation loader."""
    put_back_rng = keep_rng()
    try:
        return list(islice(one_pass(loader), BATCHES))
    finally:
        put_back_rng()


def can_be_split(dataset: Any) -> bool:
    """Tell whether single samples of a data set can be held out."""
    return not isinstance(dataset, IterableDataset) and hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")


def check_validation(data: Any, batch_size: int | None) -> None:
    """Check that batches can be taken from a validation set or loader, if there is one.

    Raises:
        DataError: The set is too small.
        UserCodeError: It is neither.
    """
    if data is not None and not isinstance(data, Iterable) and not can_be_split(data):
        expected = "a data set, or an iterable of mini-batches"
        raise UserCodeError(Fault("data.validation", expected=expected, got=type(data).__name__))
    if batch_size is not None and can_be_split(data) and len(data) < BATCHES:
        raise DataError(Fault("data.validation", expected=f"at least {BATCHES} samples", got=str(len(data))))


def validation_batches(data: Any, batch_size: int | None, seed: int, collate_fn: Any = None) -> list[Any]:
    """Return samples of a validation set, drawn at random, or the first batches of a loader."""
    if batch_size is None or not can_be_split(data):
        return first_batches(data)
    return batches_at(data, _drawn(len(data), seed)[: most_samples(batch_size)], batch_size, collate_fn)


def _drawn(samples: int, seed: int) -> list[int]:
    """Return all indices in an order that the seed decides."""
    order: list[int] = torch.randperm(samples, generator=torch.Generator().manual_seed(seed)).tolist()
    return order


@dataclass(frozen=True)
class DividedLoader:
    """A DataLoader some samples of which are held out.

    Attributes:
        loader: Of all samples.
        kept: Indices of those to train on.
        held_out: Indices of the others.
    """

    loader: DataLoader[Any]
    kept: Sequence[int]
    held_out: Sequence[int]

    def batches(self) -> list[Any]:
        """Return the held-out samples in mini-batches."""
        return batches_at(self.loader.dataset, self.held_out, self.loader.batch_size or 1, self.loader.collate_fn)

    def without_held_out(self, seed: int) -> DataLoader[Any]:
        """Return a loader of the samples to train on, in an order that the seed decides."""
        loader = self.loader
        return DataLoader(
            Subset(loader.dataset, self.kept),
            loader.batch_size,
            shuffle=isinstance(loader.sampler, RandomSampler),
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            pin_memory=loader.pin_memory,
            drop_last=loader.drop_last,
            worker_init_fn=loader.worker_init_fn,
            multiprocessing_context=loader.multiprocessing_context,
            generator=torch.Generator().manual_seed(seed),
        )


def divided(loader: Any, accumulate: int, seed: int) -> DividedLoader | None:
    """Return a DataLoader with some samples held out; None if it is of another kind, or needs them all.

    A sampler of the user's own draws from all samples.
    """
    if type(loader) is not DataLoader or loader.batch_size is None or type(loader.batch_sampler) is not BatchSampler:
        return None
    if type(loader.sampler) not in (RandomSampler, SequentialSampler):
        return None
    parts = split(loader.dataset, loader.batch_size * accumulate, seed)
    return DividedLoader(loader, *parts) if parts else None
