"""`find_lr` and `run_config`: the same answer as from the command line, and everything bit for bit as before."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import lrfind

CONFIGS = Path(__file__).parent.parent / "configs"


@pytest.fixture(scope="module")
def digits() -> Iterator[TensorDataset]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(CONFIGS)
        yield __import__("digits").digits()


class Net(nn.Module):
    """BatchNorm, dropout, a buffer that is not saved, one that is made anew, a counter: all that a training moves."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2))
        self.head = nn.Linear(32, 10)
        self.register_buffer("mean", torch.zeros(32), persistent=False)
        self.register_buffer("expanded", torch.zeros(1).expand(4))
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x)
        self.calls += 1
        self.mean = 0.9 * self.mean + 0.1 * hidden.detach().mean(0)
        return self.head(hidden)


class Training:
    """A plain training loop, in the middle of which something may be done."""

    def __init__(self, data: TensorDataset, optimizer: str, seeded_loader: bool = True) -> None:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        self.model = Net()
        kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
            "SGD": lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.9),
            "Adam": lambda groups: torch.optim.Adam(groups, lr=torch.tensor(1e-3), foreach=False, capturable=False),
            "AdamW": lambda groups: torch.optim.AdamW(groups, lr=1e-3, fused=True),
        }
        groups = [{"params": self.model.body.parameters()}, {"params": self.model.head.parameters(), "lr": 0.01}]
        self.optimizer = kinds[optimizer](groups)
        generator = torch.Generator().manual_seed(2) if seeded_loader else None
        self.loader = DataLoader(data, 64, shuffle=True, generator=generator)
        self.loss_fn = nn.CrossEntropyLoss(weight=torch.linspace(0.5, 1.5, 10))
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, [0.1, 0.02], total_steps=60)
        self.losses: list[float] = []

    def train(self, steps: int) -> None:
        self.model.train()
        batches = iter(self.loader)
        for _ in range(steps):
            x, y = next(batches)
            self.optimizer.zero_grad()
            loss = self.loss_fn(self.model(x + 0.01 * random.random() + 0.01 * np.random.rand()), y)
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
            self.losses.append(loss.item())

    def find(self, **options: Any) -> lrfind.Answer:
        options = {"num_iter": 30, "probe_steps": 10, "max_probe_steps": 10} | options
        if "step" in options:
            return lrfind.find_lr(self.model, self.loader, optimizer=self.optimizer, **options)
        return lrfind.find_lr(self.model, self.loader, self.loss_fn, self.optimizer, **options)

    def state(self) -> dict[str, Any]:
        """All that there is to compare, copied."""
        return copy.deepcopy(
            {
                "tensors": dict(self.model.named_parameters()) | dict(self.model.named_buffers()),
                "grads": {name: parameter.grad for name, parameter in self.model.named_parameters()},
                "wanted": [parameter.requires_grad for parameter in self.model.parameters()],
                "modes": [module.training for module in self.model.modules()],
                "calls": self.model.calls,
                "optimizer": self.optimizer.state_dict(),
                "attributes": sorted(vars(self.optimizer)),
                "hooks": len(self.optimizer._optimizer_step_pre_hooks),
                "scheduler": {k: v for k, v in self.scheduler.state_dict().items() if k != "_anneal_func"},
                "chance": (random.getstate(), np.random.get_state(), torch.get_rng_state()),
                "loader": self.loader.generator.get_state() if self.loader.generator else None,
            }
        )


def same(one: Any, other: Any) -> bool:
    """Tell whether two nested values are equal to the last bit."""
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and bits(one) == bits(other)
    if isinstance(one, np.ndarray):
        return bool((one == other).all())
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def bits(tensor: Tensor) -> bytes:
    return tensor.detach().contiguous().numpy().tobytes()


@pytest.mark.parametrize("seeded_loader", [True, False], ids=["own generator", "global generator"])
@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("before", [0, 7])
def test_a_training_goes_on_as_if_nothing_had_been(
    digits: TensorDataset, optimizer: str, before: int, seeded_loader: bool
) -> None:
    plain = Training(digits, optimizer, seeded_loader)
    plain.train(before)
    plain.train(12)
    end = plain.state()
    searched = Training(digits, optimizer, seeded_loader)
    searched.train(before)
    state = searched.state()
    parts = [*searched.model.parameters(), *(group["lr"] for group in searched.optimizer.param_groups)]
    places = [parameter.data_ptr() for parameter in searched.model.parameters()]
    answer = searched.find()
    assert len(answer.probes) >= 3
    assert same(searched.state(), state)
    now = [*searched.model.parameters(), *(group["lr"] for group in searched.optimizer.param_groups)]
    assert all(one is other for one, other in zip(parts, now, strict=True) if isinstance(one, Tensor))
    assert [parameter.data_ptr() for parameter in searched.model.parameters()] == places
    searched.train(12)
    assert searched.losses == plain.losses
    assert same(searched.state(), end)
