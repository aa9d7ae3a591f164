"""Schedulers with another peak: every learning rate of every schedule as if built with it from the start."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler as schedulers
from transformers import get_scheduler

from lrfind.errors import LrfindError
from lrfind.training.scheduler_peaks import peak_lrs, schedule_of, set_lrs, set_peaks

# SequentialLR itself steps its parts so, before torch 2.10.
pytestmark = pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step\\(\\)`:UserWarning")

STEPS = 40
OLD, NEW = 0.004, 0.3
Build = Callable[[torch.optim.Optimizer, float], Any]


def sequence(optimizer: torch.optim.Optimizer, lr: float) -> Any:
    parts = [
        schedulers.LinearLR(optimizer, 0.1, total_iters=5),
        schedulers.CosineAnnealingLR(optimizer, 30, eta_min=lr / 50),
        schedulers.ExponentialLR(optimizer, 0.9),
    ]
    return schedulers.SequentialLR(optimizer, parts, [5, 20])


def chain(optimizer: torch.optim.Optimizer, lr: float) -> Any:
    return schedulers.ChainedScheduler([sequence(optimizer, lr), schedulers.StepLR(optimizer, 15)])


def of_transformers(name: str, **options: Any) -> Build:
    return lambda optimizer, lr: get_scheduler(
        name, optimizer, num_warmup_steps=5, num_training_steps=STEPS, scheduler_specific_kwargs=options
    )


KINDS: dict[str, tuple[Build, str]] = {
    "StepLR": (lambda o, lr: schedulers.StepLR(o, 10), "constant"),
    "MultiStepLR": (lambda o, lr: schedulers.MultiStepLR(o, [5, 20]), "constant"),
    "LambdaLR": (lambda o, lr: schedulers.LambdaLR(o, lambda step: min(1.0, step / 7)), "constant"),
    "MultiplicativeLR": (lambda o, lr: schedulers.MultiplicativeLR(o, lambda step: 0.9), "constant"),
    "LinearLR up": (lambda o, lr: schedulers.LinearLR(o, 0.1), "constant"),
    "LinearLR down": (lambda o, lr: schedulers.LinearLR(o, 1.0, 0.0, STEPS), "linear"),
    "PolynomialLR": (lambda o, lr: schedulers.PolynomialLR(o, STEPS), "linear"),
    "CosineAnnealingLR": (lambda o, lr: schedulers.CosineAnnealingLR(o, STEPS, eta_min=lr / 100), "cosine"),
    "warm restarts": (lambda o, lr: schedulers.CosineAnnealingWarmRestarts(o, 10, eta_min=lr / 100), "cosine"),
    "OneCycleLR": (lambda o, lr: schedulers.OneCycleLR(o, [lr, lr / 10], STEPS + 1), "onecycle"),
    "CyclicLR": (lambda o, lr: schedulers.CyclicLR(o, [lr / 5, lr / 50], [lr, lr / 10], 6), "constant"),
    "SequentialLR": (sequence, "cosine"),
    "ChainedScheduler": (chain, "cosine"),
    "transformers constant": (of_transformers("constant_with_warmup"), "constant"),
    "transformers linear": (of_transformers("linear"), "linear"),
    "transformers cosine": (of_transformers("cosine"), "cosine"),
    "transformers floor": (of_transformers("cosine_with_min_lr", min_lr_rate=0.1), "cosine"),
    "transformers polynomial": (of_transformers("polynomial", lr_end=0.0), "linear"),
}
each_kind = pytest.mark.parametrize(("build", "shape"), KINDS.values(), ids=KINDS)


def made(build: Build, lr: float, tensor: bool = False) -> tuple[torch.optim.Optimizer, Any]:
    """Return an optimizer with two groups at 1 to 0.1, and its scheduler."""
    body, head = (nn.Parameter(torch.ones(1)) for _ in range(2))
    wrap = (lambda value: torch.tensor(value, dtype=torch.float64)) if tensor else float
    groups = [{"params": [body], "lr": wrap(lr)}, {"params": [head], "lr": wrap(lr / 10)}]
    optimizer = torch.optim.SGD(groups, lr=lr, momentum=0.9)
    return optimizer, build(optimizer, lr)


def lrs_of(optimizer: torch.optim.Optimizer, scheduler: Any, steps: int) -> list[float]:
    lrs = []
    for _ in range(steps):
        lrs += [float(group["lr"]) for group in optimizer.param_groups]
        assert [float(lr) for lr in scheduler.get_last_lr()] == lrs[-2:]
        optimizer.step()
        scheduler.step()
    return lrs


def close(one: list[float], other: list[float]) -> bool:
    return all(math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-15) for a, b in zip(one, other, strict=True))


@each_kind
def test_all_steps_are_those_of_a_scheduler_built_with_the_peak(build: Build, shape: str) -> None:
    optimizer, scheduler = made(build, OLD)
    assert peak_lrs(optimizer, [scheduler]) == [OLD, OLD / 10]
    set_peaks(optimizer, [NEW, NEW / 10], [scheduler])
    assert peak_lrs(optimizer, [scheduler]) == [NEW, NEW / 10]
    assert close(lrs_of(optimizer, scheduler, STEPS), lrs_of(*made(build, NEW), STEPS))


@each_kind
def test_in_the_middle_what_follows_is_multiplied(build: Build, shape: str) -> None:
    plain, changed = made(build, OLD), made(build, OLD)
    lrs_of(*plain, 7)
    lrs_of(*changed, 7)
    set_peaks(changed[0], [NEW, NEW / 10], [changed[1]])
    expected = [lr * NEW / OLD for lr in lrs_of(*plain, STEPS - 7)]
    assert close(lrs_of(*changed, STEPS - 7), expected)


@each_kind
def test_the_shape_of_a_schedule_is_known(build: Build, shape: str) -> None:
    assert schedule_of([made(build, OLD)[1]]) == shape


def test_no_scheduler_is_a_constant_one() -> None:
    assert schedule_of([]) == "constant"


def test_a_plateau_scheduler_keeps_its_floor_in_proportion() -> None:
    def run(lr: float, peak: float | None = None) -> list[float]:
        optimizer, scheduler = made(
            lambda o, lr: schedulers.ReduceLROnPlateau(o, patience=2, min_lr=[lr / 500, lr / 5000]), lr
        )
        if peak:
            set_peaks(optimizer, [peak, peak / 10], [scheduler])
        lrs = []
        for _ in range(STEPS):
            scheduler.step(1.0)
            lrs += [group["lr"] for group in optimizer.param_groups]
        return lrs

    assert close(run(OLD, NEW), run(NEW))
    assert run(OLD, NEW)[-2] == NEW / 500


def test_a_learning_rate_that_is_a_tensor_stays_the_same_one() -> None:
    optimizer, scheduler = made(KINDS["LambdaLR"][0], OLD, tensor=True)
    before = [group["lr"] for group in optimizer.param_groups]
    set_peaks(optimizer, [NEW, NEW / 10], [scheduler])
    assert all(group["lr"] is lr for group, lr in zip(optimizer.param_groups, before, strict=True))
    expected = made(KINDS["LambdaLR"][0], NEW, tensor=True)
    assert close(lrs_of(optimizer, scheduler, STEPS), lrs_of(*expected, STEPS))


def test_a_group_that_keeps_its_learning_rate_keeps_its_schedule() -> None:
    optimizer, scheduler = made(KINDS["OneCycleLR"][0], OLD)
    expected = lrs_of(*made(KINDS["OneCycleLR"][0], OLD), STEPS)
    set_peaks(optimizer, [NEW, OLD / 10], [scheduler])
    assert close(lrs_of(optimizer, scheduler, STEPS)[1::2], expected[1::2])


def test_a_schedule_of_zeros_cannot_be_multiplied() -> None:
    optimizer, scheduler = made(KINDS["LambdaLR"][0], 0.0)
    with pytest.raises(LrfindError, match=r"optimizer: expected learning rates above 0, .* got \[0.0, 0.0\]"):
        set_peaks(optimizer, [NEW, NEW], [scheduler])


def test_without_a_scheduler_the_groups_are_set() -> None:
    optimizer, _ = made(KINDS["LambdaLR"][0], OLD)
    set_lrs(optimizer, [NEW, NEW / 10])
    assert [group["lr"] for group in optimizer.param_groups] == [NEW, NEW / 10]
    assert [group["initial_lr"] for group in optimizer.param_groups] == [NEW, NEW / 10]
