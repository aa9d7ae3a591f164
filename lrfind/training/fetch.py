"""Mini-batches without end, from a loader that ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lrfind.errors import DataError, user_code

_END = object()


def endless(loader: Iterable[Any], on_recycle: Callable[[], None] = lambda: None) -> Iterator[Any]:
    """Yield the batches of `loader` over and over; end when it cannot be read a second time.

    No thread reads ahead: on an accelerator the step has only been queued when the next batch is fetched, so the
    two overlap already; on a CPU a thread competes with the step for the same cores (measured: slower), and its
    draws from the global random generator would race with dropout's.

    Args:
        loader: Any iterable of batches; `len` is never asked of it.
        on_recycle: Called each time that the batches have run out and start again.

    Raises:
        DataError: The first pass yields nothing.
        UserCodeError: The loader raises.
    """
    batches = _one_pass(loader)
    first = next(batches, _END)
    if first is _END:
        raise DataError("data: expected at least one mini-batch, got none; is the data set empty?")
    while first is not _END:
        yield first
        yield from batches
        batches = _one_pass(loader)
        first = next(batches, _END)
        if first is not _END:
            on_recycle()


def _one_pass(loader: Iterable[Any]) -> Iterator[Any]:
    with user_code("loading a mini-batch"):
        yield from loader
