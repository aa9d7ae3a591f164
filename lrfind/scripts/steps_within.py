"""The optimizer steps that are being made: of a wrapper that steps another optimizer, both."""

from __future__ import annotations

import threading
from types import FrameType

from lrfind.scripts.optimizers import StepRates


class StepsWithin(threading.local):
    """The steps that a thread is making, the inner one last, and what has set the learning rates of each."""

    def __init__(self) -> None:
        self._steps: list[tuple[FrameType, StepRates | None]] = []

    def __bool__(self) -> bool:
        return bool(self._steps)

    def leave_failed(self, frame: FrameType | None) -> None:
        """Leave the steps that have raised, which the script has caught: who made them no longer runs.

        Args:
            frame: Runs now.
        """
        if not self._steps:
            return
        running = set()
        while frame is not None:
            running.add(frame)
            frame = frame.f_back
        while self._steps and self._steps[-1][0] not in running:
            self.leave()

    def enter(self, frame: FrameType, rates: StepRates | None) -> None:
        """Take note of a step that begins: who makes it, and what sets its learning rates."""
        self._steps.append((frame, rates))

    def leave(self) -> StepRates | None:
        """Put back the learning rates of the step that was begun last, and return what had set them."""
        _, rates = self._steps.pop()
        if rates:
            rates.restore()
        return rates
