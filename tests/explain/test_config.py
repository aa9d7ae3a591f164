"""The config that `explain` trains: the file on disk, or what a trusted record holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cli import Project
from helpers import example_result

from lrfind.errors import ConfigError
from lrfind.explain.config import differences, trusted_config
from lrfind.pipeline import read_config
from lrfind.records.types import Result


def recorded(project: Project, *overrides: str) -> Result:
    config = read_config(project.config, overrides).model_dump(mode="json")
    return replace(example_result(), config=config, source=str(project.config))


def test_what_a_training_depends_on_is_compared(project: Project) -> None:
    without_effect = ("sweep.num_iter=50", "output.plot=svg")
    result = recorded(project, "optimizer.momentum=0.5", "train.clip_grad_norm=2", *without_effect)
    assert differences(read_config(project.config), result) == [
        "train.clip_grad_norm (None in the file, 2.0 in the record)",
        "optimizer.momentum (nothing in the file, 0.5 in the record)",
    ]
    assert differences(read_config(project.config), recorded(project)) == []


def test_keys_that_an_older_record_lacks_are_no_difference(project: Project) -> None:
    result = recorded(project)
    older = {key: value for key, value in result.config.items() if key != "tf32"}
    assert differences(read_config(project.config), replace(result, config=older)) == []


def test_the_config_of_a_record_is_that_of_the_run(project: Project) -> None:
    overrides = ("optimizer.momentum=0.5", "seed=3")
    result = recorded(project, *overrides)
    assert trusted_config(result, "record", project.config) == read_config(project.config, overrides)
    assert trusted_config(result, "record", project.config, "cpu").device == "cpu"


def test_faults_in_the_config_of_a_record_are_those_of_a_config(project: Project) -> None:
    result = recorded(project)
    broken = replace(result, config={**result.config, "seeed": 1, "model": {"_target_": "own.nett"}})
    with pytest.raises(ConfigError, match=r"record: seeed: unknown key; did you mean seed\?"):
        trusted_config(broken, "record", project.config)
    misnamed = replace(result, config={**result.config, "model": {"_target_": "own.nett"}})
    with pytest.raises(ConfigError, match=r"did you mean own\.net"):
        trusted_config(misnamed, "record", project.config)
    with pytest.raises(ConfigError, match="--device: expected auto, cpu, cuda"):
        trusted_config(result, "record", project.config, "gpu")


def test_a_path_moves_with_its_config(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.add("def table(file): return data()")
    (project.folder / "table.csv").write_text("")
    overrides = ("data.dataset={_target_: own.table, file: table.csv}",)
    result = recorded(project, *overrides)
    assert result.config["data"]["dataset"]["file"] == str(project.folder / "table.csv")
    monkeypatch.chdir(project.folder)
    here = read_config(Path("train.yaml"), overrides)
    assert here.data.dataset == {"_target_": "own.table", "file": "table.csv"}
    assert differences(here, result) == []
    (project.folder / "table.csv").rename(tmp_path / "table.csv")
    found = trusted_config(result, "record", tmp_path / "train.yaml").data.dataset
    assert found == {"_target_": "own.table", "file": str(tmp_path / "table.csv")}


def test_a_checkpoint_moves_with_its_config(project: Project, tmp_path: Path) -> None:
    weights = project.folder / "weights.pt"
    torch.save({"weight": torch.ones(1, 3), "bias": torch.ones(1)}, weights)
    result = recorded(project, "train.checkpoint=weights.pt")
    assert trusted_config(result, "record", project.config).train.checkpoint == str(weights)
    moved = tmp_path / "moved.yaml"
    weights.rename(tmp_path / "weights.pt")
    assert trusted_config(result, "record", moved).train.checkpoint == str(tmp_path / "weights.pt")
    with pytest.raises(ConfigError, match=r"train\.checkpoint: expected a file, got none at"):
        trusted_config(result, "record", project.config)
