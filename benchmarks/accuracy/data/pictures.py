"""Pictures from scikit-learn: the handwritten digits and patches of the two photos."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor

from accuracy.data.base import Samples, floats, generator

PATCH = 8
"""Side of an image patch, in pixels."""

PAST = 24
"""Pixels of a row that the next one is forecast from."""


def _digits() -> Samples:
    bunch = datasets.load_digits()
    return floats(bunch.data / 16), torch.tensor(bunch.target)


def _high_digits() -> Samples:
    """Return the digits 5 to 9, which a network trained on 0 to 4 has never seen."""
    x, y = _digits()
    return x[y > 4], y[y > 4] - 5


def low_digits() -> Samples:
    """Return the digits 0 to 4, all of them: what the fine-tuned networks were pretrained on."""
    x, y = _digits()
    return x[y < 5], y[y < 5]


def _digit_pairs() -> Samples:
    """Return two noisy, shifted views of every digit, shape (n, 2, 64)."""
    x, y = _digits()
    random = generator()
    views = []
    for _ in range(2):
        shifts = torch.randint(-1, 2, (len(x),), generator=random)
        moved = torch.stack(
            [image.view(8, 8).roll(int(shift), 1).flatten() for image, shift in zip(x, shifts, strict=True)]
        )
        views.append(moved + 0.2 * torch.randn(moved.shape, generator=random))
    return torch.stack(views, 1), y


def _digits_to_rebuild() -> Samples:
    x, _ = _digits()
    return x, x


def rotations(x: Tensor) -> Samples:
    """Return every 8x8 picture turned by 0 to 3 quarters, and by how many."""
    pictures = x.view(-1, 8, 8)
    turned = torch.cat([pictures.rot90(quarters, (1, 2)) for quarters in range(4)])
    return turned.reshape(-1, 64), torch.arange(4).repeat_interleave(len(x))


def _rotations() -> Samples:
    """Return the digits and by how many quarters they are turned (Gidaris 2018, arXiv 1803.07728)."""
    return rotations(_digits()[0])


def _turned_digits() -> Samples:
    """Return the digits turned by a quarter, for a network that knows them upright."""
    x, y = _digits()
    return x.view(-1, 8, 8).rot90(1, (1, 2)).reshape(-1, 64), y


def _overlaid_digits() -> Samples:
    """Return two digits on top of one another, and which digits there are, shape (n, 10)."""
    x, y = _digits()
    other = torch.randperm(len(x), generator=generator())
    present = torch.zeros(len(x), 10).scatter_(1, torch.stack([y, y[other]], 1), 1.0)
    return torch.maximum(x, x[other]), present


def _two_digits() -> Samples:
    """Return two digits side by side, as 8x16 pictures, and both of them (Goodfellow 2014, arXiv 1312.6082)."""
    x, y = _digits()
    random = generator()
    left, right = (torch.randint(len(x), (4000,), generator=random) for _ in range(2))
    pictures = torch.cat([x[left].view(-1, 8, 8), x[right].view(-1, 8, 8)], 2)
    return pictures, torch.stack([y[left], y[right]], 1)


def _long_tail() -> Samples:
    """Return ever fewer pictures of a digit, from 170 zeros to 17 nines (Cui 2019, arXiv 1901.05555)."""
    x, y = _digits()
    rows = torch.cat([(y == digit).nonzero()[: round(170 * 0.1 ** (digit / 9)), 0] for digit in range(10)])
    return x[rows], y[rows]


def _forest_opinions() -> Samples:
    """Return the digits and the votes of those trees of a random forest that have not seen them, shape (n, 10)."""
    x, y = _digits()
    forest = RandomForestClassifier(200, oob_score=True, random_state=0).fit(x.numpy(), y.numpy())
    return x, floats(forest.oob_decision_function_)


@cache
def photos() -> tuple[Any, ...]:
    """Return the two photos, colours from 0 to 1."""
    return tuple(image / 255 for image in datasets.load_sample_images().images)


def _tiles(image: Any, side: int = PATCH) -> Tensor:
    """Return the grey patches of a photo, shape (n, side * side)."""
    grey = image.mean(2)
    rows, columns = (range(0, size - side, side) for size in grey.shape)
    return floats(np.stack([grey[i : i + side, j : j + side].ravel() for i in rows for j in columns]))


def _patches() -> Samples:
    tiles = _tiles(photos()[0])
    return tiles, tiles


def _noisy_patches() -> Samples:
    """Return patches of the other photo with noise on them, and without."""
    tiles = _tiles(photos()[1])
    return tiles + 0.1 * torch.randn(tiles.shape, generator=generator()), tiles


def _patch_source() -> Samples:
    """Return patches and which of the two photos they are from; each has its mean brightness taken out."""
    both = [_tiles(photo)[::2] for photo in photos()]
    tiles = torch.cat(both)
    labels = torch.cat([torch.full((len(part),), index) for index, part in enumerate(both)])
    return 4 * (tiles - tiles.mean(1, keepdim=True)), labels


def _half_patches() -> Samples:
    """Return the left half of the patches of both photos, and the right half; standardised together."""
    tiles = torch.cat([_tiles(photo) for photo in photos()])
    tiles = ((tiles - tiles.mean()) / tiles.std()).view(-1, PATCH, PATCH)
    return tiles[:, :, : PATCH // 2].flatten(1), tiles[:, :, PATCH // 2 :].flatten(1)


def _holed_patches() -> Samples:
    """Return 16x16 patches with the 6x6 pixels in the middle blanked, and whole, shape (n, 1, 16, 16)."""
    tiles = torch.cat([_tiles(photo, 16) for photo in photos()])
    whole = ((tiles - tiles.mean()) / tiles.std()).view(-1, 1, 16, 16)
    holed = whole.clone()
    holed[:, :, 5:11, 5:11] = 0
    return holed, whole


def _pixel_rows() -> Samples:
    """Return the brightness of successive pixels in a row of a photo, shape (n, PAST, 1), and of the next one."""
    grey = floats(photos()[0].mean(2))[::4]
    windows = ((grey - grey.mean()) / grey.std()).unfold(1, PAST + 1, PAST + 1).flatten(0, 1)
    return windows[:, :PAST, None].contiguous(), windows[:, PAST:].contiguous()


def _pixels() -> Samples:
    """Return the place of a pixel, each coordinate in -1 to 1, and its colour."""
    small = photos()[1][::8, ::8]
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, size) for size in small.shape[:2]), indexing="ij")
    return floats(np.stack([rows.ravel(), columns.ravel()], 1)), floats(small.reshape(-1, 3))


SOURCES: dict[str, Callable[[], Samples]] = {
    "digits": _digits,
    "high_digits": _high_digits,
    "digit_pairs": _digit_pairs,
    "digits_to_rebuild": _digits_to_rebuild,
    "rotations": _rotations,
    "turned_digits": _turned_digits,
    "overlaid_digits": _overlaid_digits,
    "two_digits": _two_digits,
    "long_tail": _long_tail,
    "forest_opinions": _forest_opinions,
    "patches": _patches,
    "noisy_patches": _noisy_patches,
    "patch_source": _patch_source,
    "half_patches": _half_patches,
    "holed_patches": _holed_patches,
    "pixel_rows": _pixel_rows,
    "pixels": _pixels,
}
