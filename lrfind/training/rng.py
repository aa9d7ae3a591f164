"""The global random generators: kept, put back, and set to a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import torch

from lrfind.training.snapshot import PutBack


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's random generators."""
    random.seed(seed)
    np.random.seed(seed)  # the global generator is the one that transforms draw from
    torch.manual_seed(seed)


def keep_rng() -> PutBack:
    """Return a call that puts the global random generators back: Python's, NumPy's, and torch's on all devices."""
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
    """Yield the generators of the accelerators in use; asking one that is not in use would start it."""
    for backend in (torch.cuda, torch.xpu):
        if backend.is_available() and backend.is_initialized():
            yield from backend.default_generators
    if torch.backends.mps.is_available():
        yield torch.mps._get_default_mps_generator()


def seed_for(device: torch.device, seed: int) -> None:
    """Seed the generators that a training on `device` draws from.

    For a training on the host, those of the accelerators are left out: an accelerator that is not in use yet would take
    the seed when it starts, which cannot be undone.
    """
    if device.type != "cpu":
        seed_everything(seed)
        return
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
