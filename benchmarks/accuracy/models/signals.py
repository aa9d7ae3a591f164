"""Networks for series in time, and for shapes, discs and graphs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from accuracy.data.puzzles import SIDE
from accuracy.data.signals import BINS
from accuracy.models.dense import mlp


def tone_cnn(classes: int) -> nn.Sequential:
    """Return two strided convolutions with BatchNorm along a series."""

    def block(inputs: int, outputs: int, size: int) -> list[nn.Module]:
        return [nn.Conv1d(inputs, outputs, size, 2), nn.BatchNorm1d(outputs), nn.ReLU()]

    body = [*block(1, 8, 9), *block(8, 16, 7), nn.AdaptiveMaxPool1d(2)]
    return nn.Sequential(nn.Unflatten(1, (1, -1)), *body, nn.Flatten(), nn.Linear(32, classes))


class SpectrumEncoder(nn.Module):
    """Places the two spectra of every tone on a sphere, shape (batch, 2, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp([BINS, 64, 16])

    def forward(self, x: Tensor) -> Tensor:
        """Return unit vectors."""
        return functional.normalize(self.body(x.flatten(0, 1)), dim=1).view(len(x), 2, -1)


class LoadLSTM(nn.Module):
    """An LSTM that forecasts the next load from past loads and temperatures."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.cells = nn.LSTM(2, width, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the next load, shape (batch, 1)."""
        states, _ = self.cells(x)
        load: Tensor = self.head(states[:, -1])
        return load


def shape_cnn(classes: int) -> nn.Sequential:
    """Return the network of PyTorch's MNIST example, made small: two convolutions and dropout."""
    body = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 12, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)]
    side = (SIDE - 4) // 2
    return nn.Sequential(*body, nn.Flatten(), *mlp([12 * side**2, 32, classes], dropout=0.5))


def disc_cnn(classes: int) -> nn.Sequential:
    """Return two convolutions with BatchNorm on a picture, each with a pool after it."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    body = [*block(1, 8), nn.MaxPool2d(2), *block(8, 16), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(16, classes))


class GraphNet(nn.Module):
    """Sums over neighbours and MLPs in turn (GIN, Xu 2018, arXiv 1810.00826), from the links of a graph alone."""

    def __init__(self, classes: int, width: int = 24) -> None:
        super().__init__()
        self.layers = nn.ModuleList([mlp([2, width, width]), mlp([width, width, width])])
        self.head = nn.Linear(2 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of each kind of graph."""
        degree = x.sum(2, keepdim=True) / 5
        triangles = ((x @ x) * x).sum(2, keepdim=True) / 10
        states = torch.cat([degree, triangles], 2)
        for layer in self.layers:
            states = layer(states + x @ states / 5).relu()
        logits: Tensor = self.head(torch.cat([states.mean(1), states.amax(1)], 1))
        return logits
