"""The data of the tasks: small and mostly real, from scikit-learn, matplotlib and Python itself; nothing is downloaded.

Every set is split once, at random, into 80 % to train on and 20 % to validate on; a few have less to train on.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from accuracy.data import characters, customers, digits, physics, pictures, puzzles, scenes, signals, tables, texts

MODULES = (tables, pictures, texts, digits, scenes, characters, customers, physics, signals, puzzles)
SOURCES = {name: make for module in MODULES for name, make in module.SOURCES.items()}
"""What each data set is made by: inputs and targets, not yet split."""

FEW = {
    "fifth_mislabelled": 150,
    "flipped_cancer": 120,
    "wide": 150,
    "noisy_moons": 200,
    "few_tones": 240,
    "stronger_lorenz": 400,
}
"""Samples to train on, where there are few; all others are to validate on."""


class Split(NamedTuple):
    """Inputs and targets to train on, and to validate on."""

    x: Tensor
    y: Tensor
    val_x: Tensor
    val_y: Tensor


def training_set(name: str) -> TensorDataset:
    """Return the training part of a data set, for the config of lrfind and for the loaders of its peers."""
    split = load(name)
    return TensorDataset(split.x, split.y)


@cache
def load(name: str) -> Split:
    """Return a data set by the name of its function in `SOURCES`."""
    x, y = SOURCES[name]()
    order = torch.from_numpy(np.random.RandomState(0).permutation(len(x)))
    count = FEW.get(name, int(0.8 * len(x)))
    train, val = order[:count], order[count:]
    return Split(x[train], y[train], x[val], y[val])
