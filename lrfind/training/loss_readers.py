"""Reading the loss of each step without making the host wait for an accelerator."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from lrfind.errors import interrupts


def loss_reader(device: torch.device, steps: int, *, alone: bool) -> LossReader:
    """Return the reader for a training on `device`.

    Args:
        device: Where the losses are.
        steps: Number of losses at most.
        alone: Whether this is the only process of the training.
    """
    if device.type == "cpu":
        return HostReader()
    return LateReader(device, steps) if alone else SteadyReader(device, steps)


class LossReader(Protocol):
    """Reads the losses of a training, in order."""

    def push(self, loss: Tensor) -> list[float]:
        """Take the loss of a step; return the losses, in order, that have become known."""

    def drain(self, seconds: float = math.inf) -> list[float]:
        """Return the outstanding losses, as far as they become known within that time."""


class HostReader:
    """Reads each loss at once: on the host it is known when the step is done."""

    def push(self, loss: Tensor) -> list[float]:  # noqa: D102 - as of `LossReader`
        return [loss.item()]

    def drain(self, seconds: float = math.inf) -> list[float]:  # noqa: D102 - as of `LossReader`
        return []


class LateReader:
    """Reads losses from an accelerator without waiting: each is copied after its step and looked up later."""

    def __init__(
        self,
        device: torch.device,
        steps: int,
        new_event: Callable[[torch.device], Any] = torch.Event,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Make a reader.

        Args:
            device: Where the losses are.
            steps: Number of losses at most.
            new_event: Makes an event that the device reaches after all work queued before it.
            sleep: Waits for some seconds.
        """
        self._device = device
        self._new_event = new_event
        self._sleep = sleep
        self._host = torch.empty(steps, pin_memory=device.type == "cuda")
        self._pending: deque[Any] = deque()
        self._read = 0

    def push(self, loss: Tensor) -> list[float]:  # noqa: D102 - as of `LossReader`
        self._record(loss)
        return self._take(lambda event: event.query())

    def drain(self, seconds: float = math.inf) -> list[float]:  # noqa: D102 - as of `LossReader`
        if self._pending:
            self._pending[-1].synchronize()
        return self._take(lambda event: True)

    def _record(self, loss: Tensor) -> None:
        index = self._read + len(self._pending)
        self._host[index].copy_(loss.detach().reshape(()), non_blocking=True)
        event = self._new_event(self._device)
        event.record()
        self._pending.append(event)

    def _take(self, ready: Callable[[Any], bool]) -> list[float]:
        start = self._read
        while self._pending and ready(self._pending[0]):
            self._pending.popleft()
            self._read += 1
        return self._host[start : self._read].tolist() if self._read > start else []


class SteadyReader(LateReader):
    """Reads each loss a fixed number of steps later, so that all processes see the same losses at each step.

    It polls instead of waiting in the driver: there no signal would wake it when another process has died and its
    share of a sum never comes.
    """

    LAG = 8
    """Steps queued on the device while the host waits: enough to keep the device busy."""

    def push(self, loss: Tensor) -> list[float]:  # noqa: D102 - as of `LossReader`
        self._record(loss)
        return self._take(lambda event: len(self._pending) > self.LAG and self._comes(event, math.inf))

    def drain(self, seconds: float = math.inf) -> list[float]:  # noqa: D102 - as of `LossReader`
        end = time.monotonic() + seconds
        return self._take(lambda event: self._comes(event, end))

    def _comes(self, event: Any, end: float) -> bool:
        """Wait for an event until that time; tell whether it came."""
        while not event.query():
            if end == math.inf:
                interrupts.check()
            if time.monotonic() > end:
                return False
            self._sleep(1e-4)
        return True
