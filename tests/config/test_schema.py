from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from pydantic import BaseModel

from lrfind.config import schema

SECTIONS = [
    schema.Config,
    schema.DataConfig,
    schema.ParamGroup,
    schema.OutputConfig,
]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_explained(section: type[BaseModel]) -> None:
    plain = {"data", "train", "sweep", "probes", "analysis", "output"}
    for name, field in section.model_fields.items():
        assert field.description or name in plain, f"{section.__name__}.{name} has no docstring"


def test_a_config_does_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        config().seed = 5
    with pytest.raises(FrozenInstanceError):
        config().train.checkpoint = "a.pt"  # type: ignore[misc]


def test_a_data_set_needs_a_batch_size() -> None:
    with pytest.raises(ValueError, match=r"data\.batch_size: expected a number of samples, got none"):
        schema.DataConfig(dataset={"_target_": "a.b"})


def config(**sections: Any) -> schema.Config:
    document: dict[str, Any] = {
        "model": {"_target_": "a.b"},
        "data": {"dataset": {"_target_": "a.b"}, "batch_size": 8},
        "optimizer": {"_target_": "torch.optim.SGD"},
    }
    return schema.Config.model_validate(document | sections)


def of_data(**more: Any) -> dict[str, Any]:
    return {"data": {"dataset": {"_target_": "a.b"}, "batch_size": 8, **more}}


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"precision": "fp8"}, "'fp32', 'bf16' or 'fp16'"),
        ({"train": {"accumulate": 0}}, "greater than or equal to 1"),
        ({"train": {"accumulate": True}}, "expected a number, got true"),
        ({"train": {"clip_grad_norm": 0}}, "greater than or equal to 0.0"),
        (
            {"train": {"clip_grad_norm": 1, "clip_grad_value": 1}},
            r"either train\.clip_grad_norm or train\.clip_grad_value, got both",
        ),
        ({"train": {"optimizer_state": True}}, r"set train\.checkpoint"),
        ({"train": {"freeze": ["("]}}, r"expected a regular expression, got '\('"),
        ({"param_groups": [{"match": "("}]}, r"expected a regular expression, got '\('"),
        ({"param_groups": [{"match": "a", "lr": 1, "fixed_lr": 2}]}, "got lr and fixed_lr"),
        ({"param_groups": [{"match": "a", "params": []}]}, "params is what match finds"),
        (
            {"param_groups": [{"match": "a", "lr": 1}]},
            r"optimizer\.lr: expected a finite number above 0, .* got none",
        ),
        ({"optimizer": {"_target_": "a.b", "lr": 0}, "param_groups": [{"match": "a", "lr": 1}]}, "got 0; set it"),
        (
            {"optimizer": None, "param_groups": [{"match": "a", "lr": 1}]},
            "expected an optimizer for param_groups",
        ),
        ({"optimizer": None, "no_decay_on_bias_and_norm": True}, "got none; set optimizer"),
        ({"sweep": {"warmup_steps": -1}}, "greater than or equal to 0"),
        (
            {"data": {"dataset": {"_target_": "a.b"}, "batch_size": 8, "multiprocessing_context": "spawn"}},
            r"does nothing without worker processes; set data\.num_workers",
        ),
        (of_data(prefetch_factor=2), r"data\.prefetch_factor: does nothing without worker processes"),
        (of_data(persistent_workers=True), r"data\.persistent_workers: does nothing without worker processes"),
        (of_data(sampler={"_target_": "a.b"}, shuffle=True), "data: shuffle does nothing beside sampler; drop one"),
        (of_data(batch_sampler={"_target_": "a.b"}), "data: batch_size does nothing beside batch_sampler; drop one"),
        ({"data": {"loader": {"_target_": "a.b"}, "drop_last": False}}, "drop_last does nothing beside loader"),
    ],
)
def test_what_does_not_make_sense_is_a_fault(sections: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        config(**sections)


def test_a_group_takes_the_options_of_its_optimizer() -> None:
    read = config(param_groups=[{"match": "bias", "weight_decay": 0.0}], scheduler={"_target_": "a.b"})
    assert read.param_groups[0].model_extra == {"weight_decay": 0.0}
    assert read.model_dump()["param_groups"][0]["weight_decay"] == 0.0
