"""Model, loader, step and optimizer of the config beside this file: a training in which nothing is as usual.

An autoencoder learns to clean handwritten digits, real ones that come with lrfind: a part of E. Alpaydin and C. Kaynak,
"Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998 (CC BY 4.0).
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import lrfind

DIGITS = Path(lrfind.__file__).parent / "templates" / "digits.csv.gz"


class Autoencoder(nn.Module):
    """Squeezes what it is given through a few numbers, and makes it anew from those."""

    def __init__(self, inputs: int = 64, hidden: int = 128, code: int = 16) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, code))
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.GELU(), nn.Linear(hidden, inputs))

    def forward(self, images: Tensor) -> Tensor:
        """Return what is made of `images`, of the same shape (batch, inputs)."""
        made: Tensor = self.decoder(self.encoder(images))
        return made


def make_loader(batch_size: int) -> DataLoader[tuple[Tensor, ...]]:
    """Return the mini-batches; any iterable will do, and it is read again when it ends.

    lrfind seeds torch, numpy and random beforehand, so the order is that of the config's seed.
    """
    table = np.loadtxt(DIGITS, delimiter=",", dtype=np.float32)
    images = TensorDataset(torch.from_numpy(table[:, :64]) / 16)
    return DataLoader(images, batch_size, shuffle=True, drop_last=True)


def step(model: nn.Module, batch: list[Tensor], noise: float) -> Tensor:
    """Return the loss of a batch, a scalar with a gradient; the batch is on the model's device already.

    All that makes the loss belongs here, and none of what uses it: backward, clipping and the optimizer's step are
    lrfind's.
    """
    (images,) = batch
    return nn.functional.mse_loss(model(images + noise * torch.randn_like(images)), images)


def make_optimizer(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Return AdamW with groups of its own making: the sweep keeps the ratio of their learning rates.

    The first argument is named `model`, so it is given the model; by any other name, its parameters.
    """
    return torch.optim.AdamW(
        [
            {"params": model.get_submodule("encoder").parameters(), "lr": lr, "name": "encoder"},
            {"params": model.get_submodule("decoder").parameters(), "lr": lr / 2, "name": "decoder"},
        ],
        lr=lr,
        weight_decay=weight_decay,
    )
