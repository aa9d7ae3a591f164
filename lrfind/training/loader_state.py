"""The position of a loader: its random generators, samplers and workers, kept and put back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from lrfind.training.snapshot import GENERATORS, PutBack, generator_put_back


class LoaderState:
    """The state of a loader between two passes, so that each training reads it from the same place.

    The state inside other kinds of loaders and data sets, such as a position, is not restored.
    """

    def __init__(self, loader: Any) -> None:
        self._parts = _parts(loader) if isinstance(loader, DataLoader) else []
        self._kept = [dict(vars(part)) for part in self._parts]
        holders = (loader, *self._parts, *_chain(loader, "dataset"))
        self._generators = [put_back for holder in holders for put_back in _generators(holder)]

    def rewind(self) -> None:
        """Let the next pass begin as the next pass of the training would, with new workers."""
        self.restore()
        for loader in self._parts[:1]:
            end_workers(loader)

    def restore(self) -> None:
        """Put everything back: attributes that a pass set or added, and random generators."""
        for part, kept in zip(self._parts, self._kept, strict=True):
            attributes = vars(part)
            for name in attributes.keys() - kept.keys():
                del attributes[name]
            attributes.update(kept)
        for put_back in self._generators:
            put_back()


def end_workers(loader: Any) -> None:
    """End the worker processes that a DataLoader keeps; if the garbage collector did, it would wait 5 s for each."""
    if isinstance(loader, DataLoader):
        vars(loader)["_iterator"] = None  # a DataLoader refuses a plain assignment


def one_pass(loader: Iterable[Any]) -> Iterator[Any]:
    """Yield the batches of a loader; if it raises, its worker processes end, which the error would keep alive."""
    batches = iter(loader)
    try:
        yield from batches
    except Exception:
        end_workers(loader)
        if isinstance(batches, _MultiProcessingDataLoaderIter):
            batches._shutdown_workers()
        raise


def _parts(loader: DataLoader[Any]) -> list[Any]:
    """Return a loader and its samplers, once each; samplers that share out the batches hold others."""
    holders = [loader, *_chain(loader, "batch_sampler")]
    samplers = [getattr(holder, "sampler", None) for holder in holders]
    return list({id(part): part for part in (*holders, *samplers) if hasattr(part, "__dict__")}.values())


def _chain(holder: Any, name: str) -> Iterator[Any]:
    """Yield the attribute of that name, the one of that in turn, and so on, each object once."""
    seen: dict[int, Any] = {}
    while (holder := getattr(holder, "__dict__", {}).get(name)) is not None and id(holder) not in seen:
        seen[id(holder)] = holder
        yield holder


def _generators(holder: Any) -> Iterator[PutBack]:
    """Yield, for each random generator that is an attribute of `holder`, a call that puts back its present state."""
    for value in getattr(holder, "__dict__", {}).values():
        if isinstance(value, GENERATORS):
            yield generator_put_back(value)
