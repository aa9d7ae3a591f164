"""Who is told how a run goes: a progress bar, a log, a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lrfind.errors import LrfindError, Note
from lrfind.records.types import Result


@dataclass(frozen=True)
class Observer:
    """Told how a run goes; each call does nothing unless it is replaced.

    Attributes:
        on_search: Called before all sweeps and probes with the most updates that they take together.
        on_sweep: Called before each sweep with the number of its steps.
        on_probe: Called before each short training with the number of its steps.
        on_step: Called for each loss with its index, learning rate and loss.
        on_note: Called with what the user should know.
        on_error: Called with the fault that cut a sweep short, of which the part before it is kept.
        on_measured: Called after the sweeps and each probe with the result so far, as if interrupted there.
    """

    on_search: Callable[[int], None] = lambda updates: None
    on_sweep: Callable[[int], None] = lambda steps: None
    on_probe: Callable[[int], None] = lambda steps: None
    on_step: Callable[[int, float, float], None] | None = None
    on_note: Callable[[Note], None] = lambda note: None
    on_error: Callable[[LrfindError], None] = lambda error: None
    on_measured: Callable[[Result], None] | None = None

    def of_whole(self, whole: Callable[[Result], Result]) -> Observer:
        """Return the observer of a part of a run, whose results `whole` turns into those of the run."""
        tell = self.on_measured
        return replace(self, on_measured=lambda result: tell(whole(result))) if tell else self
