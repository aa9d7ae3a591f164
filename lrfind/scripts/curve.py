"""The losses of a script's updates as they become known: judged, and told to the process that started the script."""

from __future__ import annotations

import time
from typing import Any

from lrfind.records.types import StopReason
from lrfind.scripts.job import Job
from lrfind.scripts.losses import Loss
from lrfind.scripts.report import Report, told_losses
from lrfind.training.loss_readers import LossReader, loss_reader
from lrfind.training.stop_rule import StopRule
from lrfind.training.trace import Trace

EVERY_SECONDS = 0.01
"""Losses wait so long for each other: to judge and tell each of a small update at once would cost a tenth of it. A kill
loses those that wait, and a sweep that diverges makes as many updates too many, which are not told."""


class Curve:
    """Takes the loss of each update.

    Attributes:
        stopped: Why the losses end the training; None if they do not.
    """

    def __init__(self, job: Job, report: Report) -> None:
        """Make it.

        Args:
            job: Says whether the losses are judged here.
            report: Is told them.
        """
        self.stopped: StopReason | None = None
        self._report, self._decides = report, job.decides
        self._trace = Trace(job.seed, job.lrs, StopRule() if job.stops else None, on_step=None)
        self._reader: LossReader | None = None
        self._waiting: list[float] = []
        self._due = 0.0

    def add(self, loss: Loss) -> None:
        """Take the loss of an update."""
        if isinstance(loss, float):
            self._waiting.append(loss)
        else:
            if self._reader is None:
                self._reader = loss_reader(loss.device, len(self._trace.lrs), alone=True)
            self._waiting += self._reader.push(loss)
        if time.monotonic() > self._due:
            self.settle()

    def settle(self) -> None:
        """Judge and tell the losses that wait."""
        losses, self._waiting = self._waiting, []
        if self._decides:
            known = len(self._trace.losses)
            self._trace.extend(losses)
            losses, self.stopped = self._trace.losses[known:], self._trace.stopped
        if losses:
            self._report.tell(losses=told_losses(losses))
        self._due = time.monotonic() + EVERY_SECONDS

    def tell(self, **facts: Any) -> None:
        """Tell something else, after the losses before it."""
        self.settle()
        self._report.tell(**facts)

    def finish(self) -> None:
        """Wait for the losses that are not known yet, and tell them."""
        if self._reader:
            self._waiting += self._reader.drain()
        self.settle()
