"""What a sweep, `find_lr` and the recording of a script add to the steps of a training."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from rich.progress import track
from torch.nn import functional

import lrfind
from lrfind.scripts.describe import Description
from lrfind.scripts.hooks import WRAPPED, Seen, watch_losses, watch_objects, watch_steps
from lrfind.scripts.job import Job, Script
from lrfind.scripts.recorder import Recorder
from lrfind.scripts.report import Report
from lrfind.training.ladder import ladder
from lrfind.training.minibatches import endless
from lrfind.training.update import Recipe as Update
from speed.timing import in_turns, ratio, timed
from speed.trainings import DEVICE, UPDATES, Recipe, bare_loop, own_loader, plain_loader, recycled, sweep

FEW_STEPS = 10
"""The fewest that a sweep can have: what it takes beyond them is the fixed cost of a call."""


def step_times(recipe: Recipe, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each variant, a list over the rounds."""
    dataset = recipe.dataset()
    loader, own = plain_loader(recipe, dataset), own_loader(recipe, dataset)
    fetched = [(x.to(DEVICE), y.to(DEVICE)) for x, y in islice(recycled(loader), recipe.steps)]
    variants: dict[str, Callable[[], None]] = {
        "bare": lambda: bare_loop(recipe, recycled(loader)),
        "sweep_same_loader": lambda: sweep(recipe, endless(loader)),
        "sweep": lambda: sweep(recipe, endless(own)),
        "floor": lambda: bare_loop(recipe, fetched),
    }
    return in_turns(variants, rounds, recipe.name)


def update_times(recipe: Recipe, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of the bare loop (`bare NAME`) and of the sweep (`NAME`) of each way to make an update."""
    loader = plain_loader(recipe, recipe.dataset())

    def bare(train: Callable[[Recipe, Iterable[Any]], None]) -> Callable[[], None]:
        return lambda: train(recipe, recycled(loader))

    def swept(update: Update) -> Callable[[], None]:
        return lambda: sweep(recipe, endless(loader, at_least=update.accumulate), update)

    variants: dict[str, Callable[[], None]] = {}
    for name, (train, update) in UPDATES.items():  # side by side, so that both meet the same machine
        variants |= {f"bare {name}": bare(train), name: swept(update)}
    return in_turns(variants, rounds, recipe.name)


@contextlib.contextmanager
def as_a_script(recipe: Recipe) -> Iterator[None]:
    """Set the learning rates and record the losses of the enclosed code, as in the process of a script."""
    report = Report(os.open(os.devnull, os.O_WRONLY))
    job = Job(Script("train.py"), lrs=ladder(1e-9, 1e-6, recipe.steps + 1), describes=False)  # one step is left
    seen = Seen()
    recorder = Recorder(job, report, seen.made, seen.feed, Description(seen, measures=False))
    kept = [(holder, name, getattr(holder, name)) for holder, name in WRAPPED]
    watch_objects(seen)
    handles = watch_steps(recorder)
    watch_losses(recorder, seen)
    try:
        yield
    finally:
        recorder.active = False
        for handle in handles:
            handle.remove()
        for holder, name, original in kept:
            setattr(holder, name, original)
        report.close()


def script_times(recipe: Recipe, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of a script's loop alone, and of the same loop as lrfind records it."""
    loader = plain_loader(recipe, recipe.dataset())

    times: dict[str, list[float]] = {"bare": [], "script": []}
    for index in track(range(2 * (rounds + 1)), f"script, {recipe.name}", transient=True):
        for name in ("bare", "script") if index % 2 else ("script", "bare"):
            with as_a_script(recipe) if name == "script" else contextlib.nullcontext():
                seconds = timed(lambda: bare_loop(recipe, recycled(loader)))
            if index > 1:  # the first rounds warm up
                times[name].append(seconds)
    return times


def find_lr_times(recipe: Recipe, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of the bare loop, and of `find_lr` without probes for as many steps and for a few."""
    loader = plain_loader(recipe, recipe.dataset())

    def found(steps: int) -> Callable[[], object]:
        model, optimizer = recipe.start()
        settings: dict[str, Any] = {"start_lr": 1e-9, "end_lr": 1e-6, "num_iter": steps, "max_iter": steps}
        return lambda: lrfind.find_lr(
            model, loader, functional.cross_entropy, optimizer, probes=False, progress=False, **settings
        )

    variants = {
        "bare": lambda: bare_loop(recipe, recycled(loader)),
        "find_lr": found(recipe.steps),
        "few steps": found(FEW_STEPS),
    }
    return in_turns(variants, rounds, f"find_lr, {recipe.name}")


def fixed_and_ratio(times: dict[str, list[float]], steps: int) -> tuple[list[float], list[float]]:
    """Return the seconds that `find_lr` takes beside its steps, and what its steps take over those of the bare loop."""
    fixed = [few - bare * FEW_STEPS / steps for few, bare in zip(times["few steps"], times["bare"], strict=True)]
    stepping = [whole - cost for whole, cost in zip(times["find_lr"], fixed, strict=True)]
    return ratio(fixed, [1.0] * len(fixed)), ratio(stepping, times["bare"])
