from __future__ import annotations

import argparse
from collections import OrderedDict, deque
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from lrfind.training.snapshot import Snapshot


def test_a_tensor_gets_its_values_and_its_storage_back() -> None:
    weight = nn.Parameter(torch.tensor([1.0, float("nan"), -0.0]))
    place, version = weight.data_ptr(), weight._version
    snapshot = Snapshot(weight)
    weight.data = torch.zeros(3)
    weight.requires_grad_(False)
    snapshot.restore()
    assert weight.data_ptr() == place
    assert weight.requires_grad
    assert weight.tolist()[0] == 1
    assert weight.isnan().tolist() == [False, True, False]
    assert weight.signbit().tolist()[2]
    assert weight._version == version  # a graph that was made before can still be gone back through


def test_a_graph_from_before_can_be_gone_back_through() -> None:
    weight = nn.Parameter(torch.ones(2))
    loss = (weight * weight).sum()
    snapshot = Snapshot(weight)
    weight.data.zero_()
    snapshot.restore()
    loss.backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [2, 2]


def test_gradients_are_gone_at_the_start_and_back_at_the_end() -> None:
    with_grad, without = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    with_grad.grad = grad = torch.tensor([3.0, 4.0])
    snapshot = Snapshot([with_grad, without])
    snapshot.rewind()
    assert with_grad.grad is None
    with_grad.grad, without.grad = torch.zeros(2), torch.zeros(2)
    snapshot.restore()
    assert with_grad.grad is grad
    assert grad.tolist() == [3, 4]
    assert without.grad is None


def test_memory_that_repeats_itself_is_put_back() -> None:
    expanded = torch.tensor([[1.0], [2.0]]).expand(2, 3)
    snapshot = Snapshot([expanded])
    expanded[:, 0].zero_()
    snapshot.restore()
    assert expanded.tolist() == [[1, 1, 1], [2, 2, 2]]


def test_a_sparse_buffer_is_put_back() -> None:
    sparse = torch.eye(3).to_sparse()
    snapshot = Snapshot({"a": sparse})
    sparse.zero_()
    snapshot.restore()
    assert torch.equal(sparse.to_dense(), torch.eye(3))


@pytest.mark.parametrize("container", [{"b": 1, "a": 2}, OrderedDict(b=1, a=2)], ids=["dict", "OrderedDict"])
def test_a_mapping_stays_the_same_object_with_the_same_keys(container: dict[str, int]) -> None:
    snapshot = Snapshot(container)
    del container["b"]
    container.update(c=3, b=4)
    snapshot.restore()
    assert list(container.items()) == [("b", 1), ("a", 2)]


def test_keys_may_be_tensors() -> None:
    first, second, third = torch.zeros(2), torch.zeros(2), torch.zeros(2)
    state = {first: {"step": 1}, second: {"step": 2}}
    snapshot = Snapshot(state)
    del state[first]
    state[third] = {"step": 9}
    state[second]["step"] = 7
    snapshot.restore()
    assert [*map(id, state)] == [id(first), id(second)]
    assert list(state.values()) == [{"step": 1}, {"step": 2}]


def test_circles_end() -> None:
    items: list[Any] = [torch.ones(1)]
    items.append((items, {"again": items}))
    snapshot = Snapshot(items)
    items[0].zero_()
    del items[1]
    snapshot.restore()
    assert items[0].item() == 1
    assert len(items) == 2


def test_a_module_gets_back_what_was_replaced_added_and_removed() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model.train()
    model[1].eval()
    model[0].history = [1]
    weight, mean = model[0].weight, model[1].running_mean
    snapshot = Snapshot(model)
    model[0].weight = nn.Parameter(torch.zeros(2, 2))
    model[1].running_mean = torch.ones(2)
    model[0].history.append(2)
    model[0].cache = "new"
    model.register_forward_hook(lambda *_: None)
    del model[1].eps
    model.eval()
    snapshot.restore()
    assert model[0].weight is weight
    assert model[1].running_mean is mean
    assert model[0].history == [1]
    assert not hasattr(model[0], "cache")
    assert not model._forward_hooks
    assert model[1].eps == 1e-5
    assert [module.training for module in model.modules()] == [True, True, False]


@pytest.mark.filterwarnings("ignore:.*deprecated:Warning")  # later releases of torch say so of TorchScript
def test_a_module_that_torchscript_compiled_is_put_back() -> None:
    model = torch.jit.script(nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1)))
    values = {name: value.clone() for name, value in model.state_dict().items()}
    snapshot = Snapshot(model)
    model.eval()
    for value in model.state_dict().values():
        value.fill_(7)
    snapshot.restore()
    assert all(torch.equal(value, values[name]) for name, value in model.state_dict().items())
    assert all(module.training for module in model.modules())


