"""The tasks: real trainings that take about a second each, as configs of lrfind.

Each belongs to a family, and whole families are either for *tuning* or for *reporting*. Tuning tasks are all those
whose figures were looked at while the analyzer was made. Nothing may be tuned on a reporting task, nor on one of its
family: only their figures tell how good a suggestion is on a new training.
"""

from __future__ import annotations

from typing import Any

from accuracy.task import Node, Task

__all__ = ["LONG", "TASKS", "Task"]


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

_REPORTING = (
    Task("bag_sgd", "bag of words", "word_counts", _mlp(500, 8), SGD, 16, 500, -1),
    Task("fasttext_sgd", "word embeddings", "word_windows", _model("bag_of_words"), SGD, 16, 500, 1),
    Task("glove_adagrad", "word pairs", "word_pairs", _model("WordPairs"), _optimizer("Adagrad"), 256, 400, -3, MSE),
    Task(
        "self_poisson_rmsprop",
        "word uses",
        "word_uses",
        _mlp(498, 1),
        _optimizer("RMSprop"),
        32,
        400,
        -10,
        _loss("PoissonNLLLoss"),
    ),
    Task(
        "triplet_adam", "triplets", "word_triplets", _model("TripletEncoder"), ADAM, 64, 300, -8, _model("TripletLoss")
    ),
    Task("source_cnn_nesterov", "source bytes", "source_bytes", _model("ByteCNN"), NESTEROV, 64, 300, -5),
    Task("word_lstm_adam", "word lstm", "word_windows", _model("WordLSTM"), ADAM, 32, 150, -8),
    Task(
        "word_transformer_adafactor",
        "word transformer",
        "next_words",
        _model("WordTransformer"),
        _optimizer("Adafactor"),
        8,
        200,
        -6,
    ),
    Task(
        "rows_gru_radam",
        "pixel rows",
        "pixel_rows",
        _model("Forecaster"),
        _optimizer("RAdam"),
        64,
        200,
        -8,
        _loss("HuberLoss"),
    ),
    Task("iris_tanh_sgd_b4", "iris", "iris", _mlp(4, 16, 16, 3, activation="Tanh"), SGD, 4, 500, -3),
    Task(
        "rare_tumour_adamw",
        "rare tumour",
        "rare_tumour",
        _mlp(30, 48, 48, 1, activation="SiLU", norm="layer", dropout=0.1),
        _optimizer("AdamW", weight_decay=0.1),
        16,
        250,
        -10,
        _loss("BCEWithLogitsLoss"),
    ),
    Task(
        "diabetes_gaussian_adam", "uncertainty", "diabetes", _mlp(10, 48, 2), ADAM, 64, 250, -9, _model("GaussianLoss")
    ),
    Task(
        "friedman_nadam",
        "friedman",
        "friedman",
        _model("TabularResNet", inputs=10),
        _optimizer("NAdam"),
        64,
        200,
        -8,
        _loss("SmoothL1Loss"),
    ),
    Task(
        "spirals_adamax",
        "spirals",
        "spirals",
        _mlp(2, 48, 48, 48, 48, 3, activation="GELU"),
        _optimizer("Adamax"),
        32,
        400,
        -8,
    ),
    Task(
        "half_patches_muon",
        "half patches",
        "half_patches",
        _mlp(32, 64, 64, 32, activation="SiLU", bias=False),
        _optimizer("Muon", weight_decay=0.01),
        64,
        200,
        -7,
        _loss("L1Loss"),
    ),
    Task("inpainting_adam", "inpainting", "holed_patches", _model("Inpainter"), ADAM, 16, 200, -10, MSE),
    Task(
        "overlaid_cnn_momentum",
        "overlaid digits",
        "overlaid_digits",
        _model("group_cnn", classes=10, dropout=0.2),
        MOMENTUM | WEIGHT_DECAY,
        32,
        250,
        -4,
        _loss("BCEWithLogitsLoss"),
    ),
    Task(
        "rotations_rmsprop",
        "rotations",
        "rotations",
        _model("separable_cnn", classes=4),
        _optimizer("RMSprop", momentum=0.9, weight_decay=4e-5),
        64,
        200,
        -10,
    ),
    Task(
        "mixer_adamw",
        "mixer",
        "two_digits",
        _model("Mixer"),
        _optimizer("AdamW", weight_decay=0.05),
        64,
        150,
        -9,
    ),
    Task(
        "long_tail_nesterov",
        "long tail",
        "long_tail",
        _model("preact_resnet"),
        NESTEROV,
        32,
        150,
        -5,
        _loss("CrossEntropyLoss", label_smoothing=0.05),
    ),
    Task(
        "distillation_sgd_b128",
        "distillation",
        "forest_opinions",
        _mlp(64, 48, 48, 10, activation="GELU", norm="layer"),
        SGD,
        128,
        300,
        -2,
        _model("DistillationLoss"),
    ),
    Task(
        "rotation_finetune_momentum",
        "rotation pretraining",
        "digits",
        _model("pretrained_cnn", classes=10),
        MOMENTUM,
        32,
        200,
        -5,
        _loss("CrossEntropyLoss", label_smoothing=0.1),
    ),
    Task(
        "rotation_probe_adagrad",
        "linear probe",
        "high_digits",
        _model("pretrained_cnn", classes=5, frozen=True),
        _optimizer("Adagrad"),
        64,
        200,
        -4,
    ),
    Task(
        "adapter_adamw",
        "adapter",
        "turned_digits",
        _model("adapted"),
        _optimizer("AdamW", weight_decay=0.01),
        16,
        250,
        -8,
    ),
)

TASKS = {task.name: task for task in (*_TUNING, *_REPORTING)}
"""Every task by its name."""

LONG = ("softmax_sgd", "mlp_sgd", "cancer_adam", "wine_nadam_b8", "fasttext_sgd", "diabetes_gaussian_adam")
"""Cheap tasks whose truth is also taken at ten times the length: how does the answer depend on the horizon?"""
