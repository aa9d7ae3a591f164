"""The schedule of an answer as a scheduler of PyTorch, and as code."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
import torch
from helpers import example_result, refused_result
from torch import nn

import lrfind
from lrfind import Answer
from lrfind.errors import LrfindError
from lrfind.records.types import Group, Result
from lrfind.schedule.kinds import KINDS, set_up
from lrfind.schedule.learning_rates import learning_rates
from lrfind.schedule.scheduler import Length

GROUPS = (Group("body", 1.0, None), Group("head", 10.0, None))
LENGTH = Length(4, 5)


def answer(result: Result | None = None) -> Answer:
    return Answer(**vars(result or replace(example_result(), groups=GROUPS)))


def two_groups() -> torch.optim.Optimizer:
    return torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1))]} for _ in range(2)], lr=1.0)


@pytest.mark.parametrize("name", KINDS)
def test_the_learning_rates_are_those_of_the_schedule(name: str) -> None:
    optimizer = two_groups()
    made = answer().schedule(name, optimizer, epochs=LENGTH.epochs, steps_per_epoch=LENGTH.steps)
    rates = learning_rates(answer())
    assert rates is not None
    expected = set_up(name, rates, LENGTH)
    assert optimizer.param_groups[1]["lr"] == pytest.approx(10 * optimizer.param_groups[0]["lr"])
    lrs = []
    for step in range(LENGTH.total):
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if expected.per == "update" or ((step + 1) % LENGTH.steps == 0 and name != "plateau"):
            made.step()
    if name == "plateau":  # falls by losses alone
        assert set(lrs) == {expected.lr}
    else:
        assert lrs == pytest.approx([expected.at(step) for step in range(LENGTH.total)], rel=1e-6, abs=1e-9)


def test_an_answer_of_find_lr_is_scheduled() -> None:
    torch.manual_seed(0)
    x = torch.randn(256, 4)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True)), 16)
    found = lrfind.find_lr(model, loader, nn.functional.mse_loss, optimizer, num_iter=60, on_note=lambda note: None)
    assert found
    made = found.schedule("onecycle", optimizer, epochs=2, steps_per_epoch=16)
    assert isinstance(made, torch.optim.lr_scheduler.OneCycleLR)
    code = found.schedule("onecycle", epochs=2, steps_per_epoch=16)
    assert "OneCycleLR" in code
    ast.parse(code)


def test_what_cannot_be_scheduled_is_told() -> None:
    with pytest.raises(LrfindError, match=r"name: expected one of .*onecycle.*, got 'one-cycle'"):
        answer().schedule("one-cycle", epochs=1, steps_per_epoch=1)
    with pytest.raises(LrfindError, match="no learning rate is suggested: The loss"):
        answer(refused_result()).schedule("cosine", epochs=1, steps_per_epoch=1)
    with pytest.raises(LrfindError, match="expected the 2 parameter groups that were swept, got 1"):
        answer().schedule("cosine", torch.optim.SGD([nn.Parameter(torch.zeros(1))]), epochs=1, steps_per_epoch=1)
    fixed = replace(example_result(), groups=(Group("body", 1.0, None), Group("head", None, 0.1)))
    with pytest.raises(LrfindError, match="has a group with a fixed learning rate"):
        answer(fixed).schedule("cosine", two_groups(), epochs=1, steps_per_epoch=1)
