"""Sets from formulas of physics and geometry: motion, energies, differential equations, colours."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from accuracy.data.base import Samples, floats, generator, standard

SENSORS = 20
"""Places at which a function is known, to find its integral."""

ATOMS = 5
"""Atoms of a cluster."""


def _lorenz_states(rho: float) -> np.ndarray:
    """Return the states along a path of the Lorenz system (1963), every 0.05, by the rule of Runge and Kutta."""

    def slope(state: np.ndarray) -> np.ndarray:
        x, y, z = state
        return np.array([10 * (y - x), x * (rho - z) - y, x * y - 8 / 3 * z])

    state, states, step = np.array([1.0, 1.0, 20.0]), [], 0.01
    for _ in range(20_000):
        first = slope(state)
        second = slope(state + step / 2 * first)
        third = slope(state + step / 2 * second)
        state = state + step / 6 * (first + 2 * second + 2 * third + slope(state + step * third))
        states.append(state)
    return (np.stack(states)[500::5] - [0.0, 0.0, 25.0]) / [8.0, 9.0, 9.0]


def lorenz(rho: float = 28.0) -> Samples:
    """Return states of the Lorenz system, each coordinate about 0 to 1 in size, and those 0.3 later, shape (n, 3)."""
    states = floats(_lorenz_states(rho))
    return states[:-6], states[6:]


def _stronger_lorenz() -> Samples:
    """Return the same with a stronger drive, for a network that knows the usual one."""
    return lorenz(38.0)


def _arm() -> Samples:
    """Return the angles of the four joints of an arm in the plane, and where its hand is."""
    random = np.random.RandomState(0)
    angles = random.uniform(-np.pi / 2, np.pi / 2, (3000, 4))
    directions = angles.cumsum(1)
    lengths = np.array([1.0, 0.8, 0.6, 0.3])
    hand = np.stack([(lengths * np.cos(directions)).sum(1), (lengths * np.sin(directions)).sum(1)], 1)
    return floats(standard(angles)), floats(standard(hand))


def _pendulum() -> Samples:
    """Return cosine, sine and speed of a pendulum, and the torque, -1 to 1, by which an expert swings it up; noisy."""
    random = np.random.RandomState(1)
    angle, speed = random.uniform(-np.pi, np.pi, 4000), random.normal(0, 2.5, 4000)
    energy = speed**2 / 6 + 5 * (np.cos(angle) - 1)
    upright = (np.cos(angle) > 0.85) & (np.abs(speed) < 4)
    torque = np.where(upright, -8 * np.sin(angle) - 2 * speed, -np.sign(speed) * energy).clip(-2, 2) / 2
    states = np.stack([np.cos(angle), np.sin(angle), speed / 2.5], 1)
    return floats(states), floats(torque + random.normal(0, 0.1, 4000))[:, None]


def _clusters() -> Samples:
    """Return the places of a few atoms, shape (n, ATOMS, 3), and their energy: mean -76.4, deviation 0.8, shape (n, 1).

    It is that of Lennard-Jones with a soft core; the offset is as quantum chemistry has it.
    """
    places = 2.4 * torch.rand(2400, ATOMS, 3, generator=generator())
    rows, columns = torch.triu_indices(ATOMS, ATOMS, 1)
    squared = (places[:, rows] - places[:, columns]).square().sum(2)
    sixth = 1 / (squared + 0.35) ** 3
    return places, -76.4 + 0.8 * floats(standard((4 * (sixth**2 - sixth)).sum(1, keepdim=True).numpy()))


def _poisson() -> Samples:
    """Return places in 0 to 1 and the source that a field of two waves has there, in units of 50, shape (n, 1).

    The field u obeys -u'' + u^3 = source and is 0 at both ends.
    """
    place = torch.rand(1000, 1, generator=generator(), dtype=torch.float64)
    heights, pitches = torch.tensor([[1.0, 0.3], [2 * np.pi, 6 * np.pi]], dtype=torch.float64)
    waves = heights * (pitches * place).sin()
    source = (pitches**2 * waves).sum(1, keepdim=True) + waves.sum(1, keepdim=True) ** 3
    return place.float(), (source / 50).float()


def _integrals() -> Samples:
    """Return the values of a smooth function at `SENSORS` places and one more place, and its integral up to there."""
    random = generator()
    weights = torch.randn(6000, 4, generator=random)
    pitches, place = torch.arange(1, 5) * np.pi, torch.rand(6000, 1, generator=random)
    grid = torch.linspace(0, 1, SENSORS)
    values = weights @ (pitches[:, None] * grid).cos()
    integral = (weights * (pitches * place).sin() / pitches).sum(1, keepdim=True)
    return torch.cat([values, place], 1), integral / integral.std()


def _flow() -> Samples:
    """Return points on the way from noise to eight spots and how far they are, shape (n, 3), and their velocity.

    As in flow matching along straight lines (Lipman 2022, arXiv 2210.02747).
    """
    random = generator()
    angles = torch.randint(8, (16_000,), generator=random) * np.pi / 4
    ends = torch.stack([angles.cos(), angles.sin()], 1) * 2 + 0.2 * torch.randn(16_000, 2, generator=random)
    starts, time = torch.randn(16_000, 2, generator=random), torch.rand(16_000, 1, generator=random)
    return torch.cat([(1 - time) * starts + time * ends, time], 1), ends - starts


def _hues() -> Samples:
    """Return red, green and blue, -1 to 1, and a 1; the hue as a point on a circle, saturation and value, (n, 4)."""
    colours = torch.rand(4000, 3, generator=generator(), dtype=torch.float64)
    hsv = torch.tensor([colorsys.rgb_to_hsv(*colour) for colour in colours.tolist()])
    hue = 2 * np.pi * hsv[:, :1]
    targets: Tensor = torch.cat([hue.cos(), hue.sin(), hsv[:, 1:]], 1)
    return torch.cat([2 * colours.float() - 1, torch.ones(4000, 1)], 1), floats(standard(targets.numpy()))


SOURCES: dict[str, Callable[[], Samples]] = {
    "lorenz": lorenz,
    "stronger_lorenz": _stronger_lorenz,
    "arm": _arm,
    "pendulum": _pendulum,
    "clusters": _clusters,
    "poisson": _poisson,
    "integrals": _integrals,
    "flow": _flow,
    "hues": _hues,
}
