"""Where a training runs, and what it draws at random from."""

from __future__ import annotations

import random

import numpy as np
import torch

from lrfind.errors import ConfigError, Fault


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's random generators."""
    random.seed(seed)
    np.random.seed(seed)  # the global generator is the one that transforms draw from
    torch.manual_seed(seed)


def find_device(name: str, source: str) -> torch.device:
    """Return the device of that name; `auto` is the accelerator if there is one, else the CPU."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if name == "auto":
        return accelerator or torch.device("cpu")
    device = torch.device(name)
    if device.type == "cpu":
        return device
    count = torch.accelerator.device_count() if accelerator and accelerator.type == device.type else 0
    if (device.index or 0) >= count:
        have = f"{accelerator.type} ({torch.accelerator.device_count()})" if accelerator else "none, only the CPU"
        raise ConfigError(
            source, [Fault("device", f"expected {name}, but the accelerators here are: {have}; use auto")]
        )
    return device
