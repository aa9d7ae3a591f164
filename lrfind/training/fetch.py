"""Mini-batches without end, from a loader that ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from lrfind.errors import DataError, user_code

_END = object()


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
        raise DataError("data: expected at least one mini-batch, got none; is there less data than one batch?")
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
        raise DataError(
            f"train.accumulate: one update takes {at_least} mini-batches, but the data holds only {count}; "
            "lower train.accumulate or data.batch_size"
        )


def _one_pass(loader: Iterable[Any]) -> Iterator[Any]:
    with user_code("loading a mini-batch"):
        yield from loader


class TensorBatches:
    """The shuffled batches of samples that lie in memory, taken a whole batch at a time.

    They are those of a `DataLoader` over a `TensorDataset` with the same generator, which takes the samples one by
    one and stacks them again: for a small model that costs as much as a third of the training step.
    """

    def __init__(
        self, tensors: Sequence[Tensor], batch_size: int, generator: torch.Generator, *, drop_last: bool
    ) -> None:
        self._tensors = tensors
        self._batch_size = batch_size
        self._generator = generator
        self._drop_last = drop_last

    def __iter__(self) -> Iterator[list[Tensor]]:
        order = torch.randperm(len(self._tensors[0]), generator=self._generator)
        for batch in torch.split(order, self._batch_size):
            if len(batch) == self._batch_size or not self._drop_last:
                yield [tensor.index_select(0, batch) for tensor in self._tensors]
