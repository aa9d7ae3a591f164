from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

import pytest
import torch
from torch import nn

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


def test_a_module_that_torchscript_compiled_is_put_back() -> None:
    with pytest.warns(Warning, match="deprecated"):  # where it is not, it is put back all the same
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
    model.own = deque([1])
    snapshot = Snapshot(model, None, len)
    model.own.append(2)
    own, model.own = model.own, deque()
    snapshot.restore()
    assert model.own is own
    assert list(own) == [1, 2]


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
