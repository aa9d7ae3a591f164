"""Mini-batches without end, from a loader that ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from lrfind.errors import DataError, Fault, user_code
from lrfind.training.loader_state import one_pass

_END = object()
Indices = TypeVar("Indices", Tensor, Sequence[int])


@dataclass(frozen=True)
class Share:
    """The part of a data set that is this process's, in an order that all processes have in common.

    Batch i of all processes together is what batch i of a single process would be, were it as large.

    Attributes:
        rank: Number of the process, from 0.
        ranks: How many processes read the data.
        world: Processes of the training: `ranks`, or more if one process stands for many.
    """

    rank: int = 0
    ranks: int = 1
    world: int = 1

    def batch_size(self, asked: int, samples: int) -> int:
        """Return the samples of a mini-batch: as many as asked for, or fewer if the data is smaller.

        Raises:
            DataError: There are fewer samples than processes.
        """
        if samples < self.world:
            expected = f"a sample for each of {self.world} processes"
            raise DataError(Fault("data", expected=expected, got=str(samples), fix="start fewer"))
        return min(asked, samples // self.world)

    def of(self, order: Indices, batch_size: int) -> Indices:
        """Return this process's part of a pass; the samples that do not make a batch for every process are dropped."""
        each = len(order) // (self.world * batch_size) * self.world * batch_size
        return order[self.rank : each : self.ranks]


ALL = Share()


def length_of(data: Any) -> int | None:
    """Return the length of a data set or a loader; None if it has none, or does not know it."""
    try:
        return len(data)
    except Exception:  # TypeError as a rule, or whatever a class of the user's raises
        return None


def batch_size_of(loader: Any) -> int | None:
    """Return the samples in a mini-batch of a DataLoader; None if that is unknown, or with another loader."""
    size = getattr(loader, "batch_size", None) or getattr(getattr(loader, "batch_sampler", None), "batch_size", None)
    is_data_loader = isinstance(size, int) and hasattr(loader, "dataset") and hasattr(loader, "sampler")
    return size if is_data_loader else None


def endless(loader: Iterable[Any], on_recycle: Callable[[], None] = lambda: None, at_least: int = 1) -> Iterator[Any]:
    """Yield the batches of `loader` over and over; stop if it cannot be read a second time.

    No thread reads ahead: on an accelerator the step has only been queued when the next batch is fetched, so the
    two overlap already; on a CPU a thread competes with the step for the same cores (measured: slower), and its
    draws from the global random generator would race with dropout's.

    Args:
        loader: Any iterable of batches; `len` is never asked of it.
        on_recycle: Called each time that the batches have run out and start again.
        at_least: Mini-batches that one update takes.

    Raises:
        DataError: The first pass yields nothing, or fewer mini-batches than one update takes.
        UserCodeError: The loader raises.
    """
    batches = _one_pass(loader)
    if at_least > 1:
        batches = _enough(batches, at_least)
    first = next(batches, _END)
    if first is _END:
        expected, fix = "at least one mini-batch", "is there less data than one batch?"
        raise DataError(Fault("data", expected=expected, got="none", fix=fix))
    while first is not _END:
        yield first
        yield from batches
        batches = _one_pass(loader)
        first = next(batches, _END)
        if first is not _END:
            on_recycle()


@dataclass(eq=False)
class Latest:
    """Mini-batches, the latest of which is kept.

    Attributes:
        batch: None before the first.
    """

    batches: Iterable[Any]
    batch: Any = None

    def __iter__(self) -> Iterator[Any]:
        for batch in self.batches:
            self.batch = batch
            yield batch


def _enough(batches: Iterator[Any], at_least: int) -> Iterator[Any]:
    count = 0
    for batch in batches:
        count += 1
        yield batch
    if 0 < count < at_least:
        problem = f"one update takes {at_least} mini-batches, but the data holds only {count}"
        fix = "lower $accumulate, $world_size or $batch_size"
        raise DataError(Fault("train.accumulate", problem=problem, fix=fix))


def _one_pass(loader: Iterable[Any]) -> Iterator[Any]:
    with user_code("loading a mini-batch"), contextlib.suppress(GeneratorExit):  # how Python closes a generator
        yield from one_pass(loader)


@dataclass(eq=False)
class TensorBatches:
    """The shuffled batches of samples that lie in memory, taken a whole batch at a time.

    They equal those of a `DataLoader` over a `TensorDataset` with the same generator. A `DataLoader` takes the samples
    one by one and stacks them again, which costs a small model up to a third of the training step.
    """

    tensors: Sequence[Tensor]
    batch_size: int
    generator: torch.Generator
    share: Share = ALL

    def __iter__(self) -> Iterator[list[Tensor]]:
        order = torch.randperm(len(self.tensors[0]), generator=self.generator)
        for batch in torch.split(self.share.of(order, self.batch_size), self.batch_size):
            yield [tensor.index_select(0, batch) for tensor in self.tensors]
