"""An accelerator that lags behind the host, as far as a reader of losses sees it."""

from __future__ import annotations

import torch


class FakeEvent:
    """An event of a device that lags `LAG` steps behind the host."""

    LAG = 4
    recorded = 0

    def __init__(self, device: torch.device) -> None:
        self.index = -1

    def record(self) -> None:
        self.index = FakeEvent.recorded
        FakeEvent.recorded += 1

    def query(self) -> bool:
        return FakeEvent.recorded - self.index > self.LAG

    def synchronize(self) -> None:
        FakeEvent.recorded += self.LAG


def let_device_work(seconds: float, steps: int = 1) -> None:
    """Stand in for a sleep, in which the device works off some steps."""
    FakeEvent.recorded += steps
