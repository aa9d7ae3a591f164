"""Mini-batches without end, from a loader that ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from lrfind.errors import DataError, Fault, user_code

_END = object()
Indices = TypeVar("Indices", Tensor, Sequence[int])


@dataclass(frozen=True)
class Share:
    """The part of a data set that is this process's, in an order that all processes have in common.

    Batch i of all processes together is what batch i of a single process would be, were it as large.

    Attributes:
        rank: Number of the process, from 0.
        ranks: How many processes read the data.
        world: Mini-batches that make one for all processes of the training: `ranks`, or more where one stands for many.
    """

    rank: int = 0
    ranks: int = 1
    world: int = 1

    def batch_size(self, asked: int, samples: int) -> int:
        """Return the samples of a mini-batch: what is asked for, or fewer where the data makes not one such.

        Raises:
            DataError: There are fewer samples than processes.
        """
        if samples < self.world:
            raise DataError(
                Fault(
                    "data", expected=f"a sample for each of {self.world} processes", got=str(samples), fix="start fewer"
                )
            )
        return min(asked, samples // self.world)

    def of(self, order: Indices, batch_size: int) -> Indices:
        """Return this process's part of a pass; the samples that do not make a batch for every process are dropped."""
        each = len(order) // (self.world * batch_size) * self.world * batch_size
        return order[self.rank : each : self.ranks]


ALL = Share()


def endless(loader: Iterable[Any], on_recycle: Callable[[], None] = lambda: None, at_least: int = 1) -> Iterator[Any]:
    """Yield the batches of `loader` over and over; end when it cannot be read a second time.

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
    with user_code("loading a mini-batch"):
        yield from loader


class TensorBatches:
    """The shuffled batches of samples that lie in memory, taken a whole batch at a time.

    They are those of a `DataLoader` over a `TensorDataset` with the same generator, which takes the samples one by
    one and stacks them again: for a small model that costs as much as a third of the training step.
    """

    def __init__(
        self, tensors: Sequence[Tensor], batch_size: int, generator: torch.Generator, share: Share = ALL
    ) -> None:
        self._tensors = tensors
        self._batch_size = batch_size
        self._generator = generator
        self._share = share

    def __iter__(self) -> Iterator[list[Tensor]]:
        order = torch.randperm(len(self._tensors[0]), generator=self._generator)
        for batch in torch.split(self._share.of(order, self._batch_size), self._batch_size):
            yield [tensor.index_select(0, batch) for tensor in self._tensors]
