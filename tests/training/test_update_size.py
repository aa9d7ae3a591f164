from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers.optimization import Adafactor

from lrfind.records.facts import UpdateSize
from lrfind.training.update_size import keeps_still, update_size

NAMES = ("Adam", "AdamW", "Adagrad", "Adafactor", "Adamax", "Muon", "NAdam", "RAdam", "RMSprop", "Rprop")
NORMALIZED = [name for name in NAMES if hasattr(torch.optim, name)]  # Muon is of torch 2.9


def weights(size: float = 0.1) -> list[nn.Parameter]:
    return [nn.Parameter(torch.full((3, 3), size)), nn.Parameter(torch.full((3,), 100.0))]


@pytest.mark.parametrize("name", NORMALIZED)
def test_updates_that_do_not_grow_with_the_gradient_are_normalized(name: str) -> None:
    own = weights()[:1]
    assert update_size(getattr(torch.optim, name)(own, lr=1e-3), own).normalized


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"weight_decay": 0.1}])
def test_those_of_sgd_grow(options: dict[str, Any]) -> None:
    own = weights()
    assert update_size(torch.optim.SGD(own, lr=0.1, **options), own) == UpdateSize(normalized=False)


def test_adam_replaces_weights_at_a_learning_rate_of_their_size() -> None:
    own = weights(0.1)
    assert update_size(torch.optim.Adam(own), own).replacing_lr == pytest.approx(0.1, rel=0.05)


def test_adafactor_moves_weights_by_a_share_of_their_size() -> None:
    rates = []
    for size in (0.1, 1.0):
        own = weights(size)
        rates.append(update_size(Adafactor(own, lr=1e-3, relative_step=False, scale_parameter=True), own).replacing_lr)
    assert rates[0] == pytest.approx(rates[1], rel=0.1)


def test_the_updates_of_adagrad_shrink_with_the_root_of_their_number() -> None:
    own = weights()[:1]
    assert update_size(torch.optim.Adagrad(own), own).shrinks == pytest.approx(0.5, abs=0.02)
    assert update_size(torch.optim.Adam(own), own).shrinks == 0


def test_nothing_of_the_training_changes() -> None:
    own = weights()
    optimizer = torch.optim.Adam(own)
    update_size(optimizer, own)
    assert not optimizer.state
    assert all(each.grad is None for each in own)
    assert float(own[0].detach().max()) == pytest.approx(0.1)


@pytest.mark.parametrize("name", [*NORMALIZED, "SGD", "Adadelta", "ASGD"])
def test_optimizers_of_torch_change_nothing_without_gradients(name: str) -> None:
    assert keeps_still(getattr(torch.optim, name)(weights()[:1], lr=0.1))


@pytest.mark.parametrize("options", [{"fused": True}, {"foreach": True}, {"amsgrad": True}])
def test_so_do_their_implementations(options: dict[str, Any]) -> None:
    assert keeps_still(torch.optim.AdamW(weights(), **options))


class Restless(torch.optim.SGD):
    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        super().step(closure)
        self.param_groups[0]["momentum"] += 1e-3


class Demanding(torch.optim.SGD):
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            assert all(each.grad is not None for each in group["params"])


@pytest.mark.parametrize("kind", [Restless, Demanding])
def test_others_may_change_something_or_need_gradients(kind: type[torch.optim.Optimizer]) -> None:
    assert not keeps_still(kind(weights(), lr=0.1))


class Particular(torch.optim.SGD):
    """An optimizer that its options alone do not build."""

    def __init__(self, parameters: Any, sizes: list[int]) -> None:
        super().__init__(parameters, lr=0.1)
        self.sizes = sizes


def test_an_optimizer_that_cannot_be_built_again_is_unknown() -> None:
    own = weights()
    assert update_size(Particular(own, [3]), own) == UpdateSize()


def test_weights_of_zero_tell_no_size() -> None:
    own = [nn.Parameter(torch.zeros(3, 3))]
    assert update_size(torch.optim.Adam(own), own).replacing_lr == pytest.approx(1.0, rel=0.05)
