"""Networks, losses and batches that no learning rate can be read from, for the configs of `accuracy.refusals`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from accuracy.data import load
from accuracy.models import mlp


def dead_relu(outputs: int) -> nn.Sequential:
    """Return a network for digits whose hidden units are all off, and that has no bias behind them to learn."""
    model = mlp([64, 64, outputs])
    first = model[0]
    assert isinstance(first, nn.Linear)
    nn.init.constant_(first.bias, -1e4)
    model[-1] = nn.Linear(64, outputs, bias=False)
    return model


def broken() -> nn.Sequential:
    """Return a network for digits of which one weight is NaN, as after a training that blew up."""
    model = mlp([64, 64, 10])
    first = model[0]
    assert isinstance(first, nn.Linear)
    nn.init.constant_(first.bias[:1], math.nan)
    return model


def constant(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return a loss that is always 1."""
    return 1 + 0 * outputs.sum()


def noise(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return a loss that is drawn at random."""
    return torch.randn(()) + 0 * outputs.sum()


def of_the_batch(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return a loss that is another one for every batch, whatever the outputs are."""
    return targets.float().mean() + 0 * outputs.sum()


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the squared error of a single output beside the digit that is shown."""
    return nn.functional.mse_loss(outputs.squeeze(1), targets.float())


def with_random_labels(samples: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return a batch of digits whose labels are drawn at random, anew each time that it is made."""
    x, y = default_collate(list(samples))
    return x, torch.randint(10, y.shape)


def with_random_targets(samples: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return a batch of digits whose targets are normal numbers, drawn anew each time that it is made."""
    x, y = default_collate(list(samples))
    return x, torch.randn(len(y), 1)


def stream(batches: int, batch_size: int = 32) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield mini-batches of digits that can be read only once."""
    split = load("digits")
    for first in range(0, batches * batch_size, batch_size):
        yield split.x[first : first + batch_size], split.y[first : first + batch_size]
