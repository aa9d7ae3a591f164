"""Tables of measurements from scikit-learn, and the few sets that are made up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from sklearn import datasets

from accuracy.data.base import Samples, floats, generator, standard

RARE = 40
"""Malignant tumours that are left where they are rare."""


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
}
