"""The handwritten digits once more, in the ways that trainings meet them: mislabelled, rare, halved, in noise."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from torch import Tensor

from accuracy.data.base import Samples, floats, generator
from accuracy.data.pictures import SOURCES as PICTURES

EIGHTS = 60
"""Eights that are left where they are rare."""


def _digits() -> Samples:
    return PICTURES["digits"]()


def _mislabelled(share: float) -> Samples:
    """Return the digits, a share of them with a label drawn at random."""
    x, y = _digits()
    random = generator()
    hit = torch.rand(len(y), generator=random) < share
    return x, torch.where(hit, torch.randint(10, y.shape, generator=random), y)


def _fifth_mislabelled() -> Samples:
    return _mislabelled(0.2)


def _tenth_mislabelled() -> Samples:
    return _mislabelled(0.1)


def _parity() -> Samples:
    """Return the digits and whether they are odd, shape (n, 1)."""
    x, y = _digits()
    return x, (y % 2)[:, None].float()


def _rare_eights() -> Samples:
    """Return all other digits and a few eights, and which are eights, shape (n, 1)."""
    x, y = _digits()
    rows = torch.cat([(y != 8).nonzero()[:, 0], (y == 8).nonzero()[:EIGHTS, 0]])
    return x[rows], (y[rows, None] == 8).float()


def _lower_halves() -> Samples:
    """Return the upper half of every digit, and its lower half."""
    x, _ = _digits()
    return x[:, :32].contiguous(), x[:, 32:].contiguous()


def _noised() -> Samples:
    """Return digits in noise and how much of it there is, shape (n, 65), and the noise.

    As in diffusion models (Ho 2020, arXiv 2006.11239, equation 4) with the cosine schedule of Nichol 2021
    (arXiv 2102.09672); the time, 0 to 1, is the last column.
    """
    random = generator()
    clean = (2 * _digits()[0] - 1).repeat(8, 1)
    noise = torch.randn(clean.shape, generator=random)
    time = torch.rand(len(clean), 1, generator=random)
    angle = time * math.pi / 2
    return torch.cat([angle.cos() * clean + angle.sin() * noise, time], 1), noise


def _teacher_logits() -> Samples:
    """Return the digits, and what a trained network says of them beside their labels, shape (n, 11).

    The network is trained on one half of the digits and asked about the other, and the other way round.
    """
    x, y = _digits()
    logits = torch.zeros(len(x), 10)
    for half in (0, 1):
        teacher = MLPClassifier(128, max_iter=60, learning_rate_init=3e-3, random_state=0)
        with warnings.catch_warnings():  # it need not converge
            warnings.simplefilter("ignore", ConvergenceWarning)
            teacher.fit(x[half::2].numpy(), y[half::2].numpy())
        logits[1 - half :: 2] = floats(teacher.predict_log_proba(x[1 - half :: 2].numpy()))
    return x, torch.cat([logits, y[:, None].float()], 1)


SOURCES: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "fifth_mislabelled": _fifth_mislabelled,
    "tenth_mislabelled": _tenth_mislabelled,
    "parity": _parity,
    "rare_eights": _rare_eights,
    "lower_halves": _lower_halves,
    "noised": _noised,
    "teacher_logits": _teacher_logits,
}
