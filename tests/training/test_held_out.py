from __future__ import annotations

import random
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, WeightedRandomSampler

from lrfind.errors import DataError, UserCodeError
from lrfind.training.held_out import (
    BATCHES,
    LOOKS,
    MOST,
    HeldOutLoss,
    batches_at,
    check_validation,
    divided,
    first_batches,
    split,
    validation_batches,
)
from lrfind.training.step import DefaultStep
from lrfind.training.update import Recipe

CPU = torch.device("cpu")
NUMBERS = TensorDataset(torch.arange(400.0)[:, None], torch.arange(400.0)[:, None])


class Stream(IterableDataset[int]):
    """Samples that come one after the other."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(400))


@given(samples=st.integers(0, 5000), update=st.integers(1, 600))
def test_a_split_spares_what_an_update_needs(samples: int, update: int) -> None:
    parts = split(range(samples), update, seed=0)
    if parts is None:
        return
    kept, held = parts
    assert sorted([*kept, *held]) == list(range(samples))
    assert len(kept) >= update
    assert BATCHES <= len(held) <= max(MOST, 2 * update)
    assert len(held) <= BATCHES * max(update, 2)
    assert len(held) <= samples // 5 or len(held) <= samples // 10


def test_the_seed_decides_who_is_held_out() -> None:
    assert split(NUMBERS, 32, seed=1) == split(NUMBERS, 32, seed=1) != split(NUMBERS, 32, seed=2)


@pytest.mark.parametrize("dataset", [Stream(), range(30), iter(range(400))], ids=["stream", "few", "iterator"])
def test_what_has_no_samples_to_spare_is_not_split(dataset: Any) -> None:
    assert split(dataset, 8, seed=0) is None


def test_held_out_samples_come_in_batches_of_one_size_and_draw_nothing() -> None:
    class Augmented(TensorDataset):
        def __getitem__(self, index: Any) -> Any:
            random.random()
            return super().__getitem__(index)

    random.seed(0)
    before = random.getstate()
    batches = batches_at(Augmented(*NUMBERS.tensors), range(36), 64)
    assert [len(x) for x, _ in batches] == [4] * BATCHES
    assert random.getstate() == before


@pytest.mark.parametrize(("batch_size", "sizes"), [(1, [2] * 20), (3, [3] * 13), (64, [5] * BATCHES)])
def test_no_held_out_batch_is_larger_than_those_of_the_training(batch_size: int, sizes: list[int]) -> None:
    """A larger one may not fit into memory; but a single sample has no other to take a target from."""
    assert [len(x) for x, _ in batches_at(NUMBERS, range(40), batch_size)] == sizes


def test_a_plain_loader_is_divided_into_two_that_share_no_sample() -> None:
    halves = divided(DataLoader(NUMBERS, 16, shuffle=True), 1, seed=0)
    assert halves is not None
    trained = {x.item() for batch, _ in halves.without_held_out(0) for x in batch}
    held = {x.item() for batch, _ in halves.batches() for x in batch}
    assert not trained & held
    orders = [[x.tolist() for x, _ in halves.without_held_out(seed)] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize(
    "loader",
    [
        [1, 2, 3],
        DataLoader(NUMBERS, batch_size=None),
        DataLoader(NUMBERS, 16, sampler=WeightedRandomSampler([1.0] * 400, 400)),
        DataLoader(NUMBERS, 200, shuffle=True),
    ],
    ids=["list", "unbatched", "own sampler", "all needed"],
)
def test_other_loaders_are_left_whole(loader: Any) -> None:
    assert divided(loader, 2, seed=0) is None


def test_a_validation_set_gives_samples_and_a_loader_its_first_batches() -> None:
    assert [len(x) for x, _ in validation_batches(NUMBERS, 4, seed=0)] == [4] * BATCHES
    assert [len(x) for x, _ in validation_batches(NUMBERS, 64, seed=0)] == [MOST // BATCHES] * BATCHES
    assert validation_batches(iter(range(100)), 4, seed=0) == list(range(BATCHES))
    assert first_batches([1, 2]) == [1, 2]


def test_a_validation_set_that_cannot_be_used_is_refused() -> None:
    check_validation(None, 4)
    check_validation(iter([1]), 4)
    with pytest.raises(DataError, match=r"data.validation: expected at least 8 samples, got 3"):
        check_validation(range(3), 4)
    with pytest.raises(UserCodeError, match=r"expected a data set, or an iterable of mini-batches, got int"):
        check_validation(7, 4)


class Net(nn.Module):
    """Dropout and a running average, which evaluation must not touch."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
        self.layers[1].eval()  # a part that the training keeps frozen

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.layers(x)
        return output


