"""Objects that Hugging Face's accelerate has wrapped: what is in them, and how they train. It is not imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lrfind.errors import Note
from lrfind.settings import TrainSettings
from lrfind.training.optimizers import combined
from lrfind.workloads.from_objects import Objects


def unwrapped(objects: Objects, arguments: Mapping[str, Any]) -> tuple[Objects, dict[str, Any], list[Note]]:
    """Return objects without accelerate's wrappers, with the settings and notes that follow from these.

    A wrapped optimizer steps or not as the training loop last said, and a wrapped loader tells that loop of each pass:
    a search must not depend on the one, nor do the other.

    Args:
        objects: Wrapped or not.
        arguments: Settings, as arguments of `find_lr`.
    """
    parts: Any = getattr(objects.optimizer, "optimizers", (objects.optimizer,))
    given = dict(arguments)
    notes: list[Note] = []
    if all(map(_is_wrapped, parts)):
        optimizer = parts[0]
        steps, scaler = optimizer.gradient_state.num_steps, optimizer.scaler
        if steps > 1 and given["accumulate"] == TrainSettings.accumulate:
            given["accumulate"] = steps
            notes.append(Note(f"accelerate averages the gradients of {steps} mini-batches, and so does the search."))
        if scaler is not None and objects.scaler is None:
            given["precision"], objects = "fp16", replace(objects, scaler=scaler)
        objects = replace(objects, optimizer=combined([part.optimizer for part in parts]))
    loaders = {name: getattr(objects, name) for name in ("loader", "val_loader")}
    inner = {name: loader.base_dataloader for name, loader in loaders.items() if _is_wrapped(loader)}
    return replace(objects, **inner), given, notes


def _is_wrapped(value: Any) -> bool:
    return type(value).__module__.startswith("accelerate.") and hasattr(value, "gradient_state")
