"""What is drawn at random, and where a loader stands: kept, put back, and set to a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from lrfind.training.device import seed_everything
from lrfind.training.snapshot import PutBack


def keep_chance() -> PutBack:
    """Return what puts the global random generators back as they are now: Python's, NumPy's, torch's on all devices."""
    python, numpy, host = random.getstate(), np.random.get_state(), torch.get_rng_state()
    devices = list(_device_generators())
    states = [generator.get_state() for generator in devices]

    def put_back() -> None:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(host)
        for generator, state in zip(devices, states, strict=True):
            generator.set_state(state)

    return put_back


def _device_generators() -> Iterator[torch.Generator]:
    """Yield the generators of the accelerators in use; to ask one that is not would start it."""
    for backend in (torch.cuda, torch.xpu):
        if backend.is_available() and backend.is_initialized():
            yield from backend.default_generators
    if torch.backends.mps.is_available():
        yield torch.mps._get_default_mps_generator()


def seed_for(device: torch.device, seed: int) -> None:
    """Seed the generators that a training on `device` draws from.

    For one on the host those of the accelerators are left out: where none is in use yet, its seed would be the next
    one set, which cannot be taken back.
    """
    if device.type != "cpu":
        seed_everything(seed)
        return
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)


class Reader:
    """A loader, read anew from where it stood: its generators, and the workers that it keeps between two passes.

    What other kinds of loaders and data sets keep for themselves, such as a position, is theirs.
    """

    def __init__(self, loader: Any) -> None:
        self._parts = list(_parts(loader)) if isinstance(loader, DataLoader) else []
        self._kept = [dict(vars(part)) for part in self._parts]
        self._generators = [keep for part in (loader, *self._parts, *_datasets(loader)) for keep in _generators(part)]

    def rewind(self) -> None:
        """Let the next pass begin as the next pass of the training would, with workers of its own."""
        self.restore()
        for part in self._parts[:1]:
            vars(part)["_iterator"] = None

    def restore(self) -> None:
        """Put everything back."""
        for part, kept in zip(self._parts, self._kept, strict=True):
            vars(part).clear()
            vars(part).update(kept)
        for put_back in self._generators:
            put_back()


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
