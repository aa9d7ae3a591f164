"""Photos, a map of heights, and what is made of them: colours, counts of photons, neighbours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.cbook import get_sample_data
from torch import Tensor

from accuracy.data.base import Samples, floats, generator, standard
from accuracy.data.pictures import PATCH, photos
from accuracy.data.tables import with_outliers

PHOTONS = 12
"""Photons that a white pixel receives on average."""


def _heights() -> Tensor:
    """Return the heights of a mountain range in metres, shape (344, 403): sample data of matplotlib."""
    path = get_sample_data("jacksboro_fault_dem.npz", asfileobj=False)
    return floats(np.load(path)["elevation"])


def _elevation() -> Samples:
    """Return places on the map, each coordinate in -1 to 1, and their height in metres: mean 531, deviation 162."""
    heights = _heights()[::5, ::5]
    places = torch.cartesian_prod(*(torch.linspace(-1, 1, size) for size in heights.shape))
    return places, heights.reshape(-1, 1)


def _outlying_heights() -> Samples:
    """Return the heights of the eight neighbours 6 cells away, and the height between, with outliers; standardised."""
    heights = standard(_heights().flatten()).view(344, 403)
    windows = heights.unfold(0, 13, 7).unfold(1, 13, 7).reshape(-1, 13, 13)
    neighbours = windows[:, ::6, ::6].reshape(-1, 9)
    others = [place for place in range(9) if place != 4]
    return neighbours[:, others], with_outliers(neighbours[:, 4:5], 20.0)


def _colour_tiles() -> tuple[Tensor, Tensor]:
    """Return the coloured patches of both photos, shape (n, 8, 8, 3), and the quarter of the photo they are from."""
    tiles, labels = [], []
    for number, photo in enumerate(photos()):
        rows, columns = (size // PATCH for size in photo.shape[:2])
        cut = photo[: rows * PATCH, : columns * PATCH].reshape(rows, PATCH, columns, PATCH, 3).swapaxes(1, 2)
        row, column = np.meshgrid(np.arange(rows) * 2 // rows, np.arange(columns) * 2 // columns, indexing="ij")
        tiles.append(cut.reshape(-1, PATCH, PATCH, 3))
        labels.append((4 * number + 2 * row + column).ravel())
    return floats(np.concatenate(tiles)), torch.tensor(np.concatenate(labels))


def _patch_places() -> Samples:
    """Return coloured patches, shape (n, 3, 8, 8), and which quarter of which photo they are from."""
    tiles, labels = _colour_tiles()
    return (tiles.permute(0, 3, 1, 2).contiguous() - 0.5) / 0.25, labels


def _unscaled_patches() -> Samples:
    """Return coloured patches as their bytes, 0 to 255, and which half of which photo they are from."""
    tiles, labels = _colour_tiles()
    return (255 * tiles).flatten(1)[::2], labels[::2] // 2


def _colours() -> Samples:
    """Return grey patches and how far their colours are from grey, shape (n, 192); each standardised as a whole."""
    tiles, _ = _colour_tiles()
    grey = tiles.mean(3, keepdim=True)
    colours = tiles - grey
    return standard(grey.flatten()).view(len(tiles), -1), (colours / colours.std()).flatten(1)


def _photons() -> Samples:
    """Return how many photons the 24 neighbours of a pixel received, as 2 sqrt(n + 3 / 8), and how many it received.

    The transform makes the noise alike at every brightness (Anscombe 1948).
    """
    random = generator()
    counts = []
    for photo in photos():
        counts.append(torch.poisson(PHOTONS * floats(photo.mean(2))[::2, ::2], generator=random))
    windows = torch.cat([grid.unfold(0, 5, 4).unfold(1, 5, 4).reshape(-1, 25) for grid in counts])
    others = [place for place in range(25) if place != 12]
    return 2 * (windows[:, others] + 3 / 8).sqrt() - 4, windows[:, 12:13].contiguous()


SOURCES: dict[str, Callable[[], Samples]] = {
    "elevation": _elevation,
    "outlying_heights": _outlying_heights,
    "patch_places": _patch_places,
    "unscaled_patches": _unscaled_patches,
    "colours": _colours,
    "photons": _photons,
}
