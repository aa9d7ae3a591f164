"""Training with a script at another learning rate: its schedule and the ratios of its parameter groups are kept."""

from __future__ import annotations

import sys
from typing import Any

from lrfind.scripts.hooks import Seen
from lrfind.scripts.job import Job
from lrfind.scripts.optimizers import StepRates
from lrfind.scripts.schedules import peak_of
from lrfind.scripts.steps_within import StepsWithin


class Applier:
    """Multiplies the learning rates of every step, so that the highest of the schedule is the one wanted.

    The script and its schedulers see, and save, the learning rates that they have set themselves.

    Args:
        job: Its `lr` is the peak of the first group of the optimizer that steps first.
        seen: What the script has made.
    """

    def __init__(self, job: Job, seen: Seen) -> None:
        self._job, self._seen = job, seen
        self._factor: float | None = None
        self._rates: dict[int, tuple[Any, StepRates | None]] = {}
        self._within = StepsWithin()

    def before_step(self, optimizer: Any, *call: Any) -> None:
        """Multiply the learning rates of an optimizer that is about to step."""
        frame = sys._getframe(1)
        self._within.leave_failed(frame)
        rates = self._rates_of(optimizer)
        if rates:
            if self._factor is None:
                self._factor = self._first_factor(optimizer, rates)
            if self._within:  # the optimizer within another one is handed the learning rates of that
                rates = None
            else:
                rates.multiply(self._factor)
        self._within.enter(frame, rates)

    def after_step(self, optimizer: Any, *call: Any) -> None:
        """Put back the learning rates of an optimizer that has stepped."""
        self._within.leave()

    def _rates_of(self, optimizer: Any) -> StepRates | None:
        known = self._rates.get(id(optimizer))
        if known is None or known[0] is not optimizer or (known[1] and not known[1].fits):
            made = self._seen.made.of(optimizer)
            chosen = self._job.optimizer in (None, str(made.number), type(optimizer).__name__)
            known = self._rates[id(optimizer)] = (optimizer, StepRates(optimizer, made) if chosen else None)
        return known[1]

    def _first_factor(self, optimizer: Any, rates: StepRates) -> float:
        """Return the wanted learning rate over that of the script.

        Raises:
            SystemExit: The script trains with a learning rate of 0, which no factor changes.
        """
        made, wanted = self._seen.made.of(optimizer), self._job.lr or 0.0
        peak, setting, _ = peak_of(optimizer, made, rates.reference, self._seen.schedulers_of(optimizer))
        if not peak:
            sys.exit(f"lrfind: {setting}=0): expected a learning rate above 0, which is multiplied")
        factor = wanted / peak
        sys.stderr.write(f"lrfind: {setting}={peak:g}) trains with {wanted:.3g}: {factor:.3g} times its own schedule\n")
        return wanted / peak
