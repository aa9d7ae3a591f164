"""Tasks for tuning that are as trainings are in life: raw units, wild targets, few samples, odd optimizers, longer."""

from __future__ import annotations

from accuracy.nodes import ADAM, MOMENTUM, MSE, SGD, WEIGHT_DECAY, loss, mlp, model, optimizer
from accuracy.task import Task

LION = {"_target_": "accuracy.models.Lion", "weight_decay": 0.01}

LIFELIKE = (
    Task("offset_area_adamw", "offset area", "offset_area", mlp(20, 64, 64, 1), optimizer("AdamW"), 32, 1000, -8, MSE),
    Task("offset_area_sgd", "offset area", "offset_area", mlp(20, 64, 1), SGD, 32, 1000, -5, MSE),
    Task("diabetes_raw_adam", "diabetes", "diabetes_raw", mlp(10, 64, 64, 1), ADAM, 32, 1000, -8, MSE),
    Task("outlying_friedman_adam", "wild friedman", "outlying_friedman", mlp(10, 64, 64, 1), ADAM, 64, 1000, -9, MSE),
    Task("friedman_l1_momentum", "friedman", "friedman", mlp(10, 64, 64, 1), MOMENTUM, 32, 1000, -6, loss("L1Loss")),
    Task("digits_lion", "sign steps", "digits", model("cnn", norm=False), LION, 64, 1000, -12),
    Task("digits_adafactor", "capped steps", "digits", mlp(64, 96, 96, 10), optimizer("Adafactor"), 64, 1000, -6),
    Task("digits_radam", "digits mlp", "digits", mlp(64, 96, 96, 10), optimizer("RAdam"), 64, 1000, -8),
    Task("digits_sgd_b1", "digits mlp", "digits", mlp(64, 48, 10), SGD, 1, 2500, -4),
    Task("few_cancer_adam", "few flipped", "flipped_cancer", mlp(30, 64, 64, 2), ADAM, 16, 500, -11),
    Task("mlp_adam_long", "digits mlp", "digits", mlp(64, 128, 128, 10), ADAM, 64, 3000, -10),
    Task("cnn_momentum_long", "digits cnn", "digits", model("cnn"), MOMENTUM | WEIGHT_DECAY, 64, 1200, -5),
    Task("char_mlp_adamw_long", "char mlp", "contexts", model("char_mlp"), optimizer("AdamW"), 64, 2500, -9),
)
