"""Real handwritten digits, 8x8 pixels, and the networks that the digits configs train on them.

The data comes with lrfind, and is that which scikit-learn ships: 1797 samples of the test set of E. Alpaydin and
C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998 (CC BY 4.0).
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import TensorDataset

import lrfind

DIGITS = Path(lrfind.__file__).parent / "templates" / "digits.csv.gz"


def digits() -> TensorDataset:
    """Return (image, label) pairs: images of shape (1, 8, 8) from 0 to 1, labels 0 to 9."""
    table = np.loadtxt(DIGITS, delimiter=",", dtype=np.int64)
    images = torch.from_numpy(table[:, :64]).reshape(-1, 1, 8, 8) / 16
    return TensorDataset(images, torch.from_numpy(table[:, 64]))


def cnn(width: int = 16) -> nn.Sequential:
    """Return a small convolutional network with BatchNorm for images of shape (1, 8, 8)."""

    def block(channels_in: int, channels_out: int) -> list[nn.Module]:
        return [nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.BatchNorm2d(channels_out), nn.ReLU()]

    return nn.Sequential(
        *block(1, width),
        *block(width, width),
        nn.MaxPool2d(2),
        *block(width, 2 * width),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * width, 10),
    )
