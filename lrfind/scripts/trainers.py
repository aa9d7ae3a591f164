"""The number of updates that the trainer of a library plans, read from it where it stands on the call stack."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any


def _of_ignite(engine: Any) -> float:
    return float(engine.state.epoch_length * engine.state.max_epochs)


def _of_fastai(learner: Any) -> float:
    return float(learner.n_epoch * len(learner.dls.train))


UPDATES: Mapping[tuple[str, str], Callable[[Any], float]] = {
    ("transformers", "Trainer"): lambda trainer: float(trainer.state.max_steps),
    ("lightning", "Trainer"): lambda trainer: float(trainer.estimated_stepping_batches),
    ("pytorch_lightning", "Trainer"): lambda trainer: float(trainer.estimated_stepping_batches),
}
"""Updates that a trainer plans, by its package and class."""
BATCHES: Mapping[tuple[str, str], Callable[[Any], float]] = {
    ("ignite", "Engine"): _of_ignite,
    ("fastai", "Learner"): _of_fastai,
}
"""Mini-batches that a trainer plans."""


SCHEDULES = {"fit_one_cycle": "onecycle", "fit_flat_cos": "cosine"}
"""What methods of trainers make of the learning rate."""


def schedule_planned(frame: FrameType | None) -> str | None:
    """Return the schedule of the trainer in whose loop a frame is; None if it does not show."""
    while frame is not None:
        if frame.f_code.co_name in SCHEDULES and "fastai" in str(frame.f_globals.get("__name__")):
            return SCHEDULES[frame.f_code.co_name]
        frame = frame.f_back
    return None


def planned(frame: FrameType | None, batches_per_update: int) -> int | None:
    """Return the updates that the trainer plans in whose loop a frame is; None without one, or if it does not say."""
    while frame is not None:
        owner = frame.f_locals.get("self")
        for kind in type(owner).__mro__:
            key = (kind.__module__.partition(".")[0], kind.__name__)
            for table, each in ((UPDATES, 1), (BATCHES, batches_per_update)):
                if key in table:
                    with contextlib.suppress(Exception):  # of a version with other attributes
                        steps = table[key](owner) / each
                        return int(steps) if math.isfinite(steps) and steps >= 1 else None
        frame = frame.f_back
    return None
