"""A LightningModule for the Lightning config, as one would train it with a Trainer."""

import torch
from digits import cnn
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR


class LitDigits(LightningModule):
    """Classifies handwritten digits with the CNN of configs/digits.yaml.

    Args:
        width: Channels of the first layers.
        lr: Learning rate of the training, which the sweep finds.
        momentum: Momentum of SGD.
    """

    def __init__(self, width: int = 16, lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.cnn = cnn(width)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the cross-entropy of a batch of (images, labels)."""
        images, labels = batch
        loss = nn.functional.cross_entropy(self.cnn(images), labels)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> tuple[list[torch.optim.Optimizer], list[CosineAnnealingLR]]:
        """Return SGD, decayed to zero over the training."""
        optimizer = torch.optim.SGD(self.parameters(), lr=self.hparams["lr"], momentum=self.hparams["momentum"])
        return [optimizer], [CosineAnnealingLR(optimizer, int(self.trainer.estimated_stepping_batches))]
