"""The code that `schedule` prints, run beside lrfind's own training loop."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import example_result
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook
from torch.utils.data import DataLoader

from lrfind.config.schema import Config
from lrfind.observer import Observer
from lrfind.records.json_format import to_json, to_result
from lrfind.records.read import parse
from lrfind.records.types import Result
from lrfind.schedule.code import code
from lrfind.schedule.kinds import set_up
from lrfind.schedule.learning_rates import learning_rates_given
from lrfind.schedule.scheduler import Length, Scheduler
from lrfind.training.minibatches import endless
from lrfind.training.sweep import run_sweep
from lrfind.workloads.from_config import ConfigWorkload, build_workload

EPOCHS, STEPS, LR = 2, 2, 1e-3
LENGTH = Length(EPOCHS, STEPS)


def recorded(workload: Any, config: dict[str, Any]) -> Result:
    """Return the record of a workload after one update, read back from its JSON."""
    workload.train((1e-6,), Observer())
    result = replace(
        example_result(title=workload.title),
        config=config,
        settings=workload.settings.as_dict(),
        groups=workload.groups,
        loop=workload.loop,
        environment=workload.environment,
    )
    (document,) = parse(to_json(result), "record")
    return to_result(document, "record")


@contextlib.contextmanager
def updates_seen() -> Iterator[list[list[float]]]:
    """Collect of each update the learning rates of the groups that train, and the sum of all weights after it."""
    seen: list[list[float]] = []

    def after(optimizer: Optimizer, *_: Any) -> None:
        weights = [each for group in optimizer.param_groups for each in group["params"] if each.requires_grad]
        total = sum(each.detach().double().abs().sum().item() for each in weights)
        seen.append([*sorted({round(float(group["lr"]), 12) for group in optimizer.param_groups}), total])

    hook = register_optimizer_step_post_hook(after)
    try:
        yield seen
    finally:
        hook.remove()


def own_updates(workload: Any, scheduler: Scheduler, batches: list[Any], updates: int) -> list[list[float]]:
    """Return the updates of lrfind's loop at the learning rates of a schedule."""
    model, optimizer, step, _ = workload.fresh()
    with updates_seen() as seen:
        run_sweep(
            model,
            endless(batches),
            step,
            optimizer,
            [scheduler.at(index) for index in range(updates)],
            device=workload.device,
            seed=0,
            recipe=workload.recipe,
            stop_on_divergence=False,
        )
    return seen


@dataclass
class Printed:
    """What `schedule` prints for a config, and the training of that config."""

    workload: ConfigWorkload
    result: Result
    batches: list[Any]

    def check(self, name: str) -> str:
        """Check that the code of a scheduler trains, update for update, as lrfind's loop does; return the code."""
        scheduler = set_up(name, learning_rates_given(LR, None), LENGTH)
        text = code(name, scheduler, LENGTH, self.result)
        expected = own_updates(self.workload, scheduler, self.batches, LENGTH.total)
        space: dict[str, Any] = {}
        exec(compile(text, "printed.py", "exec"), space)
        given = _module(space, self.workload.fresh()[0], self.batches)
        falls = [lambda model: 0.0] if "validate" in text else []
        with updates_seen() as seen:
            space["train"](*given, *falls)
        assert len(seen) == LENGTH.total
        for update, own in zip(seen, expected, strict=True):
            assert update == pytest.approx(own, rel=1e-5, abs=1e-12), text
        return text


def _module(space: dict[str, Any], model: Any, batches: list[Any]) -> tuple[Any, Any]:
    """Return what the printed `train` takes: for Lightning a module with the printed part before it, and a loader."""
    if "Scheduled" not in space:
        return model, batches
    kind = type(model)
    own = {"on_train_epoch_end": lambda self: self.log("val_loss", 0.0)}
    model.__class__ = type(kind.__name__, (space["Scheduled"], kind), own)
    vars(model).pop("log", None)  # lrfind's own, which logs nothing
    return model, DataLoader(batches, batch_size=None)


def printed(config: Config, source: Path | str) -> Printed:
    """Train a config for one update, and return what is printed for its record."""
    workload = build_workload(config, str(source))
    result = recorded(workload, config.model_dump(mode="json"))
    torch.manual_seed(0)
    batches = list(itertools.islice(endless(workload.fresh()[3]), STEPS * config.train.accumulate))
    return Printed(workload, result, batches)
