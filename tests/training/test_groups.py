from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from lrfind.errors import MisfitError
from lrfind.records.types import Group, StopReason
from lrfind.training.groups import (
    GroupRates,
    Selection,
    describe_groups,
    freeze,
    group_scales,
    make_groups,
    named_parameters,
)
from lrfind.training.ladder import ladder
from lrfind.training.sweep import run_sweep

CPU = torch.device("cpu")


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 8))
        self.head = nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.body(x))
        return out


def network() -> Network:
    torch.manual_seed(0)
    return Network()


def names(model: nn.Module, group: dict[str, Any]) -> list[str]:
    known = {id(parameter): name for name, parameter in model.named_parameters()}
    return [known[id(parameter)] for parameter in group["params"]]


BODY = [f"body.{index}.{kind}" for index in range(3) for kind in ("weight", "bias")]


def test_each_parameter_goes_to_the_first_group_that_matches_and_the_rest_to_the_first() -> None:
    model = network()
    selections = [Selection("norm", r"\.1\.", {"weight_decay": 0.1}), Selection("body", "^body", {"lr_scale": 0.5})]
    groups = make_groups(named_parameters(model), selections, split_decay=False)
    assert [(group["name"], names(model, group)) for group in groups] == [
        ("default", ["head.weight", "head.bias"]),
        ("norm", BODY[2:4]),
        ("body", BODY[:2] + BODY[4:]),
    ]
    assert [group["lr_scale"] for group in groups] == [1, 1, 0.5]
    assert ["weight_decay" in group for group in groups] == [False, True, False]


def test_biases_and_norms_are_kept_from_weight_decay_in_every_group() -> None:
    model = network()
    selections = [Selection("body", "^body", {"weight_decay": 0.3, "lr_scale": 0.5})]
    groups = make_groups(named_parameters(model), selections, split_decay=True)
    assert [(group["name"], names(model, group), group.get("weight_decay")) for group in groups] == [
        ("default", ["head.weight"], None),
        ("default (no decay)", ["head.bias"], 0),
        ("body", ["body.0.weight", "body.2.weight"], 0.3),
        ("body (no decay)", ["body.0.bias", "body.1.weight", "body.1.bias", "body.2.bias"], 0),
    ]
    assert [group["lr_scale"] for group in groups] == [1, 1, 0.5, 0.5]


def test_a_bias_of_two_dimensions_is_a_bias() -> None:
    model = nn.ParameterDict({"bias": nn.Parameter(torch.zeros(2, 2)), "scale": nn.Parameter(torch.zeros(2, 2))})
    groups = make_groups(named_parameters(model), [], split_decay=True)
    assert [(group["name"], names(model, group)) for group in groups] == [
        ("default", ["scale"]),
        ("default (no decay)", ["bias"]),
    ]


def test_frozen_parameters_are_in_no_group_and_a_pattern_without_parameters_is_a_fault() -> None:
    model = network()
    with pytest.raises(MisfitError, match=r"^train\.freeze: .* got 'tail'; not matched yet: body\.1\.weight, "):
        freeze(named_parameters(model), [r"^body\.0", "bias$", "tail"])
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert frozen == [name for name in BODY if name.startswith("body.0") or name.endswith("bias")] + ["head.bias"]
    first = Selection("first", r"^body\.0", {})
    with pytest.raises(MisfitError, match=r"^param_groups: .* got '\^body\\\\\.0'; not matched yet: "):
        make_groups(named_parameters(model), [first], split_decay=False)
    assert [names(model, group) for group in make_groups(named_parameters(model), [], split_decay=False)] == [
        ["body.1.weight", "body.2.weight", "head.weight"]
    ]


