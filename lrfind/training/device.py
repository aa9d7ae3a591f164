"""Where a training runs."""

from __future__ import annotations

import torch

from lrfind.errors import Fault, MisfitError
from lrfind.training.distributed.launch import Launch


def find_device(name: str, launch: Launch | None = None) -> torch.device:
    """Return the device of that name; `auto` is the accelerator if there is one, else the CPU.

    Of several processes on a machine, each gets an accelerator of its own.

    Raises:
        MisfitError: The device is absent, or there are fewer devices than processes.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    count = torch.accelerator.device_count() if accelerator else 0
    device = (accelerator or torch.device("cpu")) if name == "auto" else torch.device(name)
    if device.type == "cpu":
        return device
    if not accelerator or accelerator.type != device.type or (device.index or 0) >= count:
        have = f"{accelerator.type} ({count})" if accelerator else "none, only the CPU"
        raise MisfitError(Fault("device", expected=name, got=f"these accelerators: {have}", fix="use auto"))
    if launch is None:
        return device
    if device.type == "mps" or device.index is not None:
        raise MisfitError(
            Fault("device", expected="auto, cpu or cuda, as every process has a device of its own", got=name)
        )
    if launch.local_rank >= count:
        got = f"{count} for LOCAL_RANK {launch.local_rank}"
        raise MisfitError(
            Fault("device", expected="a device for each process here", got=got, fix="lower --nproc-per-node")
        )
    torch.accelerator.set_device_index(launch.local_rank)
    return torch.device(device.type, launch.local_rank)
