"""The course of a learning rate, against the learning rates of the training that follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from packaging.version import Version
from torch import nn
from torch.optim import Optimizer
from torch.optim import lr_scheduler as schedulers
from transformers import get_scheduler

from lrfind.integrations.course import Clock, planned_course

UPDATES = 60
Build = Callable[[Optimizer], Any]


def warm(name: str, warmup: int) -> Build:
    return lambda optimizer: get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=UPDATES)


CASES: dict[str, tuple[Build, int, float]] = {
    "cosine": (lambda o: schedulers.CosineAnnealingLR(o, UPDATES), 1, 2.0),
    "linear after a warm-up": (warm("linear", 6), 1, 2.0),
    "constant after a warm-up": (warm("constant_with_warmup", 6), 1, 1.0),
    "half of a warm-up": (warm("constant_with_warmup", 120), 1, 4.0),
    "a cosine of updates that is stepped by epoch": (lambda o: schedulers.CosineAnnealingLR(o, UPDATES), 20, 1.0),
    "a cycle of updates that is stepped by epoch": (lambda o: schedulers.OneCycleLR(o, 0.1, UPDATES), 20, 13.8),
    "a cycle that ends too soon": (lambda o: schedulers.OneCycleLR(o, 0.1, 40), 1, 2.0),
    "a staircase": (lambda o: schedulers.StepLR(o, 1, 0.1), 20, 1.0),
    "a function of one's own": (lambda o: schedulers.LambdaLR(o, lambda step: 1 - step / UPDATES), 1, 2.0),
    "several": (
        lambda o: schedulers.SequentialLR(
            o, [schedulers.LinearLR(o, 0.1, total_iters=6), schedulers.CosineAnnealingLR(o, 54)], [6]
        ),
        1,
        2.0,
    ),
}


TORCH_KEEPS_TENSORS = Version(torch.__version__) >= Version("2.10")
"""Before, a SequentialLR wrote over the learning rate that it starts from, if that is a tensor."""


def made(build: Build) -> tuple[Optimizer, Any]:
    weight = nn.Parameter(torch.ones(1))
    weight.grad = torch.zeros(1)
    optimizer = torch.optim.SGD([{"params": [weight], "lr": torch.tensor(0.1)}], lr=0.1, momentum=0.9)
    return optimizer, build(optimizer)


def trained(optimizer: Optimizer, scheduler: Any, every: int) -> list[float]:
    lrs = []
    for update in range(1, UPDATES + 1):
        lrs.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if update % every == 0:
            with_end = getattr(scheduler, "total_steps", UPDATES)
            if update < with_end:
                scheduler.step()
    return lrs


@pytest.mark.parametrize(("build", "every", "peak"), CASES.values(), ids=CASES)
def test_the_course_is_that_of_the_training_and_leaves_no_trace(build: Build, every: int, peak: float) -> None:
    if build is CASES["several"][0] and not TORCH_KEEPS_TENSORS:
        pytest.skip("needs torch 2.10")
    optimizer, scheduler = made(build)
    course = planned_course(optimizer, [Clock(scheduler, every)], UPDATES)
    lrs = trained(optimizer, scheduler, every)
    assert lrs == trained(*made(build), every)
    assert course is not None
    if getattr(scheduler, "total_steps", UPDATES) == UPDATES:
        assert course.highest * 0.1 == pytest.approx(max(lrs))
        assert course.mean * 0.1 == pytest.approx(sum(lrs) / UPDATES)
    assert course.peak(1.0) == pytest.approx(peak, rel=0.1)


def test_a_course_that_a_validation_loss_decides_or_that_has_no_clock_is_unknown() -> None:
    optimizer, plateau = made(schedulers.ReduceLROnPlateau)
    assert planned_course(optimizer, [Clock(plateau)], UPDATES) is None
    optimizer, cosine = made(CASES["cosine"][0])
    assert planned_course(optimizer, [Clock(cosine, 0)], UPDATES) is None
    assert planned_course(optimizer, [Clock(cosine)], 10**9) is None
    assert planned_course(optimizer, [Clock(object())], UPDATES) is None
