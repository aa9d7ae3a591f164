"""The loss that a step computes, as the Python that a record keeps of it: the same value, and allowed in a record."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lrfind.schedule.expressions import checked_loss
from lrfind.training.step import DefaultStep

X, Y = torch.arange(6.0).reshape(3, 2), torch.ones(3, 1)
Pair = namedtuple("Pair", ["y", "x"])


@dataclasses.dataclass
class Sample:
    x: Tensor
    label: Tensor


class Net(nn.Module):
    """Its output, of `x` and, if it is given, `bias` and `labels`, in a form of choice."""

    def __init__(self, form: Any = lambda out, loss: out) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.form = nn.Linear(2, 1), form

    def forward(self, x: Tensor, bias: Any = 0.0, labels: Any = None) -> Any:
        out = self.layer(x) + bias
        return self.form(out, None if labels is None else nn.functional.mse_loss(out, labels))


class One(nn.Module):
    """Takes one input, whatever its name."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(2, 1)

    def forward(self, item: Any) -> Any:
        return self.layer(item["x"] if isinstance(item, dict) else item)


def mse(output: Tensor, target: Tensor) -> Tensor:
    return nn.functional.mse_loss(output, target)


CASES: dict[str, tuple[nn.Module, Any, Any]] = {
    "a pair": (Net(), (X, Y), mse),
    "three": (Net(), [X, torch.ones(1), Y], mse),
    "a named tuple": (Net(), Pair(Y, X), mse),
    "inputs in a tuple": (Net(), ((X, torch.ones(1)), Y), mse),
    "inputs by name": (Net(), ({"x": X, "bias": torch.ones(1)}, Y), mse),
    "one input by another name": (One(), ({"image": X}, Y), mse),
    "a mapping whole": (One(), ({"x": X, "size": 1}, Y), mse),
    "a mapping with a target": (Net(), {"x": X, "target": Y}, mse),
    "inputs that it does not take": (Net(lambda out, loss: loss), {"x": X, "labels": Y, "id": 3}, None),
    "a dataclass": (Net(), Sample(X, Y), mse),
    "an object": (Net(), SimpleNamespace(x=X, bias=torch.ones(1), y=Y), mse),
    "logits": (Net(lambda out, loss: SimpleNamespace(logits=out)), (X, Y), mse),
    "logits by name": (Net(lambda out, loss: {"logits": out}), (X, Y), mse),
    "its own loss": (Net(lambda out, loss: SimpleNamespace(loss=loss)), {"x": X, "labels": Y}, None),
    "its own loss by name": (Net(lambda out, loss: {"loss": loss}), {"x": X, "labels": Y}, None),
    "its own losses": (Net(lambda out, loss: {"a": loss, "b": 2 * loss, "n": 3}), {"x": X, "labels": Y}, None),
    "its own loss, second": (Net(lambda out, loss: (out, loss)), {"x": X, "labels": Y}, None),
    "its own, first": (Net(lambda out, loss: (loss, out)), (X, torch.ones(1), Y), None),
    "a scalar": (Net(lambda out, loss: loss), ((X, torch.ones(1), Y),), None),
    "a loss of parts": (Net(), (X, Y), lambda out, y: {"a": mse(out, y), "b": out.abs().mean()}),
}


@pytest.mark.parametrize(("model", "batch", "loss"), CASES.values(), ids=CASES)
def test_the_python_of_a_loss_is_that_loss(model: nn.Module, batch: Any, loss: Any) -> None:
    step = DefaultStep(loss)
    expected = step(model, batch)
    computed = eval(checked_loss(step.code), {"model": model, "batch": batch, "loss": loss})
    assert torch.equal(computed, expected)
    assert computed.requires_grad