def test_an_optimizer_within_another_is_put_back() -> None:
    class Around(torch.optim.Optimizer):
        def __init__(self, optimizer: torch.optim.Optimizer) -> None:
            self.optimizer = optimizer

    weight = nn.Parameter(torch.ones(1))
    inner = torch.optim.Adam([weight], lr=torch.tensor(0.5))
    lr = inner.param_groups[0]["lr"]
    snapshot = Snapshot(Around(inner))
    weight.grad = torch.ones(1)
    inner.param_groups[0]["lr"] = torch.tensor(3.0)
    inner.register_step_post_hook(lambda *_: None)
    inner.step()
    lr.fill_(9)
    snapshot.restore()
    assert inner.param_groups[0]["lr"] is lr
    assert (lr.item(), weight.item(), weight.grad) == (0.5, 1, None)
    assert not inner.state
    assert not inner._optimizer_step_post_hooks


def test_what_it_does_not_know_is_left_alone() -> None:
    model: Any = nn.Module()
    model.own = Fraction(1)
    snapshot = Snapshot(model, None, len)
    own, model.own = model.own, Fraction(2)
    snapshot.restore()
    assert model.own is own


class Average:
    """An average of the weights, as users write one."""

    def __init__(self, model: nn.Module) -> None:
        self.weights = [parameter.detach().clone() for parameter in model.parameters()]
        self.updates = 0
        self.recent: deque[int] = deque(maxlen=3)

    def update(self, model: nn.Module) -> None:
        self.updates += 1
        self.recent.append(self.updates)
        for mine, parameter in zip(self.weights, model.parameters(), strict=True):
            mine.lerp_(parameter.detach(), 0.5)

    def state(self) -> Any:
        return [weight.tolist() for weight in self.weights], self.updates, list(self.recent)


BANK: dict[str, Any] = {"rows": torch.zeros(3), "next": 0}
CALLS = 0


def counted(model: nn.Module) -> None:
    global CALLS
    CALLS += 1
    counted.own = CALLS  # type: ignore[attr-defined]
    BANK["rows"][BANK["next"] % 3] = 1.0
    BANK["next"] += 1


counted.own = 0  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step:UserWarning")
def test_what_a_function_holds_and_names_is_put_back() -> None:
    model, steps = nn.Linear(2, 1), 0
    average, swa, noise = Average(model), AveragedModel(model), torch.Generator().manual_seed(0)
    history = np.zeros(2)
    scheduler = torch.optim.lr_scheduler.StepLR(torch.optim.SGD(model.parameters(), lr=1.0), 1)

    def step(model: nn.Module, scale: float = 1.0) -> None:
        nonlocal steps
        steps += 1
        history[0] += 1
        scheduler.step()
        counted(model)
        with torch.no_grad():
            model.weight.add_(scale * torch.randn(1, 2, generator=noise))
        average.update(model)
        swa.update_parameters(model)

    def state() -> Any:
        parts = steps, history.tolist(), scheduler.state_dict(), CALLS, counted.own, str(BANK)  # type: ignore[attr-defined]
        return *parts, average.state(), str(swa.state_dict()), noise.get_state().tolist(), model.weight.tolist()

    before = state()
    snapshot = Snapshot(model, None, partial(step, scale=0.5))
    for _ in range(2):
        step(model)
        assert all(now != then for now, then in zip(state(), before, strict=True))
        snapshot.restore()
        assert state() == before
    assert snapshot.changed == []


def test_what_hooks_hold_is_put_back() -> None:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    averages = [Average(model) for _ in range(4)]
    model.register_forward_hook(lambda module, *_: averages[0].update(module))
    optimizer.register_step_post_hook(lambda *_: averages[1].update(model))
    model.weight.register_hook(lambda grad: averages[2].update(model))
    model.weight.register_post_accumulate_grad_hook(lambda weight: averages[3].update(model))
    before = [average.state() for average in averages]
    snapshot = Snapshot(model, optimizer)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert [average.updates for average in averages] == [1] * 4
    snapshot.restore()
    assert [average.state() for average in averages] == before


def test_what_belongs_to_a_library_is_watched_and_put_back_if_named() -> None:
    names = argparse.Namespace(best=1)

    def step() -> None:
        names.best += 1

    snapshot = Snapshot(step)
    assert snapshot.changed == []
    step()
    assert snapshot.changed == ["names (Namespace)"]
    snapshot = Snapshot(step, whole=[names])
    step()
    assert snapshot.changed == []
    snapshot.restore()
    assert names.best == 2


def test_data_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrfind.training.snapshot.LARGE", 100)
    tokens, images = torch.zeros(100), np.zeros(100)

    def step() -> None:
        tokens[0] += 1
        images[0] += 1

    snapshot = Snapshot(step)
    step()
    assert snapshot.changed == ["tokens (Tensor)"]
    snapshot.restore()
    assert (tokens[0], images[0]) == (1, 1)


def test_a_scaler_is_put_back() -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale(torch.ones(1))
    state = scaler.state_dict()
    snapshot = Snapshot(scaler)
    weight = nn.Parameter(torch.ones(1))
    weight.grad = torch.tensor([float("inf")])
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2
    snapshot.restore()
    assert scaler.state_dict() == state
