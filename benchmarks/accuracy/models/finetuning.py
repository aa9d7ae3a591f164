"""Networks that have learned something else before: fine-tuned whole, in part, or through adapters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from accuracy.data import SOURCES
from accuracy.data.characters import english_contexts
from accuracy.data.physics import lorenz
from accuracy.data.pictures import low_digits, rotations
from accuracy.data.signals import INSTRUMENTS, PITCHES, pitches
from accuracy.models.characters import byte_mlp
from accuracy.models.dense import mlp
from accuracy.models.pictures import group_cnn
from accuracy.models.science import lorenz_mlp
from accuracy.models.signals import tone_cnn

Weights = dict[str, Tensor]


def pretrained(frozen: bool = False) -> nn.Sequential:
    """Return a network that knows the digits 0 to 4, with a new last layer for five other classes.

    Args:
        frozen: Whether only the last layer is trained.
    """
    return _with_new_head(mlp([64, 128, 64, 5]), _low_digits_mlp(), frozen)


def pretrained_cnn(classes: int, frozen: bool = False) -> nn.Sequential:
    """Return a CNN that can tell how the digits 0 to 4 are turned, with a new last layer for other classes.

    Args:
        classes: Number of them.
        frozen: Whether only the last layer is trained.
    """
    return _with_new_head(group_cnn(classes), _rotations_cnn(), frozen)


def _with_new_head(model: nn.Sequential, weights: Weights, frozen: bool) -> nn.Sequential:
    last = f"{len(model) - 1}."
    kept = {name: value for name, value in weights.items() if not name.startswith(last)}
    model.load_state_dict({**model.state_dict(), **kept})
    for parameter in model[:-1].parameters():
        parameter.requires_grad_(not frozen)
    return model


class LowRank(nn.Module):
    """A frozen layer with a trained product of two small matrices beside it (LoRA, Hu 2021, arXiv 2106.09685)."""

    def __init__(self, layer: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.down = nn.Linear(layer.in_features, rank, bias=False)
        self.up = nn.Linear(rank, layer.out_features, bias=False)
        nn.init.zeros_(self.up.weight)
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output and what the adapter adds."""
        total: Tensor = self.layer(x) + self.scale * self.up(self.down(x))
        return total


def adapted(rank: int = 4, alpha: float = 8.0) -> nn.Sequential:
    """Return a network that knows the digits upright, frozen, with an adapter beside each layer."""
    model = mlp([64, 128, 128, 10])
    model.load_state_dict(_digits_mlp())
    return nn.Sequential(*(LowRank(part, rank, alpha) if isinstance(part, nn.Linear) else part for part in model))


def adapted_byte_mlp(rank: int = 8, alpha: float = 16.0) -> nn.Sequential:
    """Return a network that knows English byte by byte, frozen, with an adapter beside each linear layer."""
    model = byte_mlp()
    model.load_state_dict(_english_mlp())
    model[0].requires_grad_(False)
    return nn.Sequential(*(LowRank(part, rank, alpha) if isinstance(part, nn.Linear) else part for part in model))


def adapted_lorenz_mlp(rank: int = 4, alpha: float = 4.0) -> nn.Sequential:
    """Return a network that forecasts the usual Lorenz system, frozen, with an adapter beside each layer."""
    model = lorenz_mlp()
    model.load_state_dict(_lorenz_mlp())
    return nn.Sequential(*(LowRank(part, rank, alpha) if isinstance(part, nn.Linear) else part for part in model))


def pretrained_tone_cnn() -> nn.Sequential:
    """Return a network that can tell how high a tone is, with a new last layer for the instruments."""
    return _with_new_head(tone_cnn(INSTRUMENTS), _pitch_cnn(), frozen=False)


@cache
def _low_digits_mlp() -> Weights:
    return _trained(lambda: mlp([64, 128, 64, 5]), *low_digits())


@cache
def _rotations_cnn() -> Weights:
    return _trained(lambda: group_cnn(4), *rotations(low_digits()[0]))


@cache
def _digits_mlp() -> Weights:
    return _trained(lambda: mlp([64, 128, 128, 10]), *SOURCES["digits"]())


@cache
def _english_mlp() -> Weights:
    return _trained(byte_mlp, *english_contexts(), steps=1500)


@cache
def _lorenz_mlp() -> Weights:
    return _trained(lorenz_mlp, *lorenz(), steps=1500, loss=functional.mse_loss)


@cache
def _pitch_cnn() -> Weights:
    return _trained(lambda: tone_cnn(PITCHES), *pitches(), steps=400)


def _trained(
    make: Callable[[], nn.Module],
    x: Tensor,
    y: Tensor,
    steps: int = 300,
    loss: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy,
) -> Weights:
    """Return the weights after a short training, the same in every process; random generators are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make()
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(steps):
            batch = torch.randint(len(x), (64,))
            optimizer.zero_grad()
            loss(model(x[batch]), y[batch]).backward()
            optimizer.step()
    return model.state_dict()
