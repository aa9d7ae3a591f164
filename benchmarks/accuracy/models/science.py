"""Networks for formulas of physics: forecasts, energies, fields, operators, sounds."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from accuracy.data.physics import ATOMS, SENSORS
from accuracy.models.dense import mlp


def lorenz_mlp() -> nn.Sequential:
    """Return a network that forecasts the three coordinates of the Lorenz system."""
    return mlp([3, 64, 64, 3], "SiLU")


class PairEnergies(nn.Module):
    """The energy of a cluster as a sum over pairs of atoms, from bumps along their distance (Schuett 2017)."""

    centres: Tensor

    def __init__(self, bumps: int = 16) -> None:
        super().__init__()
        self.register_buffer("centres", torch.linspace(0, 4, bumps))
        self.energy = mlp([bumps, 32, 1], "SiLU")

    def forward(self, x: Tensor) -> Tensor:
        """Return the energy, shape (batch, 1)."""
        rows, columns = torch.triu_indices(ATOMS, ATOMS, 1)
        distances = (x[:, rows] - x[:, columns]).square().sum(2, keepdim=True).sqrt()
        energy: Tensor = self.energy((-8 * (distances - self.centres).square()).exp()).sum(1)
        return energy


class SourceOfField(nn.Module):
    """The source of a field on 0 to 1 that obeys -u'' + u^3 = source, in units of 50 (Raissi 2019).

    The field is x (1 - x) N(x), which is 0 at both ends (Lagaris 1998, arXiv physics/9705023). Its derivatives are
    carried through the network N layer by layer.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.body = mlp([1, width, width, 1], "Tanh")

    def forward(self, x: Tensor) -> Tensor:
        """Return the source at each place, shape (batch, 1)."""
        value, slope, bend = 2 * x - 1, torch.full_like(x, 2), torch.zeros_like(x)
        for layer in self.body:
            value = layer(value)
            if isinstance(layer, nn.Linear):
                slope, bend = slope @ layer.weight.T, bend @ layer.weight.T
            else:
                rise = 1 - value.square()
                slope, bend = rise * slope, rise * bend - 2 * value * rise * slope.square()
        edge = x * (1 - x)
        source: Tensor = (edge * value) ** 3 - edge * bend - 2 * (1 - 2 * x) * slope + 2 * value
        return source / 50


class DeepONet(nn.Module):
    """A number from a function and a place: the product of two networks (Lu 2019, arXiv 1910.03193)."""

    def __init__(self, width: int = 48, features: int = 24) -> None:
        super().__init__()
        self.branch = mlp([SENSORS, width, features], "GELU")
        self.trunk = mlp([1, width, width, features], "GELU")
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the number for each function and place, shape (batch, 1)."""
        product = self.branch(x[:, :SENSORS]) * self.trunk(x[:, SENSORS:])
        number: Tensor = product.sum(1, keepdim=True) + self.bias
        return number


class Siren(nn.Module):
    """A signal along one coordinate by sines of sines, started as in Sitzmann 2020 (arXiv 2006.09661, section 3.2)."""

    def __init__(self, width: int = 48, pitch: float = 30.0) -> None:
        super().__init__()
        self.pitch = pitch
        first, inner, head = nn.Linear(1, width), [nn.Linear(width, width) for _ in range(2)], nn.Linear(width, 1)
        nn.init.uniform_(first.weight, -1, 1)
        for layer in (*inner, head):
            nn.init.uniform_(layer.weight, -math.sqrt(6 / width) / pitch, math.sqrt(6 / width) / pitch)
        self.layers, self.head = nn.ModuleList([first, *inner]), head

    def forward(self, x: Tensor) -> Tensor:
        """Return the signal, shape (batch, 1)."""
        for layer in self.layers:
            x = (self.pitch * layer(x)).sin()
        signal: Tensor = self.head(x)
        return signal
