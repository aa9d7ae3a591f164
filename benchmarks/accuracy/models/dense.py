"""Fully connected networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from accuracy.data.tables import MODULUS

NORMS: dict[str, Any] = {"layer": nn.LayerNorm, "batch": nn.BatchNorm1d}


def mlp(
    sizes: Sequence[int],
    activation: str = "ReLU",
    norm: str | None = None,
    dropout: float = 0.0,
    bias: bool = True,
) -> nn.Sequential:
    """Return a fully connected network of layers `sizes`; a single pair of sizes is a linear model."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers.append(nn.Linear(inputs, outputs, bias))
        if norm is not None:
            layers.append(NORMS[norm](outputs))
        layers.append(getattr(nn, activation)())
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1], bias))


class TabularResNet(nn.Module):
    """Residual blocks on the columns of a table (Gorishniy 2021, arXiv 2106.11959, section 3.2), with LayerNorm."""

    def __init__(self, inputs: int, width: int = 48, blocks: int = 3, dropout: float = 0.1) -> None:
        super().__init__()
        self.stem = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), *mlp([width, 2 * width, width], dropout=dropout)) for _ in range(blocks)
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return one number for each row."""
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        number: Tensor = self.head(x)
        return number


class Coordinates(nn.Module):
    """Colours or heights from places: Fourier features (Tancik 2020, arXiv 2006.10739) and a small MLP."""

    frequencies: Tensor

    def __init__(self, features: int = 32, scale: float = 3.0, outputs: int = 3) -> None:
        super().__init__()
        self.register_buffer("frequencies", scale * torch.randn(2, features))
        self.body = mlp([2 * features, 64, 64, outputs])

    def forward(self, x: Tensor) -> Tensor:
        """Return the colours of each place, or what else it has."""
        angles = x @ self.frequencies
        colours: Tensor = self.body(torch.cat([angles.sin(), angles.cos()], 1))
        return colours


class VAE(nn.Module):
    """A variational autoencoder; it returns logits, means and log-variances side by side, shape (batch, 64 + 2 * 8)."""

    def __init__(self, latent: int = 8) -> None:
        super().__init__()
        self.encoder = mlp([64, 96, 2 * latent])
        self.decoder = mlp([latent, 96, 64])

    def forward(self, x: Tensor) -> Tensor:
        """Sample in training, decode the mean otherwise."""
        mean, log_variance = self.encoder(x).chunk(2, 1)
        noise = torch.randn_like(mean) if self.training else torch.zeros_like(mean)
        return torch.cat([self.decoder(mean + noise * (log_variance / 2).exp()), mean, log_variance], 1)


class PairEncoder(nn.Module):
    """Places the two views of every sample on a sphere, shape (batch, 2, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp([64, 128, 16], norm="batch")

    def forward(self, x: Tensor) -> Tensor:
        """Return unit vectors."""
        return functional.normalize(self.body(x.flatten(0, 1)), dim=1).view(len(x), 2, -1)


class Cosines(nn.Module):
    """The cosines of a sample with the learned direction of each class, for losses with a margin."""

    def __init__(self, classes: int = 10, width: int = 16) -> None:
        super().__init__()
        self.body = mlp([64, 96, width])
        self.directions = nn.Parameter(torch.randn(classes, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return the cosines, shape (batch, classes)."""
        return functional.normalize(self.body(x)) @ functional.normalize(self.directions).T


class Denoiser(nn.Module):
    """Finds the noise in a digit, told how much there is in the last column of its input."""

    frequencies: Tensor

    def __init__(self, width: int = 96, features: int = 8) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi * 2.0 ** torch.arange(features // 2))
        self.body = mlp([64 + features, width, width, 64], "SiLU")

    def forward(self, x: Tensor) -> Tensor:
        """Return the noise of each pixel."""
        angles = x[:, 64:] * self.frequencies
        noise: Tensor = self.body(torch.cat([x[:, :64], angles.sin(), angles.cos()], 1))
        return noise


def sums(width: int = 32) -> nn.Sequential:
    """Return a network that adds two numbers as symbols."""
    return nn.Sequential(nn.Embedding(MODULUS, width), nn.Flatten(), *mlp([2 * width, 96, MODULUS]))
