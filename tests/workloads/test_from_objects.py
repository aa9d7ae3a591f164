from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import nn

from lrfind.arguments import config_of_objects
from lrfind.training.snapshot import Snapshot
from lrfind.workloads.from_objects import LiveJob


def job(loader: Iterable[Any] = ((torch.ones(2, 4), torch.ones(2, 1)),), **options: Any) -> LiveJob:
    model = nn.Linear(4, 1).eval()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    objects: dict[str, Any] = {"model": model, "loader": loader, "loss_fn": nn.MSELoss(), "optimizer": optimizer}
    device = torch.device("cpu")
    config = config_of_objects({"accumulate": 3, "world_size": 2}, **objects, step=None, device=device)
    return LiveJob(config=config, device=device, **objects, **options)


def train(job: LiveJob) -> list[float]:
    model, optimizer, step, batches = job.fresh()
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
    made = job()
    assert train(made) == train(made)
    assert made.model.training
    assert [group.lr_scale for group in made.groups] == [1]


def test_an_iterator_is_handed_out_once() -> None:
    made = job(iter([(torch.ones(2, 4), torch.ones(2, 1))]))
    assert len(train(made)) == 1
    assert train(made) == []


def test_the_recipe_is_that_of_the_training() -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    made = job(scaler=scaler)
    assert made.recipe.accumulate == 6
    assert made.recipe.scaler is not None
    assert made.recipe.scaler["scale"] == 8


def test_a_second_interrupt_does_not_leave_half_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = job()
    weight = made.model.weight.clone()  # type: ignore[operator]
    restore, calls = Snapshot.restore, []

    def interrupted(self: Snapshot) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        restore(self)

    monkeypatch.setattr(Snapshot, "restore", interrupted)
    with pytest.raises(KeyboardInterrupt), made.everything_restored():
        train(made)
    assert torch.equal(made.model.weight, weight)  # type: ignore[arg-type]
    assert not made.model.training
    assert not made.optimizer.state
