"""Tables of measurements from scikit-learn, and the few sets that are made up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor

from accuracy.data.base import Samples, floats, generator, standard

RARE = 40
"""Malignant tumours that are left where they are rare."""

OUTLIERS = 0.03
"""Share of targets that are wildly wrong."""

MODULUS = 31
"""Numbers are added modulo this."""


def _breast_cancer() -> Samples:
    bunch = datasets.load_breast_cancer()
    return floats(standard(bunch.data)), torch.tensor(bunch.target)


def _tumour_area() -> Samples:
    """Return the area of the largest nuclei in raw units (hundreds), from the texture and shape of the tumour."""
    bunch = datasets.load_breast_cancer()
    return floats(standard(bunch.data[:, :20])), floats(bunch.data[:, 23:24])


def _rare_tumour() -> Samples:
    """Return all benign tumours and few malignant ones, which are the positive class, shape (n, 1)."""
    x, benign = _breast_cancer()
    malignant = (benign == 0).nonzero()[:RARE, 0]
    rows = torch.cat([(benign == 1).nonzero()[:, 0], malignant])
    return x[rows], 1.0 - benign[rows, None].float()


def _wine() -> Samples:
    bunch = datasets.load_wine()
    return floats(standard(bunch.data)), torch.tensor(bunch.target)


def _iris() -> Samples:
    bunch = datasets.load_iris()
    return floats(standard(bunch.data)), torch.tensor(bunch.target)


def _diabetes() -> Samples:
    bunch = datasets.load_diabetes()
    return floats(bunch.data / bunch.data.std(0)), floats(standard(bunch.target))[:, None]


def _diabetes_raw() -> Samples:
    x, y = _diabetes()
    return x, 77 * y + 152  # the units of the study, to whole numbers


def _friedman() -> Samples:
    """Return the first problem of Friedman 1991 with noise: ten uniform inputs, five of which matter; raw targets."""
    x, y = datasets.make_friedman1(2000, noise=1.0, random_state=0)
    return floats(x), floats(y)[:, None]


def _spirals() -> Samples:
    """Return points on three noisy arms of a spiral, each of one turn, and their arm."""
    random = generator()
    arms = torch.arange(1500) % 3
    along = torch.rand(1500, generator=random)
    angles = 2 * np.pi * (along + arms / 3)
    points = torch.stack([angles.cos(), angles.sin()], 1) * (0.1 + 1.5 * along)[:, None]
    return points + 0.06 * torch.randn(points.shape, generator=random), arms


def _house_prices() -> Samples:
    """Return standardised features of made-up houses, and their prices in dollars: mean 197,000, deviation 38,000."""
    random = np.random.RandomState(0)
    area, lot = np.exp(random.normal(7.4, 0.3, 2400)), np.exp(random.normal(8.8, 0.6, 2400))
    age, distance, quality, baths = (random.uniform(0, top, 2400) for top in (80, 25, 10, 4))
    value = 55 * area + 3 * lot + 7000 * baths + 900 * quality**2
    prices = value * np.exp(-0.004 * age - 0.03 * np.abs(distance - 4) + random.normal(0, 0.1, 2400)) + 90_000
    features = np.stack([area, lot, age, distance, quality, baths], 1)
    return floats(standard(features)), floats(prices)[:, None]


def _log_prices() -> Samples:
    """Return standardised features of made-up gems, and the log of their prices: mean 8, deviation 0.7."""
    random = np.random.RandomState(1)
    carat = np.exp(random.normal(-0.4, 0.55, 3000))
    grades = [random.randint(0, levels, 3000) for levels in (5, 7, 8)]
    depth, noise = random.normal(0, 1, 3000), random.normal(0, 0.12, 3000)
    logs = 1.7 * np.log(carat) + sum(0.05 * grade for grade in grades) - 0.1 * depth**2 * carat + noise
    features = np.stack([carat, *grades, depth], 1)
    return floats(standard(features)), floats(8 + 0.7 * standard(logs))[:, None]


def with_outliers(targets: Tensor, size: float) -> Tensor:
    """Return standardised targets, some of which are off by errors with a deviation of `size`."""
    random = generator()
    hit = torch.rand(targets.shape, generator=random) < OUTLIERS
    return targets + hit * size * torch.randn(targets.shape, generator=random)


def _outlying_concavity() -> Samples:
    """Return how concave the worst nuclei are, with outliers, from the other measurements of a tumour."""
    x = _breast_cancer()[0]
    return x[:, :20], with_outliers(x[:, 26:27], 8.0)


def _offset_area() -> Samples:
    """Return the area of the largest nuclei with a mean of 8 and a deviation of 0.7, as logarithms of prices have."""
    x, area = _tumour_area()
    return x, 8 + 0.7 * floats(standard(area.numpy()))


def _outlying_friedman() -> Samples:
    x, y = _friedman()
    return x, with_outliers(floats(standard(y.numpy())), 10.0)


def _flipped_cancer() -> Samples:
    """Return the tumours, one in seven with the wrong label."""
    x, y = _breast_cancer()
    return x, torch.where(torch.rand(len(y), generator=generator()) < 1 / 7, 1 - y, y)


def _sums() -> Samples:
    """Return all pairs of numbers, and their sum modulo `MODULUS` (Power 2022, arXiv 2201.02177)."""
    pairs = torch.cartesian_prod(torch.arange(MODULUS), torch.arange(MODULUS))
    return pairs, pairs.sum(1) % MODULUS


SOURCES: dict[str, Callable[[], Samples]] = {
    "breast_cancer": _breast_cancer,
    "tumour_area": _tumour_area,
    "rare_tumour": _rare_tumour,
    "wine": _wine,
    "iris": _iris,
    "diabetes": _diabetes,
    "diabetes_raw": _diabetes_raw,
    "friedman": _friedman,
    "spirals": _spirals,
    "house_prices": _house_prices,
    "log_prices": _log_prices,
    "outlying_concavity": _outlying_concavity,
    "offset_area": _offset_area,
    "outlying_friedman": _outlying_friedman,
    "flipped_cancer": _flipped_cancer,
    "sums": _sums,
}
