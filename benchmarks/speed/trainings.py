"""The trainings that are timed: as anyone would write them down, and as lrfind sweeps them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch._dynamo
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import FakeData
from torchvision.models import resnet18
from torchvision.transforms import v2

from lrfind.config.schema import Config, DataConfig
from lrfind.training.ladder import ladder
from lrfind.training.step import DefaultStep
from lrfind.training.sweep import PLAIN, run_sweep
from lrfind.training.update import Recipe as Update
from lrfind.workloads.config_data import build_loader

CONFIGS = Path(__file__).parents[2] / "configs"
sys.path.insert(0, str(CONFIGS))

DIGITS: Any = importlib.import_module("digits")  # the data and the network of configs/digits.yaml

DEVICE = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


@dataclass(frozen=True)
class Recipe:
    """A training to time: what is trained, on what, for how many steps."""

    name: str
    dataset: Callable[[], Dataset[Any]]
    model: Callable[[], nn.Module]
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    batch_size: int
    steps: int

    def start(self) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Return the same untrained model and optimizer at every call."""
        torch.manual_seed(0)
        model = self.model().to(DEVICE).train()
        return model, self.optimizer(model.parameters())


def digits_mlp() -> nn.Module:
    """Return a network so small that the loop around it shows."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def pictures() -> FakeData:
    """Return 32x32 pictures with the augmentation of configs/cifar10_resnet18.yaml."""
    augment = v2.Compose(
        [v2.ToImage(), v2.RandomCrop(32, 4), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, True)]
    )
    return FakeData(512, (3, 32, 32), 10, augment)


def _sgd(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=1e-6, momentum=0.9)


RECIPES = (
    Recipe("digits CNN, SGD, batch 64", DIGITS.digits, DIGITS.cnn, _sgd, 64, 200),
    Recipe("digits MLP, Adam, batch 64", DIGITS.digits, digits_mlp, lambda p: torch.optim.Adam(p, lr=1e-6), 64, 600),
    Recipe("ResNet-18, 32x32, SGD, batch 32", pictures, lambda: resnet18(num_classes=10), _sgd, 32, 8),
)


def bare_loop(recipe: Recipe, batches: Iterable[Any]) -> None:
    """Train as anyone would write it down."""
    model, optimizer = recipe.start()
    for x, y in islice(batches, recipe.steps):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x.to(DEVICE)), y.to(DEVICE))
        loss.backward()
        optimizer.step()
        loss.item()


def bare_bf16(recipe: Recipe, batches: Iterable[Any]) -> None:
    """Train in bfloat16 as PyTorch's documentation writes it down."""
    model, optimizer = recipe.start()
    for x, y in islice(batches, recipe.steps):
        optimizer.zero_grad()
        with torch.autocast(DEVICE.type, torch.bfloat16):
            loss = functional.cross_entropy(model(x.to(DEVICE)), y.to(DEVICE))
        loss.backward()
        optimizer.step()
        loss.item()


def bare_accumulation(recipe: Recipe, batches: Iterable[Any]) -> None:
    """Train with four mini-batches to an update."""
    model, optimizer = recipe.start()
    total = torch.zeros((), device=DEVICE)
    for index, (x, y) in enumerate(islice(batches, recipe.steps), 1):
        loss = functional.cross_entropy(model(x.to(DEVICE)), y.to(DEVICE)) / 4
        loss.backward()
        total += loss.detach()
        if index % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()
            total.item()
            total = torch.zeros((), device=DEVICE)


def bare_clipping(recipe: Recipe, batches: Iterable[Any]) -> None:
    """Train with the gradients clipped."""
    model, optimizer = recipe.start()
    for x, y in islice(batches, recipe.steps):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x.to(DEVICE)), y.to(DEVICE))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()


UPDATES: dict[str, tuple[Callable[[Recipe, Iterable[Any]], None], Update]] = {
    "plain": (bare_loop, PLAIN),
    "bf16": (bare_bf16, Update("bf16")),
    "accumulate 4": (bare_accumulation, Update(accumulate=4)),
    "clip the norm": (bare_clipping, Update(clip_grad_norm=1.0)),
}


def sweep(recipe: Recipe, batches: Iterable[Any], update: Update = PLAIN) -> None:
    """Train as lrfind does, over learning rates too small to diverge, so that no step is saved."""
    model, optimizer = recipe.start()
    lrs = ladder(1e-9, 1e-6, recipe.steps // update.accumulate)
    step = DefaultStep(functional.cross_entropy)
    run_sweep(model, batches, step, optimizer, lrs, device=DEVICE, seed=0, recipe=update)


def plain_loader(recipe: Recipe, dataset: Dataset[Any]) -> DataLoader[Any]:
    """Return the loader that anyone would write down."""
    return DataLoader(dataset, recipe.batch_size, shuffle=True, drop_last=True)


def own_loader(recipe: Recipe, dataset: Dataset[Any]) -> Iterable[Any]:
    """Return the loader that lrfind builds for the same config."""
    node = {"_target_": "not.used"}
    data = DataConfig(dataset=node, batch_size=recipe.batch_size)
    return build_loader(Config(model=node, optimizer=node, data=data), dataset, DEVICE)


def recycled(loader: Iterable[Any]) -> Iterator[Any]:
    """Yield the batches of `loader` over and over, for the bare loop."""
    while True:
        yield from loader
