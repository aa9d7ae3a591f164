"""Where a training runs, and what it draws at random from."""

from __future__ import annotations

import random

import numpy as np
import torch

from lrfind.errors import ConfigError, Fault
from lrfind.training.distributed.launch import Launch


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's random generators."""
    random.seed(seed)
    np.random.seed(seed)  # the global generator is the one that transforms draw from
    torch.manual_seed(seed)


def find_device(name: str, source: str, launch: Launch | None = None) -> torch.device:
    """Return the device of that name; `auto` is the accelerator if there is one, else the CPU.

    Of several processes on a machine, each gets an accelerator of its own.

    Raises:
        ConfigError: There is no such device, or none for each process.
    """
    if launch is not None:
        return _own_device(name, source, launch)
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
            source, [Fault("device", problem=f"expected {name}, but the accelerators here are: {have}; use auto")]
        )
    return device


def _own_device(name: str, source: str, launch: Launch) -> torch.device:
    kind = find_device(name, source)
    if kind.type == "mps" or (kind.index is not None and launch.size > 1):
        problem = f"expected auto, cpu or cuda, as every process has a device of its own, got {name}"
        raise ConfigError(source, [Fault("device", problem=problem)])
    if kind.type == "cpu":
        return kind
    if launch.local_rank >= torch.accelerator.device_count():
        problem = (
            f"expected a device for each process of this machine, got {torch.accelerator.device_count()} for "
            f"LOCAL_RANK {launch.local_rank}; lower --nproc-per-node"
        )
        raise ConfigError(source, [Fault("device", problem=problem)])
    torch.accelerator.set_device_index(launch.local_rank)
    return torch.device(kind.type, launch.local_rank)
