from __future__ import annotations

import functools
import inspect
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind.arguments import KEYS, config_of_objects, in_python
from lrfind.config.schema import Config
from lrfind.errors import ConfigError
from lrfind.finder import find_lr


def default(key: str) -> Any:
    value: Any = Config.model_validate(
        {"model": {"_target_": "a"}, "data": {"loader": {"_target_": "a"}}, "optimizer": {"_target_": "a"}}
    )
    for name in key.split("."):
        value = getattr(value, name)
    return value


@pytest.mark.parametrize("argument", KEYS)
def test_the_defaults_are_those_of_the_config(argument: str) -> None:
    assert inspect.signature(find_lr).parameters[argument].default == default(KEYS[argument])


@pytest.mark.parametrize(
    ("config", "python"),
    [
        ("raise sweep.end_lr to see it.", "raise end_lr to see it."),
        ("raise sweep.num_iter or sweep.max_iter.", "raise num_iter or max_iter."),
        ("train.steps tells how many", "train_steps tells how many"),
        ("raise probes.max_steps, use larger batches", "raise max_probe_steps, use larger batches"),
        ("add e.g. loss: {_target_: torch.nn.MSELoss}", "add e.g. loss_fn=torch.nn.MSELoss()"),
        ("lower data.batch_size, and raise train.accumulate", "lower the batch size, and raise accumulate"),
        ("data.num_workers=0 shows", "a loader with num_workers=0 shows"),
        ("The loss of the config is not used; drop loss.", "loss_fn is not used; drop loss_fn."),
        ("step 3: training step failed: os.path", "step 3: training step failed: os.path"),
    ],
)
def test_messages_name_arguments(config: str, python: str) -> None:
    assert in_python(config) == python


def described(**change: Any) -> Config:
    model = nn.Linear(2, 1)
    objects = {
        "model": model,
        "loader": DataLoader(TensorDataset(torch.ones(8, 2)), 4, shuffle=True),
        "loss_fn": nn.functional.mse_loss,
        "optimizer": torch.optim.AdamW(model.parameters(), lr=0.5, betas=(0.8, 0.9)),
        "step": None,
        "device": torch.device("cpu"),
    }
    return config_of_objects({"num_iter": 30, "clip_grad_norm": 1.0, "probes": False}, **(objects | change))


def test_objects_are_named_by_their_classes() -> None:
    config = described()
    assert config.model == {"_target_": "torch.nn.Linear"}
    assert config.loss == {"_target_": "torch.nn.functional.mse_loss"}
    assert config.optimizer == {"_target_": "torch.optim.AdamW", "betas": [0.8, 0.9]}
    assert config.data.dataset == {"_target_": "torch.utils.data.TensorDataset"}
    assert (config.data.batch_size, config.data.shuffle, config.device) == (4, True, "cpu")
    assert (config.sweep.num_iter, config.train.clip_grad_norm, config.probes.enabled) == (30, 1.0, False)


@pytest.mark.parametrize(
    ("loader", "target"),
    [
        ([1], "builtins.list"),
        (iter([1]), "builtins.list_iterator"),
        ((value for value in [1]), "builtins.generator"),
        (DataLoader([1], batch_size=None), "torch.utils.data.DataLoader"),
    ],
    ids=["list", "iterator", "generator", "unbatched"],
)
def test_any_loader_has_a_name(loader: Any, target: str) -> None:
    assert described(loader=loader).data.loader == {"_target_": target}


def test_functions_in_functions_and_parts_of_functions_have_names() -> None:
    step = described(step=lambda model, batch: None, loss_fn=functools.partial(max, 1))
    assert step.step is not None
    assert step.step["_target_"].startswith("test_arguments.")
    assert step.loss == {"_target_": "functools.partial"}


def test_a_setting_out_of_range_is_named_as_the_argument() -> None:
    with pytest.raises(ConfigError, match=r"^find_lr: num_iter: expected greater than or equal to 10, got 3$"):
        config_of_objects(
            {"num_iter": 3},
            **{name: nn.Linear(1, 1) for name in ("model", "loader", "loss_fn", "step")},
            optimizer=torch.optim.SGD([torch.ones(1)], lr=1),
            device=torch.device("cpu"),
        )
