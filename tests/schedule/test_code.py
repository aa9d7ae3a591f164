"""The code of a schedule, run in a real training; its JSON, built from."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers import example_result
from torch import nn

from lrfind.records.types import Group, Result
from lrfind.schedule.code import code, document
from lrfind.schedule.kinds import KINDS, Length, set_up
from lrfind.schedule.learning_rates import LearningRates

RATES = LearningRates({"constant": 0.04, "cosine": 0.08, "linear": 0.08, "onecycle": 0.079}, low=0.008, high=0.2)
LENGTH = Length(4, 5)
OPTIMIZERS = {
    "SGD": {"_target_": "torch.optim.SGD", "momentum": 0.9, "weight_decay": 5e-4, "lr": 1.0},
    "plain SGD": {"_target_": "torch.optim.SGD"},
    "AdamW": {"_target_": "torch.optim.AdamW", "betas": [0.9, 0.95], "fused": False, "_partial_": True},
    "Adagrad": {"_target_": "torch.optim.Adagrad"},
    "RMSprop": {"_target_": "torch.optim.RMSprop", "alpha": 0.95},
    "unknown": None,
}


def result_with(optimizer: object) -> Result:
    return replace(example_result(), config={"optimizer": optimizer})


def written(name: str, result: Result) -> str:
    return code(name, set_up(name, RATES, LENGTH), LENGTH, result)


def trained(module: str) -> list[float]:
    """Train by the code, and return the learning rate of every update."""
    space: dict[str, Any] = {}
    exec(compile(module, "schedule.py", "exec"), space)
    torch.manual_seed(0)
    model, x = nn.Linear(3, 1), torch.randn(8, 3)
    batches = [(x, x.sum(1, keepdim=True))] * LENGTH.steps
    lrs: list[float] = []
    configure = space["configure"]

    def watched(model: nn.Module) -> Any:
        optimizer, scheduler = configure(model)
        optimizer.register_step_pre_hook(lambda *_: lrs.append(optimizer.param_groups[0]["lr"]))
        return optimizer, scheduler

    space["configure"] = watched
    validation = iter([3.0, 2.0, 2.0, 2.0, 2.0])
    extra = [lambda model: next(validation)] if "validate" in module else []
    space["train"](model, batches, nn.functional.mse_loss, *extra)
    return lrs


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("name", KINDS)
def test_the_code_trains_with_the_planned_learning_rates(name: str, optimizer: object) -> None:
    lrs = trained(written(name, result_with(optimizer)))
    scheduler = set_up(name, RATES, LENGTH)
    assert lrs == pytest.approx([scheduler.at(step) for step in range(LENGTH.total)], rel=1e-6, abs=1e-9)


def built(node: dict[str, Any], optimizer: torch.optim.Optimizer) -> Any:
    """Build what the JSON says."""
    module, _, name = node["class"].rpartition(".")
    arguments = dict(node["arguments"])
    if "schedulers" in arguments:
        arguments["schedulers"] = [built(part, optimizer) for part in arguments["schedulers"]]
    return getattr(importlib.import_module(module), name)(optimizer, **arguments)


@pytest.mark.parametrize("name", KINDS)
def test_the_json_builds_optimizer_and_scheduler(name: str) -> None:
    scheduler = set_up(name, RATES, LENGTH)
    said = json.loads(json.dumps(document(name, scheduler, LENGTH, result_with(OPTIMIZERS["SGD"])), allow_nan=False))
    module, _, optimizer_name = said["optimizer"]["class"].rpartition(".")
    weights = [nn.Parameter(torch.zeros(1))]
    optimizer = getattr(importlib.import_module(module), optimizer_name)(weights, **said["optimizer"]["arguments"])
    built(said, optimizer)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(scheduler.at(0))
    assert optimizer.param_groups[0]["momentum"] == 0.9
    assert said["step"] in ("update", "epoch")


def test_the_code_in_full() -> None:
    assert (
        written("cosine", result_with(OPTIMIZERS["AdamW"]))
        == '''\
# lrfind, cosine schedule: resnet18 on CIFAR10, SGD, batch 128, cuda
from torch.optim import AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR

EPOCHS, STEPS_PER_EPOCH = 4, 5  # a step is an update of the weights


def configure(model):
    """Return the optimizer and the scheduler for `model`."""
    optimizer = AdamW(model.parameters(), lr=0.08, betas=(0.9, 0.95), fused=False)
    scheduler = CosineAnnealingLR(optimizer, T_max=20)
    return optimizer, scheduler


def train(model, batches, loss):
    """Train `model` for EPOCHS epochs on `batches`: STEPS_PER_EPOCH pairs of input and target."""
    optimizer, scheduler = configure(model)
    for _ in range(EPOCHS):
        for x, y in batches:
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optimizer.step()
            scheduler.step()  # after every update
'''
    )


def test_what_the_code_does_not_hold_is_said_in_it() -> None:
    nested = {"_target_": "torch.optim.SGD", "momentum": 0.9, "hook": {"_target_": "own.hook"}}
    assert "# Left out, as of the config: hook." in written("linear", result_with(nested))
    assert "does not say which optimizer" in written("linear", result_with(None))
    groups = (Group("default", 1.0, None), Group("head", 10.0, None), Group("fixed", None, 0.5))
    grouped = replace(result_with(OPTIMIZERS["SGD"]), groups=groups)
    text = written("cyclic", grouped)
    assert "their lr here: default 0.008, head 0.08, fixed 0.5." in text
    assert "takes a list of them" in text
    trained(text)
    accumulated = replace(grouped, config={**grouped.config, "train": {"accumulate": 4}})
    assert "an update of the weights, of 4 mini-batches each" in written("step", accumulated)


@pytest.mark.parametrize(
    "target", ["os.system('x') #.SGD", "SGD", "torch..SGD", "", 3, "torch.optim.SGD\nimport os", None]
)
def test_no_record_can_write_code_of_its_own(target: object) -> None:
    text = written("linear", replace(result_with({"_target_": target, "a b": 1, "class": 2}), title="x\nimport os #"))
    assert "from torch.optim import SGD\n" in text
    assert "import os" not in [line.strip() for line in text.splitlines()]
    trained(text)
