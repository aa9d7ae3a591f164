"""Configs of a LightningCLI in the keys of lrfind."""

from __future__ import annotations

from typing import Any

import pytest

from lrfind.config.load import load_config
from lrfind.errors import ConfigError

CLI: dict[str, Any] = {
    "seed_everything": 42,
    "trainer": {
        "accelerator": "cpu",
        "precision": "bf16-mixed",
        "max_epochs": 10,
        "max_steps": -1,
        "accumulate_grad_batches": 2,
        "gradient_clip_val": 0.5,
        "gradient_clip_algorithm": None,
        "callbacks": None,
    },
    "model": {"class_path": "a.Net", "init_args": {"width": 8, "head": {"class_path": "a.Head"}, "sizes": [1]}},
    "data": {"class_path": "a.Data", "init_args": {"batch_size": 64}},
    "optimizer": {"class_path": "SGD", "init_args": {"lr": 0.1}},
    "lr_scheduler": {"class_path": "torch.optim.lr_scheduler.CosineAnnealingLR", "init_args": {"T_max": 10}},
    "ckpt_path": None,
}


def test_it_says_model_data_optimizer_and_how_the_trainer_trains() -> None:
    config = load_config(CLI)
    assert config.model == {"_target_": "a.Net", "width": 8, "head": {"_target_": "a.Head"}, "sizes": [1]}
    assert config.data.loader == {"_target_": "a.Data", "batch_size": 64}
    assert config.optimizer == {"_target_": "torch.optim.SGD", "lr": 0.1}
    assert (config.seed, config.precision, config.device) == (42, "bf16", "cpu")
    train = config.train
    assert (train.epochs, train.steps, train.accumulate) == (10, None, 2)
    assert (train.clip_grad_norm, train.clip_grad_value, train.schedule) == (0.5, None, "cosine")
    assert config.unused == ["ckpt_path"]


def test_keys_of_lrfind_stand_beside_them_and_go_first() -> None:
    overrides = ["train.steps=300", "precision=fp32", "sweep.num_iter=50", "trainer.gradient_clip_algorithm=value"]
    config = load_config(CLI, [*overrides, "model.init_args.width=4", "seed=1"])
    assert (config.train.steps, config.train.epochs, config.precision, config.seed) == (300, None, "fp32", 1)
    assert (config.train.clip_grad_norm, config.train.clip_grad_value) == (None, 0.5)
    assert (config.sweep.num_iter, config.model["width"]) == (50, 4)


@pytest.mark.parametrize("seed", [True, None])
def test_a_seed_at_random_leaves_the_default(seed: Any) -> None:
    config = load_config({**CLI, "seed_everything": seed, "trainer": None, "lr_scheduler": None})
    assert (config.seed, config.precision, config.train.epochs, config.train.schedule) == (0, "fp32", None, "constant")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"width": 8}, "got the arguments width alone; say model.class_path=my_module.MyClass, or run the script"),
        ({"class_path": "__main__.Net"}, "got __main__.Net; say model.class_path"),
    ],
)
def test_a_class_that_the_script_alone_knows_is_asked_for(model: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=f"config: model: .*{words}"):
        load_config({**CLI, "model": model})
