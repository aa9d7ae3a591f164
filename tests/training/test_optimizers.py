"""Several optimizers as one: in a sweep, a config, `find_lr` and `apply`."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lrfind
from lrfind.errors import LrfindError, RecordError
from lrfind.schedule.code import code
from lrfind.schedule.kinds import set_up
from lrfind.schedule.learning_rates import learning_rates_given
from lrfind.schedule.scheduler import Length
from lrfind.training.groups import GroupRates, describe_groups
from lrfind.training.optimizers import Optimizers, combined
from lrfind.training.sweepable import why_not_swept
from lrfind.training.update_size import update_size

pytestmark = pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="needs torch 2.9, the first with Muon")
QUICK: dict[str, Any] = {"num_iter": 60, "probe_steps": 20, "on_note": lambda note: None}


def parts() -> tuple[nn.Module, list[torch.optim.Optimizer]]:
    """Return a model, and Muon for its matrices beside AdamW for the rest."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    muon = torch.optim.Muon([model[0].weight, model[2].weight], lr=0.02)
    biases = [{"params": [model[0].bias]}, {"params": [model[2].bias], "lr": 0.004}]
    return model, [muon, torch.optim.AdamW(biases, lr=0.002)]


def batches() -> list[tuple[Tensor, Tensor]]:
    draw = torch.Generator().manual_seed(0)
    inputs = [torch.randn(64, 8, generator=draw) for _ in range(8)]
    return [(x, x.sum(1, keepdim=True)) for x in inputs]


def test_an_update_is_that_of_each() -> None:
    model, optimizers = parts()
    twin = copy.deepcopy(model)
    muon = torch.optim.Muon([twin[0].weight, twin[2].weight], lr=0.1)
    adam = torch.optim.AdamW([{"params": [twin[0].bias]}, {"params": [twin[2].bias], "lr": 0.02}], lr=0.01)
    both = combined(optimizers)
    GroupRates(both).set(0.1)
    x, y = batches()[0]
    for own, trained in ((model, [both]), (twin, [muon, adam])):
        nn.functional.mse_loss(own(x), y).backward()
        for each in trained:
            each.step()
            each.zero_grad()
    assert all(map(torch.equal, model.parameters(), twin.parameters()))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_groups_are_named_by_their_optimizer() -> None:
    groups = describe_groups(combined(parts()[1]))
    assert [group.name for group in groups] == ["Muon", "AdamW group 0", "AdamW group 1"]
    assert [group.lr_scale for group in groups] == [1.0, pytest.approx(0.1), pytest.approx(0.2)]


def test_one_alone_stays_what_it_is_and_what_is_none_is_not_touched() -> None:
    _, (muon, _) = parts()
    assert combined([muon]) is muon
    assert combined(muon) is muon
    assert combined([]) == []
    assert combined(["x"]) == ["x"]


def test_find_lr_sweeps_them_together_and_leaves_no_trace() -> None:
    model, optimizers = parts()
    before = str([model.state_dict(), *(each.state_dict() for each in optimizers)])
    answer = lrfind.find_lr(model, batches(), nn.MSELoss(), optimizers, **QUICK)
    assert str([model.state_dict(), *(each.state_dict() for each in optimizers)]) == before
    assert answer, answer.message
    lr = answer.suggested_lr
    assert lr is not None
    assert answer.group_lrs == pytest.approx({"Muon": lr, "AdamW group 0": lr / 10, "AdamW group 1": lr / 5})
    assert "Muon + AdamW" in answer.title
    schedulers = [torch.optim.lr_scheduler.CosineAnnealingLR(each, 10) for each in optimizers]
    answer.apply(optimizers, schedulers)
    assert [group["lr"] for each in optimizers for group in each.param_groups] == pytest.approx([lr, lr / 10, lr / 5])
    assert schedulers[1].base_lrs == pytest.approx([lr / 10, lr / 5])
    length = Length(1, 10)
    with pytest.raises(RecordError, match="each needs a scheduler of its own"):
        code("cosine", set_up("cosine", learning_rates_given(0.1, None), length), length, answer)


def test_dense_and_sparse_gradients() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.EmbeddingBag(50, 8, sparse=True), nn.Linear(8, 1))
    optimizers = [torch.optim.SparseAdam(model[0].parameters(), 0.01), torch.optim.Adam(model[1].parameters(), 0.01)]
    draw = torch.Generator().manual_seed(0)
    words = [torch.randint(50, (64, 5), generator=draw) for _ in range(8)]
    data = [(each, (each < 25).float().mean(1, keepdim=True)) for each in words]
    answer = lrfind.find_lr(model, data, nn.MSELoss(), optimizers, **QUICK)
    assert answer, answer.message
    assert list(answer.group_lrs) == ["SparseAdam", "Adam"]


def test_the_same_parameter_in_two_is_refused() -> None:
    model, (muon, _) = parts()
    both = [muon, torch.optim.SGD(model.parameters(), lr=0.1)]
    with pytest.raises(LrfindError, match="expected each parameter in one optimizer alone"):
        lrfind.find_lr(model, batches(), nn.MSELoss(), both)


def test_one_that_cannot_be_swept_is_named() -> None:
    model, (muon, _) = parts()
    both = Optimizers([muon, torch.optim.LBFGS([model[0].bias])])
    assert "LBFGS needs a closure" in str(why_not_swept(both))


def test_the_size_of_their_updates_is_that_of_the_largest() -> None:
    model, optimizers = parts()
    one, other = (update_size(each, [model[0].weight]) for each in optimizers)
    both = update_size(combined(optimizers), ())
    assert (one.normalized, other.normalized, both.normalized) == (True, True, True)
    assert one.replacing_lr is not None
    assert both.replacing_lr is not None
    assert both.replacing_lr <= one.replacing_lr * 1.01
    sgd = torch.optim.SGD([model[0].bias], lr=0.1)
    assert update_size(combined([optimizers[0], sgd]), ()).normalized is False
