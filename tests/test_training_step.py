from __future__ import annotations

from collections import namedtuple
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from lrfind.errors import UserCodeError
from lrfind.training.step import check_loss, default_step, describe, to_device

X, Y = torch.ones(2, 3), torch.zeros(2, 1)


@pytest.mark.parametrize("batch", [(X, Y), [X, Y]])
def test_a_pair_is_input_and_target(batch: Any) -> None:
    model = nn.Linear(3, 1)
    loss = default_step(functional.mse_loss)(model, batch)
    assert torch.equal(loss, functional.mse_loss(model(X), Y))


def test_a_mapping_goes_in_by_name_and_brings_its_own_loss() -> None:
    class Model(nn.Module):
        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> SimpleNamespace:
            return SimpleNamespace(loss=(x.sum() - labels.sum()) ** 2)

    assert default_step(None)(Model(), {"x": X, "labels": Y}).item() == 36


@pytest.mark.parametrize("batch", [X, (X,), (X, Y, Y), "text", None])
def test_other_batches_need_a_step_of_ones_own(batch: Any) -> None:
    with pytest.raises(UserCodeError, match="set step to a function of your own"):
        default_step(functional.mse_loss)(nn.Linear(3, 1), batch)


def test_a_pair_needs_a_loss() -> None:
    with pytest.raises(UserCodeError, match="expected a loss for \\(x, y\\) batches, got none"):
        default_step(None)(nn.Linear(3, 1), (X, Y))


def test_a_scalar_or_one_element_loss_is_fine() -> None:
    weight = torch.ones(1, requires_grad=True)
    check_loss(weight.sum())
    check_loss(weight * 2)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (0.5, "got float"),
        (None, "got NoneType"),
        (torch.ones(2, requires_grad=True), r"shape \(2,\); average it first"),
        (torch.tensor(1), "int64 tensor"),
        (torch.tensor(1.0), "without a gradient"),
        (torch.tensor(1 + 0j, requires_grad=True), "complex64"),
    ],
)
def test_what_cannot_be_trained_on_is_named(loss: Any, words: str) -> None:
    with pytest.raises(UserCodeError, match=words):
        check_loss(loss)


def test_every_tensor_of_a_nested_batch_is_moved() -> None:
    pair = namedtuple("pair", "image label")
    batch = {"a": [X, (Y, "text")], "b": pair(X, 3)}
    moved = to_device(batch, torch.device("meta"))
    assert moved["a"][0].device.type == moved["a"][1][0].device.type == moved["b"].image.device.type == "meta"
    assert moved["a"][1][1] == "text"
    assert type(moved["b"]) is pair
    assert moved["b"].label == 3


def test_a_tensor_that_is_there_already_is_not_copied() -> None:
    assert to_device(X, torch.device("cpu")) is X


def test_a_batch_is_described_by_shapes_and_types() -> None:
    assert describe((X, {"y": Y.long()})) == (
        "tuple of 2 (a float32 tensor of shape (2, 3), {y: a int64 tensor of shape (2, 1)})"
    )
