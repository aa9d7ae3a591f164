from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from lrfind.errors import UserCodeError, some
from lrfind.training.sweepable import why_not_swept
from lrfind.workloads.preflight import check_model, check_optimizer, untrained_parameters


def test_a_model_without_values_is_refused() -> None:
    check_model(nn.Linear(1, 1))
    with torch.device("meta"):
        empty = nn.Linear(1, 1)
    with pytest.raises(UserCodeError, match=r"on the meta device: weight, bias; build it without"):
        check_model(empty)
    with pytest.raises(UserCodeError, match="are all layers frozen"):
        check_model(nn.Linear(1, 1).requires_grad_(False))


def test_a_model_sharded_by_fsdp_is_refused(tmp_path: Path) -> None:
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        mesh = init_device_mesh("cpu", (1,))
        with pytest.raises(UserCodeError, match=r"sharded already \(DTensor\): weight, bias"):
            check_model(fully_shard(nn.Linear(1, 1), mesh=mesh))
    finally:
        torch.distributed.destroy_process_group()


MODEL = nn.Linear(2, 1)


class Named(torch.optim.Optimizer):
    """An optimizer whose groups carry what the keyword arguments say."""

    def __init__(self, **defaults: Any) -> None:
        super().__init__(MODEL.parameters(), defaults)

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        raise NotImplementedError


class TwoPasses(Named):
    def first_step(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (torch.optim.LBFGS(MODEL.parameters()), r"needs a closure.*use SGD or AdamW"),
        (Named(lr=1.0, d=1e-6, d0=1e-6), "estimates its own learning rate"),  # Prodigy
        (Named(lr=1.0, d=1e-6, growth_rate=1.0), "estimates its own learning rate"),  # D-Adaptation
        (Named(lr=None, relative_step=True), "add relative_step: false"),  # Adafactor of transformers
        (TwoPasses(lr=1.0), "two passes"),  # SAM
        (Named(momentum=0.9), "carry no lr"),
        (Named(lr=1.0, fixed_lr=True), "every one has a fixed_lr"),
    ],
)
def test_an_optimizer_that_cannot_be_swept_is_told_why(optimizer: torch.optim.Optimizer, words: str) -> None:
    assert re.search(words, str(why_not_swept(optimizer)))


@pytest.mark.parametrize("optimizer", [Named(lr=1.0), Named(lr=1.0, relative_step=False), Named(lr=1.0, d=3)])
def test_an_optimizer_with_a_learning_rate_can(optimizer: torch.optim.Optimizer) -> None:
    assert why_not_swept(optimizer) is None
    check_optimizer(optimizer, MODEL)


def test_what_is_no_optimizer_of_the_model_is_refused() -> None:
    foreign = torch.optim.SGD([*MODEL.parameters(), nn.Parameter(torch.zeros(1))])
    with pytest.raises(UserCodeError, match="the model and no others, got 1 others"):
        check_optimizer(foreign, MODEL)
    with pytest.raises(UserCodeError, match=r"expected a torch\.optim\.Optimizer, got str"):
        check_optimizer("Adam", MODEL)


def test_trainable_parameters_in_no_group_are_named() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    model[1].bias.requires_grad_(False)
    assert untrained_parameters(torch.optim.SGD([model[0].weight]), model) == ["0.bias", "1.weight"]
    assert untrained_parameters(torch.optim.SGD(model.parameters()), model) == []


def test_long_lists_are_cut() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some([*"abcdefg"]) == "a, b, c, d, e and 2 more"