def looked(step: Any, model: nn.Module, steps: int = 40) -> HeldOutLoss:
    """Return the losses that a training of `steps` sees, without training."""
    seen = HeldOutLoss(batches_at(NUMBERS, range(40), 64), steps)
    look = seen.watch(model, step, CPU, Recipe())
    for done in range(steps + 1):
        look(done)
    return seen


@pytest.mark.parametrize(("steps", "at"), [(3, [0, 3]), (12, [0, 4, 8, 12]), (80, list(range(0, 81, 10)))])
def test_a_short_training_is_looked_at_less_often(steps: int, at: list[int]) -> None:
    assert looked(DefaultStep(nn.functional.mse_loss), Net(), steps).at == at


def test_the_loss_is_measured_at_even_distances_in_evaluation_mode_and_nothing_changes() -> None:
    model = Net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [part.training for part in model.modules()]
    generator = torch.get_rng_state()
    seen = looked(DefaultStep(nn.functional.mse_loss), model)
    assert seen.at == [5 * look for look in range(LOOKS + 1)]
    assert len(set(seen.losses)) == 1  # no dropout
    assert len(seen.losses[0]) == BATCHES
    assert [part.training for part in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(each.grad is None for each in model.parameters())


def test_the_losses_are_those_of_the_held_out_batches() -> None:
    model = Net().eval()
    seen = looked(DefaultStep(nn.functional.mse_loss), model)
    expected = [nn.functional.mse_loss(model(x), y).item() for x, y in batches_at(NUMBERS, range(40), 64)]
    assert seen.losses[0] == pytest.approx(expected)


def test_the_last_look_sees_each_target_with_the_inputs_of_another_sample() -> None:
    model = Net().eval()
    seen = looked(DefaultStep(nn.functional.mse_loss), model)
    expected = [nn.functional.mse_loss(model(x), y.roll(1, 0)).item() for x, y in batches_at(NUMBERS, range(40), 64)]
    assert seen.shuffled == pytest.approx(expected)


@pytest.mark.parametrize(
    "step",
    [
        lambda model, batch: model(batch[0]).square().mean(),
        lambda model, batch: ((batch[1][1:] > batch[1][:-1]).all() or [][0]) * model(batch[0]).mean(),
    ],
    ids=["the targets are not used", "the step fails on them"],
)
def test_targets_that_do_not_count_say_nothing(step: Any) -> None:
    seen = looked(step, Net().eval())
    assert seen.error is None
    assert len(seen.losses) == LOOKS + 1
    assert seen.shuffled == ()


def test_batch_norms_take_the_statistics_of_the_batches_that_are_evaluated() -> None:
    """The running averages of a training lag behind its weights."""
    model = nn.Sequential(nn.BatchNorm1d(1))
    seen = looked(DefaultStep(nn.functional.mse_loss), model)
    batches = batches_at(NUMBERS, range(40), 64)
    mean = sum(x.mean() for x, _ in batches) / len(batches)
    variance = sum(x.var() for x, _ in batches) / len(batches)
    expected = [nn.functional.mse_loss((x - mean) / variance.sqrt(), y).item() for x, y in batches]  # type: ignore[union-attr]
    assert seen.losses[0] == pytest.approx(expected, rel=1e-4)
    assert model[0].running_mean == 0
    assert model[0].momentum == 0.1
    assert model[0].training


def test_batches_too_small_for_statistics_are_evaluated_with_those_of_the_training() -> None:
    seen = HeldOutLoss([(torch.ones(1, 1), torch.ones(1, 1))] * 8, 8)
    look = seen.watch(nn.Sequential(nn.BatchNorm1d(1)), DefaultStep(nn.functional.mse_loss), CPU, Recipe())
    look(0)
    assert seen.error is None
    assert seen.losses[0] == pytest.approx([0.0] * 8, abs=1e-6)


def test_code_that_fails_in_evaluation_mode_ends_the_looks_with_nothing_kept() -> None:
    def step(model: nn.Module, batch: Any) -> Tensor:
        if calls.append(1) or len(calls) > 2 * BATCHES:
            raise TypeError("only for training")
        return model(batch[0]).mean()  # type: ignore[no-any-return]

    calls: list[int] = []
    seen = looked(step, Net())
    assert isinstance(seen.error, TypeError)
    assert (seen.at, seen.losses) == ([], [])
    assert len(calls) == 2 * BATCHES + 1


def test_the_decisions_of_the_default_step_are_left_to_the_training() -> None:
    """A model may return something else in training, such as auxiliary logits."""

    class Two(Net):
        def forward(self, x: Tensor) -> Any:
            output = super().forward(x)
            return SimpleNamespace(logits=output, auxiliary=output) if self.training else output

    step, model = DefaultStep(nn.functional.mse_loss), Two()
    assert len(looked(step, model).losses) == LOOKS + 1
    assert step(model, NUMBERS[:8]).requires_grad
