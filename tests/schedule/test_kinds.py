"""The schedules: each curve against PyTorch's own scheduler step by step, and the rules for the bounds."""

from __future__ import annotations

import inspect
import itertools

import pytest
import torch
from torch.optim import lr_scheduler

from lrfind.schedule.kinds import KINDS, rate_of, set_up, stalls_at
from lrfind.schedule.learning_rates import LearningRates
from lrfind.schedule.scheduler import Length, Node, Scheduler

RATES = LearningRates({"constant": 0.04, "cosine": 0.08, "linear": 0.08, "onecycle": 0.0791234}, low=0.008, high=0.2)
LENGTHS = [Length(*each) for each in [(1, 1), (1, 2), (1, 7), (2, 3), (3, 1), (5, 10), (10, 28), (30, 4), (100, 3)]]


def build(node: Node, optimizer: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
    arguments = dict(node.arguments)
    if "schedulers" in arguments:
        arguments["schedulers"] = [build(part, optimizer) for part in arguments["schedulers"]]
    built: lr_scheduler.LRScheduler = getattr(lr_scheduler, node.name)(optimizer, **arguments)
    return built


def torch_curve(scheduler: Scheduler, length: Length) -> list[float]:
    """Return the learning rate of every update of a training with PyTorch's scheduler."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=scheduler.lr)
    built = build(scheduler.node, optimizer)
    lrs = []
    for epoch in range(length.epochs):
        for _ in range(length.steps):
            lrs.append(optimizer.param_groups[0]["lr"])
            weight.grad = torch.zeros(1)
            optimizer.step()
            if scheduler.per == "update":
                built.step()
        if isinstance(built, lr_scheduler.ReduceLROnPlateau):
            built.step(1000.0 - min(epoch, stalls_at(length.epochs) - 1))
        elif scheduler.per == "epoch":
            built.step()
    return lrs


@pytest.mark.parametrize("length", LENGTHS, ids=lambda length: f"{length.epochs}x{length.steps}")
@pytest.mark.parametrize("name", KINDS)
def test_the_curve_is_that_of_pytorch(name: str, length: Length) -> None:
    scheduler = set_up(name, RATES, length)
    expected = torch_curve(scheduler, length)
    assert [scheduler.at(step) for step in range(length.total)] == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", KINDS)
def test_no_learning_rate_is_higher_than_what_was_found(name: str) -> None:
    for length in LENGTHS:
        scheduler = set_up(name, RATES, length)
        lrs = [scheduler.at(step) for step in range(length.total)]
        assert max(lrs) <= rate_of(KINDS[name], RATES) * 1.005  # 3 significant digits
        assert min(lrs) >= 0


@pytest.mark.parametrize("name", KINDS)
def test_in_a_long_training_the_top_is_reached(name: str) -> None:
    length = Length(30, 100)
    scheduler = set_up(name, RATES, length)
    top = max(scheduler.at(step) for step in range(length.total))
    assert top == pytest.approx(rate_of(KINDS[name], RATES), rel=0.01)


@pytest.mark.parametrize(
    "name", ["onecycle", "cosine", "warmup-cosine", "cosine-restarts", "linear", "polynomial", "wsd"]
)
def test_what_decays_to_0_gets_there(name: str) -> None:
    for length in (Length(5, 10), Length(10, 28), Length(7, 13)):
        scheduler = set_up(name, RATES, length)
        assert scheduler.at(length.total - 1) < 0.15 * rate_of(KINDS[name], RATES)


def test_the_cycle_runs_over_the_safe_range_and_ends_low() -> None:
    length = Length(24, 10)
    scheduler = set_up("cyclic", RATES, length)
    lrs = [scheduler.at(step) for step in range(length.total)]
    assert (min(lrs), max(lrs)) == (pytest.approx(0.008), pytest.approx(0.2))
    tops = [step for step in range(1, length.total - 1) if lrs[step - 1] < lrs[step] > lrs[step + 1]]
    assert len(tops) == 3
    assert lrs[-1] < 0.02
    steps = {round(abs(b - a), 9) for a, b in itertools.pairwise(lrs)}
    assert len(steps) == 1


def test_every_scheduler_of_pytorch_is_there() -> None:
    # Those that take no learning rate or bound, but functions or schedulers, are no schedules of their own.
    of_one_s_own = {"LRScheduler", "LambdaLR", "MultiplicativeLR", "ChainedScheduler"}
    classes = {
        name
        for name, kind in inspect.getmembers(lr_scheduler, inspect.isclass)
        if issubclass(kind, lr_scheduler.LRScheduler) and not name.startswith("_")
    }
    assert {kind.scheduler for kind in KINDS.values()} == classes - of_one_s_own


@pytest.mark.parametrize("name", KINDS)
def test_the_class_in_the_table_is_the_one_that_is_built(name: str) -> None:
    assert set_up(name, RATES, Length(3, 5)).node.name == KINDS[name].scheduler
