"""Scenes of the real handwritten digits of digits.py, with a box around each, for the detection config."""

from collections.abc import Sequence
from typing import Any

import torch
from digits import digits
from torch import Tensor
from torch.utils.data import Dataset

Scene = tuple[Tensor, dict[str, Tensor]]


class Scenes(Dataset[Scene]):
    """Digits of 24 by 24 pixels at random places on a black square: as many of three as do not overlap.

    A sample is (image, target), as torchvision's detection models take them: the image of shape (3, size, size), from 0
    to 1; in the target `boxes` of shape (n, 4), as x1, y1, x2, y2 in pixels, and `labels` of shape (n,), from 1, as
    0 is the background.
    """

    DIGIT = 24

    def __init__(self, count: int = 256, size: int = 96) -> None:
        self.count = count
        self.size = size
        self.images, self.labels = digits().tensors

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Scene:
        draw = torch.Generator().manual_seed(index)  # the same scene in every epoch
        scene = torch.zeros(self.size, self.size)
        corners: list[Tensor] = []
        for corner in torch.randint(self.size - self.DIGIT, (3, 2), generator=draw):
            if all((corner - other).abs().max() >= self.DIGIT for other in corners):
                corners.append(corner)
        chosen = torch.randint(len(self.images), (len(corners),), generator=draw)
        for (top, left), image in zip(corners, self.images[chosen], strict=True):
            scene[top : top + self.DIGIT, left : left + self.DIGIT] = image[0].kron(torch.ones(3, 3))
        first = torch.stack(corners).flip(1)
        boxes = torch.cat((first, first + self.DIGIT), dim=1).float()
        return scene.expand(3, -1, -1), {"boxes": boxes, "labels": self.labels[chosen] + 1}


def collate(samples: Sequence[Scene]) -> tuple[Any, ...]:
    """Return a batch as (images, targets): scenes differ in their number of boxes, so nothing is stacked."""
    return tuple(zip(*samples, strict=True))
