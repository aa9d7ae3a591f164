"""The data of the tasks: small and real, from scikit-learn and from Python itself, so that nothing is downloaded.

Every set is split once, at random, into 80 % to train on and 20 % to validate on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pydoc_data.topics import topics
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor
from torch.utils.data import TensorDataset

SEQUENCE = 48
"""Characters in a sample of the text."""

CONTEXT = 8
"""Characters that a model without memory sees at once."""

PATCH = 8
"""Side of an image patch, in pixels."""


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
    count = int(0.8 * len(x))
    train, val = order[:count], order[count:]
    return Split(x[train], y[train], x[val], y[val])


def _floats(values: Any) -> Tensor:
    return torch.tensor(np.asarray(values), dtype=torch.float32)


def _standard(values: Any) -> Any:
    return (values - values.mean(0)) / values.std(0)


def _digits() -> tuple[Tensor, Tensor]:
    bunch = datasets.load_digits()
    return _floats(bunch.data / 16), torch.tensor(bunch.target)


def _high_digits() -> tuple[Tensor, Tensor]:
    """Return the digits 5 to 9, which a network trained on 0 to 4 has never seen."""
    x, y = _digits()
    return x[y > 4], y[y > 4] - 5


def low_digits() -> tuple[Tensor, Tensor]:
    """Return the digits 0 to 4, all of them: what the fine-tuned networks were pretrained on."""
    x, y = _digits()
    return x[y < 5], y[y < 5]


def _digit_pairs() -> tuple[Tensor, Tensor]:
    """Return two noisy, shifted views of every digit, shape (n, 2, 64)."""
    x, y = _digits()
    random = torch.Generator().manual_seed(0)
    views = []
    for _ in range(2):
        shifts = torch.randint(-1, 2, (len(x),), generator=random)
        moved = torch.stack(
            [image.view(8, 8).roll(int(shift), 1).flatten() for image, shift in zip(x, shifts, strict=True)]
        )
        views.append(moved + 0.2 * torch.randn(moved.shape, generator=random))
    return torch.stack(views, 1), y


def _digits_to_rebuild() -> tuple[Tensor, Tensor]:
    x, _ = _digits()
    return x, x


def _breast_cancer() -> tuple[Tensor, Tensor]:
    bunch = datasets.load_breast_cancer()
    return _floats(_standard(bunch.data)), torch.tensor(bunch.target)


def _tumour_area() -> tuple[Tensor, Tensor]:
    """Return the area of the largest nuclei in raw units (hundreds), from the texture and shape of the tumour."""
    bunch = datasets.load_breast_cancer()
    return _floats(_standard(bunch.data[:, :20])), _floats(bunch.data[:, 23:24])


def _wine() -> tuple[Tensor, Tensor]:
    bunch = datasets.load_wine()
    return _floats(_standard(bunch.data)), torch.tensor(bunch.target)


def _diabetes() -> tuple[Tensor, Tensor]:
    bunch = datasets.load_diabetes()
    return _floats(bunch.data / bunch.data.std(0)), _floats(_standard(bunch.target))[:, None]


def _diabetes_raw() -> tuple[Tensor, Tensor]:
    x, y = _diabetes()
    return x, 77 * y + 152  # the units of the study, to whole numbers


def _characters() -> tuple[Tensor, int]:
    text = "".join(topics.values())[:100_000]
    number = {character: index for index, character in enumerate(sorted(set(text)))}
    return torch.tensor([number[character] for character in text]), len(number)


def vocabulary() -> int:
    """Return the number of different characters in the text."""
    return _characters()[1]


def _text() -> tuple[Tensor, Tensor]:
    """Return samples of the text, and the same shifted by one character."""
    text, _ = _characters()
    count = (len(text) - 1) // SEQUENCE
    return text[: count * SEQUENCE].view(count, SEQUENCE), text[1 : count * SEQUENCE + 1].view(count, SEQUENCE)


def _contexts() -> tuple[Tensor, Tensor]:
    """Return a few characters, and the one that follows."""
    windows = _characters()[0].unfold(0, CONTEXT + 1, 10)
    return windows[:, :CONTEXT].contiguous(), windows[:, CONTEXT].contiguous()


@cache
def _photos() -> tuple[Any, ...]:
    return tuple(image / 255 for image in datasets.load_sample_images().images)


def _tiles(image: Any) -> Tensor:
    """Return the grey patches of a photo, shape (n, 64)."""
    grey = image.mean(2)
    rows, columns = (range(0, size - PATCH, PATCH) for size in grey.shape)
    return _floats(np.stack([grey[i : i + PATCH, j : j + PATCH].ravel() for i in rows for j in columns]))


def _patches() -> tuple[Tensor, Tensor]:
    tiles = _tiles(_photos()[0])
    return tiles, tiles


def _noisy_patches() -> tuple[Tensor, Tensor]:
    """Return patches of the other photo with noise on them, and without."""
    tiles = _tiles(_photos()[1])
    return tiles + 0.1 * torch.randn(tiles.shape, generator=torch.Generator().manual_seed(0)), tiles


def _patch_source() -> tuple[Tensor, Tensor]:
    """Return patches and which of the two photos they are from; each has its mean brightness taken out."""
    both = [_tiles(photo)[::2] for photo in _photos()]
    tiles = torch.cat(both)
    labels = torch.cat([torch.full((len(part),), index) for index, part in enumerate(both)])
    return 4 * (tiles - tiles.mean(1, keepdim=True)), labels


def _pixels() -> tuple[Tensor, Tensor]:
    """Return the place of a pixel, each coordinate in -1 to 1, and its colour."""
    small = _photos()[1][::8, ::8]
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, size) for size in small.shape[:2]), indexing="ij")
    return _floats(np.stack([rows.ravel(), columns.ravel()], 1)), _floats(small.reshape(-1, 3))


SOURCES: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "digits": _digits,
    "high_digits": _high_digits,
    "digit_pairs": _digit_pairs,
    "digits_to_rebuild": _digits_to_rebuild,
    "breast_cancer": _breast_cancer,
    "tumour_area": _tumour_area,
    "wine": _wine,
    "diabetes": _diabetes,
    "diabetes_raw": _diabetes_raw,
    "text": _text,
    "contexts": _contexts,
    "patches": _patches,
    "noisy_patches": _noisy_patches,
    "patch_source": _patch_source,
    "pixels": _pixels,
}
"""What each data set is made by: inputs and targets, not yet split."""
