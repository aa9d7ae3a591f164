"""Where a training runs."""

from __future__ import annotations

import torch

from lrfind.errors import ConfigError, Fault
from lrfind.training.distributed.launch import Launch


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
        raise ConfigError(source, [Fault("device", expected=name, got=f"these accelerators: {have}", fix="use auto")])
    return device


def _own_device(name: str, source: str, launch: Launch) -> torch.device:
    kind = find_device(name, source)
    if kind.type == "mps" or (kind.index is not None and launch.size > 1):
        expected = "auto, cpu or cuda, as every process has a device of its own"
        raise ConfigError(source, [Fault("device", expected=expected, got=name)])
    if kind.type == "cpu":
        return kind
    if launch.local_rank >= torch.accelerator.device_count():
        got = f"{torch.accelerator.device_count()} for LOCAL_RANK {launch.local_rank}"
        fault = Fault("device", expected="a device for each process here", got=got, fix="lower --nproc-per-node")
        raise ConfigError(source, [fault])
    torch.accelerator.set_device_index(launch.local_rank)
    return torch.device(kind.type, launch.local_rank)
