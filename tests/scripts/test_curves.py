"""The losses of a script at some learning rates are those of a loop written by hand: bit for bit on the CPU."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from cli import FIXTURES
from torch import nn
from torch.nn.functional import mse_loss

from lrfind.observer import Observer
from lrfind.records.types import Sweep
from lrfind.scripts.job import Script
from lrfind.scripts.runner import LoneRunner
from lrfind.settings import Settings, SweepSettings
from lrfind.training.ladder import ladder
from lrfind.training.rng import seed_everything
from lrfind.workloads.from_script import Choice, ScriptWorkload

pytestmark = pytest.mark.slow

SCRIPT = FIXTURES / "scripts" / "recipes.py"
LRS = ladder(1e-5, 0.5, 40)
ALL = Choice()


class Silence:
    def write(self, data: bytes) -> None:
        """Take what a script prints."""


def _recipes() -> Any:
    spec = importlib.util.spec_from_file_location("recipes", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECIPES = _recipes()


def workload(*args: str, choice: Choice = ALL, lrs: Sequence[float] = LRS, **settings: Any) -> ScriptWorkload:
    sweep = SweepSettings(lrs[0], lrs[-1], len(lrs), stop_on_divergence=False)
    script = Script(str(SCRIPT), args)
    runner = LoneRunner(Silence())
    return ScriptWorkload(settings=Settings(sweep=sweep, **settings), script=script, runner=runner, choice=choice)


def swept(*args: str, choice: Choice = ALL, seed: int = 0) -> Sweep:
    return workload(*args, choice=choice, seed=seed).train(LRS, Observer())


def start(seed: int = 0) -> Iterator[Any]:
    """Seed as a training does; return its batches once they are asked for."""
    seed_everything(seed)
    model = RECIPES.net()
    return iter((model, RECIPES.endless(RECIPES.batches())))


def set_lrs(optimizer: torch.optim.Optimizer, *lrs: float) -> None:
    for group, lr in zip(optimizer.param_groups, lrs, strict=True):
        group["lr"] = lr


def by_hand(make: Callable[..., torch.optim.Optimizer], *, context: Any = None, seed: int = 0) -> list[float]:
    model, batches = start(seed)
    optimizer = make(model.parameters())
    losses = []
    for lr, (x, y) in zip(LRS, batches, strict=False):
        set_lrs(optimizer, lr)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=context == "bf16"):
            loss = mse_loss(model(x), y)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    return losses


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=1.0)


def with_momentum(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=1.0, momentum=0.9)


def adamw(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=1.0, betas=(0.9, 0.99))


@pytest.mark.parametrize(
    ("recipe", "make", "context"),
    [
        ("plain", with_momentum, None),
        ("one_cycle", adamw, None),  # neither its learning rates nor its betas are those of the scheduler
        ("bf16", sgd, "bf16"),
        ("by_closure", sgd, None),
        ("retried", with_momentum, None),
    ],
    ids=["plain", "cycled momentum", "autocast", "closure", "steps that fail and are repeated"],
)
def test_one_loss_for_each_update(recipe: str, make: Any, context: Any) -> None:
    sweep = swept(recipe)
    assert sweep.lrs == LRS
    assert list(sweep.losses) == by_hand(make, context=context)


def test_another_seed_is_another_training() -> None:
    assert list(swept("plain", seed=5).losses) == by_hand(with_momentum, seed=5) != by_hand(with_momentum)


def test_accumulation_is_the_mean_of_what_goes_backward() -> None:
    model, batches = start()
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0)
    losses = []
    for lr in LRS:
        set_lrs(optimizer, lr)
        parts = []
        for x, y in itertools.islice(batches, 4):
            part = mse_loss(model(x), y) / 4
            part.backward()
            parts.append(part.item())
        losses.append(sum(parts) / 4)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    assert list(swept("accumulated").losses) == losses


def test_groups_keep_the_ratios_they_were_made_with() -> None:
    model, batches = start()
    optimizer = torch.optim.SGD([{"params": model[0].parameters()}, {"params": model[3].parameters()}], lr=1.0)
    losses = []
    for lr, (x, y) in zip(LRS, batches, strict=False):
        set_lrs(optimizer, lr, 0.03 / 0.01 * lr)
        optimizer.zero_grad()
        loss = mse_loss(model(x), y)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    made = workload("grouped")
    assert list(made.train(LRS, Observer()).losses) == losses
    assert [group.lr_scale for group in made.groups] == [1.0, 0.03 / 0.01]


def test_an_update_that_the_scaler_skips_is_tried_again() -> None:
    lrs = ladder(1e-6, 1e-3, 40)
    model, batches = start()
    optimizer = sgd(model.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**124, growth_interval=4)
    losses: list[float] = []
    skipped = 0
    for x, y in batches:
        set_lrs(optimizer, lrs[len(losses)])
        optimizer.zero_grad()
        loss = mse_loss(model(x), y, reduction="sum")
        scale = scaler.get_scale()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        if scaler.get_scale() < scale:
            skipped += 1
            continue
        losses.append(loss.item())
        if len(losses) == len(lrs):
            break
    assert skipped
    assert list(workload("scaled", lrs=lrs).train(lrs, Observer()).losses) == losses


def two_in_turn(lrs_of_first: Sequence[float], lrs_of_second: Sequence[float]) -> tuple[list[float], list[float]]:
    seed_everything(0)
    first, second, batches = RECIPES.net(), RECIPES.net(), RECIPES.endless(RECIPES.batches())
    one, two = torch.optim.SGD(first.parameters(), lr=1.0), torch.optim.Adam(second.parameters(), lr=1.0)
    losses: tuple[list[float], list[float]] = ([], [])
    for lr, other, (x, y) in zip(lrs_of_first, lrs_of_second, batches, strict=False):
        set_lrs(one, lr)
        set_lrs(two, other)
        for index, (model, optimizer) in enumerate(((first, one), (second, two))):
            optimizer.zero_grad()
            loss = mse_loss(model(x), first(x).detach() if index else y)
            losses[index].append(loss.item())
            loss.backward()
            optimizer.step()
    return losses


def test_optimizers_that_step_in_turn_make_one_update_at_their_ratio() -> None:
    ones, twos = two_in_turn(LRS, [0.2 / 0.1 * lr for lr in LRS])
    made = workload("in_turn")
    assert list(made.train(LRS, Observer()).losses) == [one + two for one, two in zip(ones, twos, strict=True)]
    assert made.plan["losses"] == [{"name": "loss_one", "calls": 1}, {"name": "loss_two", "calls": 1}]


@pytest.mark.parametrize("optimizer", ["Adam", "1"])
def test_one_of_several_optimizers_can_be_swept_alone(optimizer: str) -> None:
    _, twos = two_in_turn([0.1] * len(LRS), LRS)
    assert list(swept("in_turn", choice=Choice(optimizer=optimizer)).losses) == twos


def test_one_of_several_losses_can_be_taken() -> None:
    ones, _ = two_in_turn(LRS, [0.2 / 0.1 * lr for lr in LRS])
    assert list(swept("in_turn", choice=Choice(loss="loss_one")).losses) == ones


def test_nothing_of_the_script_runs_in_the_process_that_searches() -> None:
    before = set(sys.modules)
    swept("plain")
    assert not {name for name in set(sys.modules) - before if not name.startswith("lrfind")}
