"""The model and the data of the config beside this file: put your own here, or name yours in the config.

The digits are real ones that come with lrfind: a part of E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten
Digits", UCI Machine Learning Repository, 1998 (CC BY 4.0).
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import lrfind

DIGITS = Path(lrfind.__file__).parent / "templates" / "digits.csv.gz"


class CNN(nn.Module):
    """A small convolutional network with BatchNorm, for images of any size."""

    def __init__(self, in_channels: int = 1, num_classes: int = 10, width: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _block(in_channels, width),
            _block(width, width),
            nn.MaxPool2d(2),
            _block(width, 2 * width),
            nn.AdaptiveAvgPool2d(2),  # whatever the size of the images, 2 by 2 is left
        )
        self.head = nn.Linear(8 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits of shape (batch, num_classes) for `images` of shape (batch, in_channels, height, width)."""
        logits: Tensor = self.head(self.features(images).flatten(1))
        return logits


def _block(channels_in: int, channels_out: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)  # BatchNorm has a bias
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out), nn.ReLU())


def digits() -> TensorDataset:
    """Return (image, label) pairs: images of shape (1, 8, 8) from 0 to 1, labels 0 to 9."""
    table = np.loadtxt(DIGITS, delimiter=",", dtype=np.int64)
    images = torch.from_numpy(table[:, :64]).reshape(-1, 1, 8, 8) / 16
    return TensorDataset(images, torch.from_numpy(table[:, 64]))
