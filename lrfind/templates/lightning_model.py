"""The LightningModule and the data of the config beside this file: put your own here, or name yours in the config.

The digits are real ones that come with lrfind: a part of E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten
Digits", UCI Machine Learning Repository, 1998 (CC BY 4.0).
"""

from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import lrfind

DIGITS = Path(lrfind.__file__).parent / "templates" / "digits.csv.gz"


class LitClassifier(LightningModule):
    """A small CNN, as a Trainer would train it: lrfind calls training_step and configure_optimizers."""

    def __init__(self, width: int = 16, lr: float = 0.01, weight_decay: float = 5e-4) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            *(nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(width, 2 * width, 3, padding=1, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(8 * width, 10)),
        )

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the cross-entropy of a batch of (images, labels)."""
        images, labels = batch
        loss = nn.functional.cross_entropy(self.net(images), labels)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer; a learning-rate schedule beside it would be left aside by the sweep."""
        settings = self.hparams
        return torch.optim.SGD(
            self.parameters(), lr=settings["lr"], momentum=0.9, weight_decay=settings["weight_decay"]
        )


def digits() -> TensorDataset:
    """Return (image, label) pairs: images of shape (1, 8, 8) from 0 to 1, labels 0 to 9."""
    table = np.loadtxt(DIGITS, delimiter=",", dtype=np.int64)
    images = torch.from_numpy(table[:, :64]).reshape(-1, 1, 8, 8) / 16
    return TensorDataset(images, torch.from_numpy(table[:, 64]))
