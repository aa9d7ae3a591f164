"""When a script looks at the loss on samples that it does not train on, and what it has seen."""

from __future__ import annotations

from dataclasses import dataclass, field

from lrfind.records.types import StopReason
from lrfind.scripts.job import LOOK_UPDATES
from lrfind.scripts.runner import Run

LOOKS = 6
"""How often a probe looks, after the look before its first update: each costs updates."""
LEAST = 4
"""How many times what the looks cost a script must train for; a probe of all its updates shows more otherwise."""


def looks_at(steps: int, most_steps: int | None) -> tuple[int, ...]:
    """Return the updates before each look of a training of `steps`; none if the script may end before the last.

    Args:
        steps: Updates of the training.
        most_steps: Those that the script makes, looks included, if known.
    """
    cost = (LOOKS + 1) * LOOK_UPDATES
    if most_steps is not None and most_steps < max(steps + cost, LEAST * cost):
        return ()
    return tuple(round(steps * look / LOOKS) for look in range(LOOKS + 1))


@dataclass
class ScriptLooks:
    """The losses of a script on held-out samples, as `lrfind.workloads.workload.Looks` has them.

    Attributes:
        planned: Updates before each look.
    """

    planned: tuple[int, ...]
    at: list[int] = field(default_factory=list)
    losses: list[tuple[float, ...]] = field(default_factory=list)
    shuffled: tuple[float, ...] = ()
    error: Exception | None = None

    def take(self, run: Run) -> bool:
        """Take the losses of a run; return whether it has ended as a training does, not before its time."""
        ended = run.interrupted or run.last.get("end") not in (None, StopReason.DATA_ENDED.value)
        if ended:
            self.at, self.losses = run.held_out_steps, list(map(tuple, run.held_out))
        return ended
