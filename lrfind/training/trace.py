"""The losses of a training as they become known, and whether they end it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from lrfind.records.types import StopReason, Sweep
from lrfind.training.stop_rule import StopRule

OnStep = Callable[[int, float, float], None]
"""on_step(index, learning rate, loss), called once the loss of a step has been read."""


@dataclass
class Trace:
    """The losses read so far, up to the one that ends the sweep."""

    seed: int
    lrs: Sequence[float]
    stop_rule: StopRule | None
    on_step: OnStep | None
    losses: list[float] = field(default_factory=list)
    stopped: StopReason | None = None

    def extend(self, arrived: Iterable[float]) -> None:
        """Take the losses that were read, in order; losses after the one that ends the sweep are surplus."""
        for loss in arrived:
            if self.stopped:
                return
            if self.on_step:
                self.on_step(len(self.losses), self.lrs[len(self.losses)], loss)
            self.losses.append(loss)
            if not math.isfinite(loss):
                self.stopped = StopReason.NON_FINITE
            elif self.stop_rule and self.stop_rule.diverged(loss):
                self.stopped = StopReason.DIVERGED

    def sweep(self, otherwise: StopReason) -> Sweep:
        """Return the sweep so far; `otherwise` is its stop reason if the losses did not end it."""
        lrs = tuple(self.lrs[: len(self.losses)])
        return Sweep(self.seed, lrs, tuple(self.losses), self.stopped or otherwise)
