from __future__ import annotations

import pytest
from pydantic import BaseModel

from lrfind.config import schema


@pytest.mark.parametrize(
    "section", [schema.Config, schema.DataConfig, schema.SweepConfig, schema.TrainConfig, schema.ProbesConfig]
)
def test_every_key_is_explained(section: type[BaseModel]) -> None:
    plain = {"data", "train", "sweep", "probes", "analysis", "output"}
    for name, field in section.model_fields.items():
        assert field.description or name in plain, f"{section.__name__}.{name} has no docstring"


def test_a_config_does_not_change() -> None:
    config = schema.SweepConfig()
    with pytest.raises(ValueError, match="frozen"):
        config.num_iter = 5


def test_a_data_set_needs_a_batch_size() -> None:
    with pytest.raises(ValueError, match=r"set data\.batch_size"):
        schema.DataConfig(dataset={"_target_": "a.b"})
