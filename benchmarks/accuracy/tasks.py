"""The tasks: real trainings that take about a second each, as configs of lrfind.

Each belongs to a family, and whole families are either for *tuning* or for *reporting*. The ten tasks that the
prototypes of the analyzer were compared on, and the variants drawn beside them, are for tuning. Nothing may be tuned
on a reporting task, nor on one of its family: only their figures tell how good a suggestion is on a new training.
"""

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
    {"digits linear", "digits mlp", "digits cnn", "vit", "char gru", "breast cancer", "diabetes", "autoencoder"}
)
REPORTING_FAMILIES = frozenset(
    {
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


@dataclass(frozen=True)
class Task:
    """A training whose learning rate is to be found.

    Attributes:
        name: Short name, also of its files.
        family: What it has in common with others; see the module.
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


def _mlp(*sizes: int, **more: Any) -> Node:
    return _model("mlp", sizes=list(sizes), **more)


def _model(name: str, **more: Any) -> Node:
    return {"_target_": f"accuracy.models.{name}", **more}


def _optimizer(name: str, **more: Any) -> Node:
    return {"_target_": f"torch.optim.{name}", **more}


def _loss(name: str, **more: Any) -> Node:
    return {"_target_": f"torch.nn.{name}", **more}


MSE = _loss("MSELoss")
SGD, ADAM = _optimizer("SGD"), _optimizer("Adam")
MOMENTUM = _optimizer("SGD", momentum=0.9)
NESTEROV = _optimizer("SGD", momentum=0.9, nesterov=True, weight_decay=5e-4)
WEIGHT_DECAY = {"weight_decay": 5e-4}

_TUNING = (
    Task("softmax_sgd", "digits linear", "digits", _mlp(64, 10), SGD, 32, 300, 0),
    Task("softmax_sgd_b8", "digits linear", "digits", _mlp(64, 10), SGD, 8, 300, -1),
    Task("mlp_sgd", "digits mlp", "digits", _mlp(64, 128, 10), SGD, 64, 300, -1),
    Task("mlp_momentum", "digits mlp", "digits", _mlp(64, 128, 128, 10), MOMENTUM, 64, 300, -5),
    Task("mlp_adam", "digits mlp", "digits", _mlp(64, 128, 128, 10), ADAM, 64, 300, -9),
    Task("mlp_deep_sgd", "digits mlp", "digits", _mlp(64, 64, 64, 64, 64, 64, 10), SGD, 32, 300, -3),
    Task("mlp_tanh_sgd_b8", "digits mlp", "digits", _mlp(64, 64, 64, 64, 10, activation="Tanh"), SGD, 8, 300, -3),
    Task("cnn_momentum", "digits cnn", "digits", _model("cnn"), MOMENTUM | WEIGHT_DECAY, 64, 250, -4),
    Task("vit_adamw", "vit", "digits", _model("ViT"), _optimizer("AdamW", weight_decay=0.05), 64, 300, -9),
    Task("gru_adam", "char gru", "text", _model("CharRNN", kind="GRU"), ADAM, 32, 300, -7),
    Task("cancer_adam", "breast cancer", "breast_cancer", _mlp(30, 64, 2), ADAM, 32, 200, -11),
    Task("diabetes_adam", "diabetes", "diabetes", _mlp(10, 64, 64, 1), ADAM, 32, 200, -12, MSE),
    Task("diabetes_raw_sgd", "diabetes", "diabetes_raw", _mlp(10, 64, 1), SGD, 32, 300, -12, MSE),
    Task("autoencoder_adam", "autoencoder", "patches", _mlp(64, 64, 12, 64, 64), ADAM, 128, 300, -9, MSE),
)

_REPORTING = (
    Task(
        "resnet_nesterov",
        "resnet",
        "digits",
        _model("resnet"),
        NESTEROV,
        64,
        200,
        -4,
        _loss("CrossEntropyLoss", label_smoothing=0.1),
    ),
    Task("plain_cnn_sgd", "plain cnn", "digits", _model("cnn", norm=False), SGD, 32, 250, -3),
    Task("plain_cnn_adamw", "plain cnn", "digits", _model("cnn", norm=False), _optimizer("AdamW"), 64, 250, -9),
    Task(
        "layernorm_rmsprop",
        "normed mlp",
        "digits",
        _mlp(64, 96, 96, 10, activation="GELU", norm="layer", dropout=0.2),
        _optimizer("RMSprop"),
        32,
        250,
        -10,
    ),
    Task("batchnorm_sgd_b256", "normed mlp", "digits", _mlp(64, 128, 10, norm="batch"), NESTEROV, 256, 150, -3),
    Task("wine_nadam_b8", "wine", "wine", _mlp(13, 32, 3), _optimizer("NAdam"), 8, 150, -9),
    Task("wine_linear_adagrad", "wine", "wine", _mlp(13, 3), _optimizer("Adagrad"), 16, 150, -3),
    Task("tumour_huber_sgd", "tumour area", "tumour_area", _mlp(20, 64, 1), SGD, 16, 300, -2, _loss("HuberLoss")),
    Task("tumour_mse_adam", "tumour area", "tumour_area", _mlp(20, 64, 64, 1), ADAM, 32, 300, -7, MSE),
    Task(
        "lstm_rmsprop",
        "char lstm",
        "text",
        _model("CharRNN", kind="LSTM", width=48),
        _optimizer("RMSprop"),
        16,
        200,
        -8,
    ),
    Task(
        "rnn_adagrad", "char rnn", "text", _model("CharRNN", kind="RNN", width=48), _optimizer("Adagrad"), 16, 200, -6
    ),
    Task("transformer_adamw", "char transformer", "text", _model("CharTransformer"), _optimizer("AdamW"), 8, 200, -9),
    Task("char_mlp_sgd", "char mlp", "contexts", _model("char_mlp"), SGD, 32, 400, -1),
    Task("vae_adam", "vae", "digits_to_rebuild", _model("VAE"), ADAM, 64, 300, -9, _model("VAELoss")),
    Task(
        "contrastive_momentum",
        "contrastive",
        "digit_pairs",
        _model("PairEncoder"),
        MOMENTUM,
        128,
        200,
        -4,
        _model("ContrastiveLoss"),
    ),
    Task("pixels_radam", "coordinates", "pixels", _model("Coordinates"), _optimizer("RAdam"), 256, 300, -8, MSE),
    Task("denoise_nesterov", "denoising", "noisy_patches", _mlp(64, 96, 64), NESTEROV, 64, 300, -2, MSE),
    Task("patch_source_sgd", "patch source", "patch_source", _mlp(64, 64, 64, 64, 64, 2), SGD, 16, 400, -3),
    Task("finetune_adam", "fine-tuning", "high_digits", _model("pretrained"), ADAM, 32, 150, -10),
    Task("finetune_momentum", "fine-tuning", "high_digits", _model("pretrained"), MOMENTUM, 16, 150, -5),
    Task("frozen_sgd", "fine-tuning", "high_digits", _model("pretrained", frozen=True), SGD, 32, 200, -5),
)

TASKS = {task.name: task for task in (*_TUNING, *_REPORTING)}
"""Every task by its name."""

LONG = ("softmax_sgd", "mlp_sgd", "cancer_adam", "wine_nadam_b8")
"""Cheap tasks whose truth is also taken at ten times the length: how does the answer depend on the horizon?"""
