"""The model and the data of the config beside this file: put your own here, or name yours in the config.

The digits are real ones that come with lrfind: a part of E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten
Digits", UCI Machine Learning Repository, 1998 (CC BY 4.0).
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import TensorDataset
from torchvision import models
from torchvision.transforms import v2

import lrfind

DIGITS = Path(lrfind.__file__).parent / "templates" / "digits.csv.gz"
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
"""Of the pixels that the weights were trained with: new images have to look alike."""


def resnet18(num_classes: int, weights: str | None = None) -> models.ResNet:
    """Return torchvision's ResNet-18 with an untrained last layer, `fc`, for `num_classes` classes.

    Args:
        num_classes: Classes of the new task.
        weights: Name of the pretrained weights, such as DEFAULT; None starts all layers untrained.
    """
    model = models.resnet18(weights=weights)
    model.fc = nn.Linear(model.fc.in_features, num_classes)
    return model


def augment(size: int = 224) -> v2.Compose:
    """Return the augmentation of the training: without it the best learning rate is another."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.5, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(**IMAGENET),
        ]
    )


def digits() -> TensorDataset:
    """Return (image, label) pairs: images of shape (3, 32, 32), normalised as ImageNet's, labels 0 to 9."""
    table = np.loadtxt(DIGITS, delimiter=",", dtype=np.int64)
    gray = torch.from_numpy(table[:, :64]).reshape(-1, 1, 8, 8) / 16
    large = nn.functional.interpolate(gray, size=32, mode="bilinear").expand(-1, 3, -1, -1)
    return TensorDataset(v2.functional.normalize(large, **IMAGENET), torch.from_numpy(table[:, 64]))
