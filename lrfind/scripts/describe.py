"""What a script trains, and for how long: read once, before its first update and after the last one recorded."""

from __future__ import annotations

import gc
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from types import FrameType
from typing import Any

import numpy
import torch
from torch import nn

from lrfind.records.facts import UNKNOWN_SIZE
from lrfind.scripts.hooks import Seen
from lrfind.scripts.looks import held_out_samples
from lrfind.scripts.loops import repetitions
from lrfind.scripts.losses import BackwardLosses
from lrfind.scripts.optimizers import StepRates
from lrfind.scripts.places import Place, Site, frames, is_users
from lrfind.scripts.schedules import length_of, peak_of
from lrfind.scripts.trainers import planned, schedule_planned
from lrfind.training.rng import keep_rng
from lrfind.training.scheduler_peaks import schedule_of
from lrfind.training.update_size import keeps_still, update_size

WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module")
"""Where DistributedDataParallel, torch.compile and FSDP keep the model of the script."""


class Description:
    """Reads what a script trains.

    Args:
        seen: What it has made so far.
        measures: Whether to measure the size of the updates of its optimizer.
    """

    def __init__(self, seen: Seen, *, measures: bool) -> None:
        self._seen = seen
        self._measures = measures
        self._schedulers: list[tuple[Any, Place]] = []
        self._planned: int | None = None
        self._schedule: str | None = None
        self._repetitions: dict[Any, int | None] = {}
        self._lead: Any = None
        self._first_lr: float | None = None
        self._keeps_still = False

    def at_loss(self, site: Site, frame: FrameType | None) -> None:
        """Read the loops around the backward pass at a place of the script."""
        self._repetitions[site] = repetitions(each for each in frames(frame) if is_users(each.f_code))

    def at_first_step(self, optimizer: Any, rates: StepRates) -> dict[str, Any]:
        """Return what is trained, before the first step of its first optimizer.

        Random generators keep their state, and nothing of the script is called.
        """
        put_back = keep_rng()
        try:
            return self._described(optimizer, rates)
        finally:
            put_back()

    def _described(self, optimizer: Any, rates: StepRates) -> dict[str, Any]:
        parameters = [each for group in optimizer.param_groups for each in group["params"]]
        models, others = _models_and_schedulers(parameters)
        self._schedulers = [*self._seen.schedulers_of(optimizer), *((each, Place("", 0)) for each in others)]
        made = self._seen.made.of(optimizer)
        peak, argument, place = peak_of(optimizer, made, rates.reference, self._schedulers)
        self._planned = planned(sys._getframe(), 1)
        self._schedule = schedule_planned(sys._getframe())
        self._lead, self._first_lr = optimizer, float(optimizer.param_groups[0]["lr"])
        device = parameters[0].device if parameters else torch.device("cpu")
        size = UNKNOWN_SIZE
        if self._measures:
            with self._seen.made.paused():
                size = update_size(optimizer, (each for each in parameters if each.requires_grad))
                self._keeps_still = keeps_still(optimizer)
        return {
            "model": models,
            "optimizer": type(optimizer).__name__,
            "groups": [[name, scale] for name, scale in zip(_names(optimizer), rates.scales, strict=True)],
            "batch_size": self._seen.feed.loader.batch_size if self._seen.feed.loader else None,
            "device": str(device),
            "peak_lr": peak,
            "argument": argument,
            "place": vars(place),
            "options": self._seen.options,
            "normalized": size.normalized,
            "replacing_lr": size.replacing_lr,
            "shrinks": size.shrinks,
            "environment": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": numpy.__version__,
                "platform": platform.system(),
                "device": str(device),
                "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
                "world_size": int(os.environ.get("WORLD_SIZE", "1")),
                "threads": torch.get_num_threads(),
            },
        }

    def plan(
        self, updates: int, losses: BackwardLosses, optimizers: Sequence[tuple[Any, StepRates]], *, others: bool
    ) -> dict[str, Any]:
        """Return the length and the schedule of the training, and what makes one update.

        Args:
            updates: Those made so far.
            losses: Those of an update.
            optimizers: Those that step in an update, and what sets their learning rates.
            others: Whether others step as well, which are not swept.
        """
        feed = self._seen.feed
        schedulers = [scheduler for scheduler, _ in self._schedulers]
        site, backwards = next(iter(losses.calls.items()), (None, 1))
        loops = self._repetitions.get(site)
        length = feed.loader.length if feed.loader else None
        per_epoch = length // backwards if length else None
        scheduled = length_of(schedulers, max(1, updates), per_epoch)
        named = [each for each in losses.calls if each in losses.names]
        return {
            "steps": self._planned or scheduled or (loops // backwards if loops else None),
            "per_epoch": per_epoch,
            "schedule": self._schedule or schedule_of(schedulers),
            "scheduler": type(schedulers[-1]).__name__ if schedulers else "",
            "moves_lr": not (schedulers or self._schedule) and self._lead.param_groups[0]["lr"] != self._first_lr,
            "losses": [{"name": losses.names[each], "calls": losses.calls[each]} for each in named],
            "several": self._several(optimizers) if len(optimizers) > 1 else {},
            "unseen": per_epoch if feed.known and feed.loader and feed.loader.samples else None,
            "held_out": {} if others or len(optimizers) > 1 or not self._keeps_still else self._held_out(),
        }

    def _held_out(self) -> dict[str, int]:
        """Return where samples can be held out of the training; empty if none can."""
        feed = self._seen.feed
        loader = feed.loader
        if not (feed.known and loader and loader.samples and loader.batch_size and feed.batches):
            return {}
        if not held_out_samples(loader.samples, loader.batch_size, feed.batches, seed=0):
            return {}
        return {"loader": loader.number, "batches": feed.batches}

    def _several(self, optimizers: Sequence[tuple[Any, StepRates]]) -> dict[str, Any]:
        """Return models, classes and groups of optimizers that make one update together."""
        kinds = [type(optimizer).__name__ for optimizer, _ in optimizers]
        models = [_models_and_schedulers(optimizer.param_groups[0]["params"])[0] for optimizer, _ in optimizers]
        groups = [
            [f"{kind} {number}" if name == "default" else f"{kind} {number}, {name}", scale]
            for number, (kind, (optimizer, rates)) in enumerate(zip(kinds, optimizers, strict=True))
            for name, scale in zip(_names(optimizer), rates.scales, strict=True)
        ]
        return {"models": list(dict.fromkeys(models)), "optimizers": kinds, "groups": groups}


def _names(optimizer: Any) -> list[str]:
    groups = optimizer.param_groups
    return [
        str(group.get("name", f"group {index}" if len(groups) > 1 else "default")) for index, group in enumerate(groups)
    ]


def _models_and_schedulers(parameters: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return the class of the outermost module that holds the first of some parameters, and the schedulers of timm.

    They are looked for among all objects of the process, which takes a moment, but calls nothing of the script.
    """
    first = next(iter(parameters), None)
    holders: list[nn.Module] = []
    schedulers: list[Any] = []
    for thing in gc.get_objects():
        kind = type(thing)
        if issubclass(kind, nn.Module):
            holders.append(thing)
        elif any(base.__module__ == "timm.scheduler.scheduler" for base in kind.__mro__):
            schedulers.append(thing)
    model = _outermost(holders, first)
    return (type(model).__name__ if model is not None else ""), schedulers


def _outermost(modules: Iterable[nn.Module], parameter: Any) -> nn.Module | None:
    """Return the module that holds a parameter and is in no other one, without the wrappers around it."""
    holders = [each for each in modules if any(one is parameter for one in _parameters(each))]
    inner = {id(child) for each in holders for child in each.children()}
    outermost = [each for each in holders if id(each) not in inner]
    model = outermost[0] if outermost else None
    while model is not None and (wrapped := next(_wrapped(model), None)) is not None:
        model = wrapped
    return model


def _parameters(module: nn.Module) -> Iterator[Any]:
    try:
        yield from module.parameters()
    except Exception:  # one that is being made, or has not called super().__init__()
        return


def _wrapped(model: nn.Module) -> Iterator[nn.Module]:
    if type(model).__module__.partition(".")[0] == "torch":
        for name in WRAPPERS:
            if isinstance(inner := getattr(model, name, None), nn.Module):
                yield inner
