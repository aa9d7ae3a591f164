"""What a task is: a real training of a second to a few, as a config of lrfind."""

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

REPORTING_FAMILIES = frozenset(
    {
        "noughts and crosses",
        "clicks",
        "ratings",
        "made classes",
        "lorenz forecasts",
        "robot arm",
        "imitation",
        "operator learning",
        "rebuilt spectra",
        "tones",
        "pitch pretraining",
        "grid load",
        "quantile forecasts",
        "raw temperatures",
        "sines of sines",
        "rare faults",
        "shapes",
        "counted discs",
        "graphs",
        "word boundaries",
        "missing letters",
        "tone views",
        "survival",
        "claim sizes",
        "weighted tasks",
        "few and wide",
        "preferences",
        "logged decisions",
        "noisy moons",
        "adapted forecasts",
        "cluster energies",
        "differential equation",
        "flow matching",
        "hues",
    }
)
"""All other families are for tuning."""


@dataclass(frozen=True)
class Task:
    """A training whose learning rate is to be found.

    Attributes:
        name: Short name, also of its files.
        family: What it has in common with others; a whole family has one role.
        data: Name of a data set in `accuracy.data`.
        model: `_target_` node of the network.
        optimizer: `_target_` node of the optimizer, without a learning rate.
        batch_size: Samples in a mini-batch.
        steps: Length of the training, T.
        centre: Exponent in quarters of a decade of the learning rate that the truth starts its grid from.
        loss: `_target_` node of the loss.
        clip_grad_norm: Norm of all gradients together above which they are scaled down; None does not clip.
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
    clip_grad_norm: float | None = None

    @property
    def role(self) -> str:
        """`tuning` or `reporting`."""
        return "reporting" if self.family in REPORTING_FAMILIES else "tuning"

    def document(self, seed: int = 0, *, told: bool = True) -> dict[str, Any]:
        """Return the config that a user of lrfind would write for this training, with or without its length."""
        train = {"clip_grad_norm": self.clip_grad_norm, "steps": self.steps if told else None}
        dataset = {"_target_": "accuracy.data.training_set", "name": self.data}
        return {
            "seed": seed,
            "device": "cpu",
            "model": dict(self.model),
            "data": {"dataset": dataset, "batch_size": self.batch_size},
            "loss": dict(self.loss),
            "optimizer": dict(self.optimizer),
            "train": {key: value for key, value in train.items() if value is not None},
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
