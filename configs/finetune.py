"""Pretrained networks with a new last layer, for the fine-tuning config."""

from torch import nn
from torchvision import models


def resnet18(num_classes: int, weights: str | None = "DEFAULT") -> models.ResNet:
    """Return torchvision's ResNet-18 with an untrained last layer for `num_classes` classes.

    Args:
        num_classes: Classes of the new task.
        weights: Name of the pretrained weights, such as IMAGENET1K_V1; None starts all layers untrained.
    """
    model = models.resnet18(weights=weights)
    model.fc = nn.Linear(512, num_classes)
    return model
