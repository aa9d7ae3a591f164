"""The global random generators: kept, put back, and set to a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from lrfind.training.snapshot import PutBack


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's random generators."""
    random.seed(seed)
    np.random.seed(seed)  # the global generator is the one that transforms draw from
    torch.manual_seed(seed)


def seed_for(device: torch.device, seed: int) -> None:
    """Seed the generators that a training on `device` draws from.

    For a training on the host, the generators of accelerators keep their state: an accelerator that is not in use yet
    would take the seed when it starts, which cannot be undone.
    """
    if device.type != "cpu":
        seed_everything(seed)
        return
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)


def keep_rng() -> PutBack:
    """Return a call that puts the global random generators back: Python's, NumPy's, and torch's on all devices."""
    kept: list[PutBack] = [
        partial(random.setstate, random.getstate()),
        partial(np.random.set_state, np.random.get_state()),
        *(partial(each.set_state, each.get_state()) for each in (torch.default_generator, *_device_generators())),
    ]
    return lambda: [put_back() for put_back in kept]


def _device_generators() -> Iterator[torch.Generator]:
    """Yield the generators of the accelerators in use; asking one that is not in use would start it."""
    for backend in (torch.cuda, torch.xpu):
        if backend.is_available() and backend.is_initialized():
            yield from backend.default_generators
    if torch.backends.mps.is_available():
        yield torch.mps._get_default_mps_generator()
