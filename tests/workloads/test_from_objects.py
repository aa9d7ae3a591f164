from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import nn

from lrfind.settings import settings_of
from lrfind.training.snapshot import Snapshot
from lrfind.workloads.from_objects import Objects, ObjectsWorkload


def workload(loader: Iterable[Any] = ((torch.ones(2, 4), torch.ones(2, 1)),), **options: Any) -> ObjectsWorkload:
    model = nn.Linear(4, 1).eval()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    objects = Objects(model, loader, nn.MSELoss(), optimizer, **options)
    settings = settings_of({"accumulate": 3, "world_size": 2})
    return ObjectsWorkload(settings=settings, device=torch.device("cpu"), objects=objects)


def train(workload: ObjectsWorkload) -> list[float]:
    model, optimizer, step, batches = workload.fresh(lambda note: None)
    losses = []
    for _ in range(3):
        for batch in batches:
            optimizer.zero_grad()
            loss = step(model, batch)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def test_every_start_is_the_same_and_in_training_mode() -> None:
    made = workload()
    assert train(made) == train(made)
    assert made.objects.model.training
    assert [group.lr_scale for group in made.groups] == [1]


def test_an_iterator_is_handed_out_once() -> None:
    made = workload(iter([(torch.ones(2, 4), torch.ones(2, 1))]))
    assert len(train(made)) == 1
    assert train(made) == []


def test_the_recipe_is_that_of_the_training() -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    made = workload(scaler=scaler)
    assert made.recipe.accumulate == 6
    assert made.recipe.scaler is not None
    assert made.recipe.scaler["scale"] == 8


def test_a_second_interrupt_does_not_leave_half_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = workload()
    weight = made.objects.model.weight.clone()  # type: ignore[operator]
    restore, calls = Snapshot.restore, []

    def interrupted(self: Snapshot) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        restore(self)

    monkeypatch.setattr(Snapshot, "restore", interrupted)
    with pytest.raises(KeyboardInterrupt), made.everything_restored():
        train(made)
    assert torch.equal(made.objects.model.weight, weight)  # type: ignore[arg-type]
    assert not made.objects.model.training
    assert not made.objects.optimizer.state
