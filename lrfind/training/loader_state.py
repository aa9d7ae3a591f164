"""Where a loader stands: its random generators, samplers and workers, kept and put back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from lrfind.training.snapshot import PutBack


class LoaderState:
    """The state of a loader between two passes, so that each training reads it from the same place.

    The state inside other kinds of loaders and data sets, such as a position, is not restored.
    """

    def __init__(self, loader: Any) -> None:
        self._parts = list(_parts(loader)) if isinstance(loader, DataLoader) else []
        self._kept = [dict(vars(part)) for part in self._parts]
        holders = (loader, *self._parts, *_datasets(loader))
        self._generators = [put_back for holder in holders for put_back in _generators(holder)]

    def rewind(self) -> None:
        """Let the next pass begin as the next pass of the training would, with new workers."""
        self.restore()
        for loader in self._parts[:1]:
            vars(loader)["_iterator"] = None  # the workers it keeps; a DataLoader refuses a plain assignment

    def restore(self) -> None:
        """Put everything back."""
        for part, kept in zip(self._parts, self._kept, strict=True):
            _put_back(vars(part), kept)
        for put_back in self._generators:
            put_back()


def _put_back(attributes: dict[str, Any], kept: dict[str, Any]) -> None:
    """Undo what a pass did to attributes: those it set get their values back, those it added go."""
    for name in attributes.keys() - kept.keys():
        del attributes[name]
    for name, value in kept.items():
        if attributes.get(name) is not value or name not in attributes:
            attributes[name] = value


def _parts(loader: DataLoader[Any]) -> Iterator[Any]:
    """Yield a loader and its samplers, once each; those that share out the batches hold others."""
    found: list[Any] = []
    part: Any = loader
    while part is not None and not any(part is one for one in found):
        found += [part, getattr(part, "sampler", None)]
        part = getattr(part, "batch_sampler", None)
    yield from {id(part): part for part in found if hasattr(part, "__dict__")}.values()


def _datasets(loader: Any) -> Iterator[Any]:
    """Yield the data set of a loader, and those within it."""
    seen: list[Any] = []
    while (loader := getattr(loader, "__dict__", {}).get("dataset")) is not None and not any(
        loader is one for one in seen
    ):
        seen.append(loader)
        yield loader


def _generators(holder: Any) -> Iterator[PutBack]:
    """Yield, for each random generator that is an attribute of `holder`, what puts it back as it is now."""
    for value in getattr(holder, "__dict__", {}).values():
        if isinstance(value, torch.Generator):
            yield _back(value.set_state, value.get_state())
        elif isinstance(value, random.Random):
            yield _back(value.setstate, value.getstate())
        elif isinstance(value, np.random.Generator):
            yield _back(partial(setattr, value.bit_generator, "state"), value.bit_generator.state)
        elif isinstance(value, np.random.RandomState):
            yield _back(value.set_state, value.get_state())


def _back(put: Callable[[Any], object], state: Any) -> PutBack:
    return lambda: put(state)
