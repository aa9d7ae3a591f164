"""`find_lr` on what Hugging Face's accelerate has prepared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import lrfind


@pytest.fixture(autouse=True)
def _no_state_left() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(True)
    GradientState._reset_state()


class Training:
    def __init__(self, accumulate: int) -> None:
        torch.manual_seed(0)
        x = torch.randn(256, 8)
        data = TensorDataset(x, x.sum(1, keepdim=True) + torch.randn(256, 1))
        self.accelerator = Accelerator(gradient_accumulation_steps=accumulate, cpu=True)
        model = nn.Linear(8, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        self.model, self.optimizer, self.loader = self.accelerator.prepare(
            model, optimizer, DataLoader(data, 8, shuffle=True)
        )

    def find(self, **settings: Any) -> tuple[lrfind.Answer, list[str]]:
        notes: list[str] = []
        parts = (self.model, self.loader, nn.MSELoss(), self.optimizer)
        return lrfind.find_lr(*parts, num_iter=40, probe_steps=10, on_note=notes.append, **settings), notes

    def train(self, find: bool = False) -> list[Tensor]:
        for _ in range(2):
            for index, (x, y) in enumerate(self.loader):
                with self.accelerator.accumulate(self.model):
                    self.accelerator.backward(nn.functional.mse_loss(self.model(x), y))
                    self.optimizer.step()
                    self.optimizer.zero_grad()
                if find and index == 1:  # in the middle of an update
                    self.find()
        return [parameter.detach().clone() for parameter in self.model.parameters()]


def test_the_accumulation_of_accelerate_is_that_of_the_search() -> None:
    answer, notes = Training(4).find()
    given, _ = Training(4).find(accumulate=4)
    assert answer.settings["train"]["accumulate"] == 4
    assert answer.suggested_lr == given.suggested_lr
    assert "accelerate averages the gradients of 4 mini-batches, and so does the search." in notes
    assert Training(4).find(accumulate=2)[0].settings["train"]["accumulate"] == 2
    assert "accelerate" not in " ".join(Training(1).find()[1])


@pytest.mark.parametrize("accumulate", [1, 4])
def test_the_training_goes_on_as_if_nothing_had_been_searched(accumulate: int) -> None:
    assert all(map(torch.equal, Training(accumulate).train(find=True), Training(accumulate).train()))