def rates(optimizer: torch.optim.Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def parameter() -> nn.Parameter:
    return nn.Parameter(torch.zeros(1))


def test_groups_keep_their_ratios_and_tensors_are_set_in_place() -> None:
    model = network()
    groups = [
        {"params": list(model.body.parameters()), "lr": torch.tensor(0.5)},
        {"params": list(model.head.parameters())},
    ]
    optimizer = torch.optim.Adam(groups, lr=0.1)
    assert group_scales(optimizer.param_groups) == pytest.approx([1, 0.2])
    assert describe_groups(optimizer) == (Group("group 0", 1, None), Group("group 1", pytest.approx(0.2), None))
    sweep = GroupRates(optimizer)
    held = optimizer.param_groups[0]["lr"]
    sweep.set(0.25)
    assert optimizer.param_groups[0]["lr"] is held
    assert rates(optimizer) == pytest.approx([0.25, 0.05])


@pytest.mark.parametrize(("lrs", "scales"), [([0.0, 0.2], [0, 1]), ([0.0, 0.0], [1, 1]), ([0.3], [1])])
def test_a_group_with_a_learning_rate_of_zero_stays_there(lrs: list[float], scales: list[float]) -> None:
    assert group_scales(torch.optim.SGD([{"params": [parameter()], "lr": lr} for lr in lrs]).param_groups) == scales


def test_a_fixed_group_is_not_swept_and_is_no_reference() -> None:
    groups = [
        {"params": [parameter()], "lr": 0.7, "fixed_lr": True, "name": "head"},
        {"params": [parameter()], "lr": 0.2, "name": "a"},
        {"params": [parameter()], "lr": 0.1, "name": "b"},
    ]
    optimizer = torch.optim.SGD(groups)
    described = describe_groups(optimizer)
    assert described == (Group("head", None, 0.7), Group("a", 1, None), Group("b", 0.5, None))
    GroupRates(optimizer).set(1e-3)
    assert rates(optimizer) == [0.7, 1e-3, 5e-4]
    assert [group.lr(1e-3) for group in described] == rates(optimizer)


def test_a_scale_of_its_own_goes_before_the_ratio_as_in_timm() -> None:
    groups = [{"params": [parameter()], "lr_scale": scale} for scale in (0.25, 0.5)]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    GroupRates(optimizer).set(1.0)
    assert rates(optimizer) == [0.25, 0.5]


def test_the_single_group_of_an_optimizer_is_called_default() -> None:
    assert describe_groups(torch.optim.SGD([parameter()], lr=0.1)) == (Group("default", 1, None),)


class Wrapper(torch.optim.Optimizer):
    """An optimizer around another one, with groups of its own."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        super().__init__([{**group} for group in optimizer.param_groups], {})
        self.optimizer = optimizer

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.optimizer.step()


def test_the_learning_rate_reaches_the_optimizer_inside() -> None:
    inner = torch.optim.SGD([{"params": [parameter()], "lr": 1.0}, {"params": [parameter()], "lr": 0.5}])
    outer = Wrapper(inner)
    GroupRates(outer).set(0.2)
    assert rates(inner) == rates(outer) == [0.2, 0.1]
    shared = Wrapper(inner)
    shared.param_groups = inner.param_groups
    GroupRates(shared).set(0.4)
    assert rates(inner) == [0.4, 0.2]


class ThirdParty(torch.optim.Optimizer):
    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                weight -= group["lr"] * weight.grad.sign()


OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "foreach": lambda parameters: torch.optim.AdamW(parameters, lr=1.0, foreach=True),
    "for loop": lambda parameters: torch.optim.AdamW(parameters, lr=1.0, foreach=False),
    "fused": lambda parameters: torch.optim.AdamW(parameters, lr=1.0, fused=True),
    "fused, tensor": lambda parameters: torch.optim.AdamW(parameters, lr=torch.tensor(1.0), fused=True),
    "tensor": lambda parameters: torch.optim.SGD(parameters, lr=torch.tensor(1.0), foreach=False),
    "third party": lambda parameters: ThirdParty(parameters, lr=1.0),
    "wrapper": lambda parameters: Wrapper(torch.optim.SGD(parameters, lr=1.0)),
}


@pytest.mark.parametrize("make_optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_groups_are_swept_as_in_a_loop_by_hand(make_optimizer: Callable[[Any], torch.optim.Optimizer]) -> None:
    lrs = ladder(1e-4, 1e-2, 15)
    generator = torch.Generator().manual_seed(1)
    data = [torch.randn(16, 4, generator=generator) for _ in lrs]

    def groups(model: Network) -> list[dict[str, Any]]:
        selections = [Selection("head", "^head", {"lr_scale": 0.1}), Selection("norm", r"\.1\.", {"fixed_lr": True})]
        return make_groups(named_parameters(model), selections, split_decay=True)

    def step(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return (model(x) - x.sum(1, keepdim=True)).square().mean()

    model = network()
    optimizer = make_optimizer(groups(model))
    inner = getattr(optimizer, "optimizer", optimizer)
    expected = []
    for lr, x in zip(lrs, data, strict=True):
        for group in inner.param_groups:
            value = {"head": 0.1 * lr, "norm": 1.0}.get(group["name"].removesuffix(" (no decay)"), lr)
            group["lr"] = torch.tensor(value) if isinstance(group["lr"], torch.Tensor) else value
        inner.zero_grad()
        loss = step(model, x)
        expected.append(loss.item())
        loss.backward()
        inner.step()

    swept = network()
    sweep = run_sweep(swept, data, step, make_optimizer(groups(swept)), lrs, device=CPU, seed=0)
    assert sweep.stop_reason is StopReason.COMPLETED
    assert sweep.losses == tuple(expected)


def test_sparse_gradients() -> None:
    model = nn.Embedding(10, 1, sparse=True)
    nn.init.ones_(model.weight)
    optimizer = torch.optim.SparseAdam(model.parameters(), lr=1.0)
    words = torch.arange(5)

    def step(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return model(batch).square().mean()

    sweep = run_sweep(model, [words] * 20, step, optimizer, ladder(1e-3, 0.1, 20), device=CPU, seed=0)
    assert sweep.losses[-1] < 0.5 < sweep.losses[0] == 1
    assert torch.equal(model.weight[5:], torch.ones(5, 1))


@pytest.mark.parametrize(
    ("groups", "scales"),
    [
        ([{"lr": 0.0, "initial_lr": 0.1}, {"lr": 0.0, "initial_lr": 0.3}], [1, 3]),
        ([{"lr": 0.2, "initial_lr": 0.1}, {"lr": 0.0, "initial_lr": 0.3}], [1, 0]),
        ([{"lr": 0.0}, {"lr": 0.0}], [1, 1]),
    ],
    ids=["before a warm-up", "one group rests", "no scheduler"],
)
def test_before_a_warm_up_the_groups_stand_as_they_set_out(groups: list[dict[str, Any]], scales: list[float]) -> None:
    assert group_scales(groups) == pytest.approx(scales)
