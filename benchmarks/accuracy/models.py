"""The networks of the tasks, and the losses that torch does not bring along. All are called as loss(model(x), y)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from accuracy.data import CONTEXT, low_digits, vocabulary

NORMS: dict[str, Any] = {"layer": nn.LayerNorm, "batch": nn.BatchNorm1d}


def mlp(sizes: Sequence[int], activation: str = "ReLU", norm: str | None = None, dropout: float = 0.0) -> nn.Sequential:
    """Return a fully connected network of layers `sizes`; a single pair of sizes is a linear model."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers.append(nn.Linear(inputs, outputs))
        if norm is not None:
            layers.append(NORMS[norm](outputs))
        layers.append(getattr(nn, activation)())
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def cnn(norm: bool = True) -> nn.Sequential:
    """Return three convolutions on an 8x8 picture, with BatchNorm or without."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        normed: list[nn.Module] = [nn.BatchNorm2d(outputs)] if norm else []
        return [nn.Conv2d(inputs, outputs, 3, padding=1), *normed, nn.ReLU()]

    body = [*block(1, 16), *block(16, 16), nn.MaxPool2d(2), *block(16, 32), nn.AdaptiveAvgPool2d(2)]
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *body, nn.Flatten(), nn.Linear(128, 10))


class Residual(nn.Module):
    """A residual block with BatchNorm; a stride of 2 halves the picture."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.short: nn.Module = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the block and its shortcut, rectified."""
        return functional.relu(self.body(x) + self.short(x))


def resnet() -> nn.Sequential:
    """Return a ResNet of two blocks on an 8x8 picture."""
    stem = [nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 12, 3, padding=1), nn.ReLU()]
    return nn.Sequential(
        *stem, Residual(12, 12), Residual(12, 24, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10)
    )


def _encoder(width: int, dropout: float) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


class ViT(nn.Module):
    """A transformer of two layers on the 2x2 patches of an 8x8 picture."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.embedding = nn.Linear(4, width)
        self.position = nn.Parameter(torch.randn(1, 16, width) * 0.02)
        self.encoder = _encoder(width, 0.0)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of 10 classes."""
        patches = x.view(-1, 4, 2, 4, 2).permute(0, 1, 3, 2, 4).reshape(-1, 16, 4)
        logits: Tensor = self.head(self.encoder(self.embedding(patches) + self.position).mean(1))
        return logits


class CharTransformer(nn.Module):
    """A causal transformer of two layers; its logits have shape (batch, vocabulary, length)."""

    def __init__(self, width: int = 32, dropout: float = 0.1) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary(), width)
        self.position = nn.Parameter(torch.randn(1, 48, width) * 0.02)
        self.encoder = _encoder(width, dropout)
        self.head = nn.Linear(width, vocabulary())

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of each next character."""
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        states = self.encoder(self.embedding(x) + self.position, mask=mask, is_causal=True)
        logits: Tensor = self.head(states).transpose(1, 2)
        return logits


class CharRNN(nn.Module):
    """A recurrent network of kind RNN, GRU or LSTM; its logits have shape (batch, vocabulary, length)."""

    def __init__(self, kind: str, width: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary(), width)
        self.cells = getattr(nn, kind)(width, width, batch_first=True)
        self.head = nn.Linear(width, vocabulary())

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of each next character."""
        states, _ = self.cells(self.embedding(x))
        logits: Tensor = self.head(states).transpose(1, 2)
        return logits


def char_mlp(width: int = 16) -> nn.Sequential:
    """Return a network that predicts a character from those just before it (Bengio 2003)."""
    words = [nn.Embedding(vocabulary(), width), nn.Flatten()]
    return nn.Sequential(*words, *mlp([CONTEXT * width, 128, vocabulary()], "Tanh"))


class Coordinates(nn.Module):
    """Colours from places: Fourier features (Tancik 2020, arXiv 2006.10739) and a small MLP."""

    frequencies: Tensor

    def __init__(self, features: int = 32, scale: float = 3.0) -> None:
        super().__init__()
        self.register_buffer("frequencies", scale * torch.randn(2, features))
        self.body = mlp([2 * features, 64, 64, 3])

    def forward(self, x: Tensor) -> Tensor:
        """Return the three colours of each place."""
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


class VAELoss(nn.Module):
    """The negative evidence lower bound, in nats per picture."""

    def forward(self, output: Tensor, picture: Tensor) -> Tensor:
        """Return the mean over the batch."""
        logits, mean, log_variance = output[:, :64], output[:, 64:72], output[:, 72:]
        rebuilt = functional.binary_cross_entropy_with_logits(logits, picture, reduction="none").sum(1)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
        bound: Tensor = (rebuilt + divergence).mean()
        return bound


class PairEncoder(nn.Module):
    """Places the two views of every sample on a sphere, shape (batch, 2, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp([64, 128, 16], norm="batch")

    def forward(self, x: Tensor) -> Tensor:
        """Return unit vectors."""
        return functional.normalize(self.body(x.flatten(0, 1)), dim=1).view(len(x), 2, -1)


class ContrastiveLoss(nn.Module):
    """InfoNCE at temperature 0.2: which of the second views in the batch belongs to this first one?"""

    def forward(self, output: Tensor, label: Tensor) -> Tensor:
        """Return the cross-entropy; the label is not used."""
        similarity = output[:, 0] @ output[:, 1].T / 0.2
        return functional.cross_entropy(similarity, torch.arange(len(output)))


def pretrained(frozen: bool = False) -> nn.Sequential:
    """Return a network that knows the digits 0 to 4, with a new last layer for five other classes.

    Args:
        frozen: Whether only the last layer is trained.
    """
    model = _with_head(5)
    model.load_state_dict({**model.state_dict(), **_pretraining()})
    for parameter in model[:-1].parameters():
        parameter.requires_grad_(not frozen)
    return model


def _with_head(classes: int) -> nn.Sequential:
    return mlp([64, 128, 64, classes])


@cache
def _pretraining() -> dict[str, Tensor]:
    """Return the weights but for the last layer, the same in every process; random generators are left alone."""
    x, y = low_digits()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = _with_head(5)
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(300):
            batch = torch.randint(len(x), (64,))
            optimizer.zero_grad()
            functional.cross_entropy(model(x[batch]), y[batch]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    last = f"{len(model) - 1}."
    return {name: value for name, value in model.state_dict().items() if not name.startswith(last)}
