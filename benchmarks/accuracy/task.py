"""What a task is: a real training that takes about a second, as a config of lrfind."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from accuracy.data import load

Node = dict[str, Any]

TUNING_FAMILIES = frozenset(
    {
        "digits linear",
        "digits mlp",
        "digits cnn",
        "vit",
        "char gru",
        "breast cancer",
        "diabetes",
        "autoencoder",
        "resnet",
        "plain cnn",
        "normed mlp",
        "wine",
        "tumour area",
        "char lstm",
        "char rnn",
        "char transformer",
        "char mlp",
        "vae",
        "contrastive",
        "coordinates",
        "denoising",
        "patch source",
        "fine-tuning",
    }
)
REPORTING_FAMILIES = frozenset(
    {
        "bag of words",
        "word embeddings",
        "word pairs",
        "word uses",
        "triplets",
        "source bytes",
        "word lstm",
        "word transformer",
        "pixel rows",
        "iris",
        "rare tumour",
        "uncertainty",
        "friedman",
        "spirals",
        "half patches",
        "inpainting",
        "overlaid digits",
        "rotations",
        "mixer",
        "long tail",
        "distillation",
        "rotation pretraining",
        "linear probe",
        "adapter",
    }
)


@dataclass(frozen=True)
class Task:
    """A training whose learning rate is to be found.

    Attributes:
        name: Short name, also of its files.
        family: What it has in common with others; whole families are for tuning or for reporting.
        data: Name of a data set in `accuracy.data`.
        model: `_target_` node of the network.
        optimizer: `_target_` node of the optimizer, without a learning rate.
        batch_size: Samples in a mini-batch.
        steps: Length of the training, T.
        centre: Exponent in quarters of a decade of the learning rate that the truth starts its grid from.
        loss: `_target_` node of the loss.
    """

    name: str
    family: str
    data: str
    model: Node
    optimizer: Node
    batch_size: int
    steps: int
    centre: int
    loss: Node = field(default_factory=lambda: {"_target_": "torch.nn.CrossEntropyLoss"})

    @property
    def role(self) -> str:
        """`tuning` or `reporting`."""
        return "tuning" if self.family in TUNING_FAMILIES else "reporting"

    def document(self, seed: int = 0) -> dict[str, Any]:
        """Return the config that a user of lrfind would write for this training."""
        dataset = {"_target_": "accuracy.data.training_set", "name": self.data}
        return {
            "seed": seed,
            "device": "cpu",
            "model": dict(self.model),
            "data": {"dataset": dataset, "batch_size": self.batch_size},
            "loss": dict(self.loss),
            "optimizer": dict(self.optimizer),
        }

    def start(self, seed: int) -> tuple[nn.Module, torch.optim.Optimizer, Any]:
        """Return the untrained model, its optimizer and the loss: the same start that lrfind makes from the config."""
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        model = instantiate({"_convert_": "all", **self.model}).train()
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        return model, instantiate(self.optimizer, trainable), instantiate(self.loss)

    def batches(self, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield mini-batches without end, in an order that the seed decides."""
        split = load(self.data)
        generator = torch.Generator().manual_seed(seed)
        while True:
            order = torch.randperm(len(split.x), generator=generator)
            for first in range(0, len(order) - self.batch_size + 1, self.batch_size):
                batch = order[first : first + self.batch_size]
                yield split.x[batch], split.y[batch]
