"""Every recipe of docs/recipes.md, as it stands there."""

from __future__ import annotations

import importlib
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from cli import Project
from omegaconf import OmegaConf
from torch.utils.data import DataLoader

import lrfind

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of what the libraries do as they are imported

PAGE = (Path(__file__).parent.parent / "docs" / "recipes.md").read_text()


def recipes(section: str) -> dict[str, str]:
    """Return the first code of each row in a section, by the name of the library."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| ([^|]+?) \| `(.+?)`[^|]* \|$", text, re.MULTILINE))


CONFIGS, CALLS = recipes("As a config"), recipes("From Python")


@pytest.fixture
def project(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in ("libraries", "graphs", "my_data"):
        project.bring(name)
    monkeypatch.chdir(project.folder)
    monkeypatch.syspath_prepend(project.folder)
    return project


@pytest.mark.parametrize("recipe", CONFIGS.values(), ids=CONFIGS)
def test_a_config_trains(project: Project, recipe: str) -> None:
    project.config.write_text(yaml.safe_dump(yaml.safe_load(f"{{{recipe}}}"), sort_keys=False))
    outcome = project.main("run", "train.yaml", "--dry-run")
    assert outcome.code == 0, outcome.err


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_is_answered(project: Project, call: str) -> None:
    answer = eval(call, names_for(call))
    assert len(answer.sweep.losses) > 5


def names_for(call: str) -> dict[str, Any]:
    """Return what a script holds where it makes a call."""
    own = importlib.import_module("my_data")
    few: dict[str, Any] = {"num_iter": 12, "probes": False, "progress": False}
    model = torch.nn.Linear(64, 10)
    names: dict[str, Any] = {
        "torch": torch,
        "lrfind": SimpleNamespace(find_lr=partial(lrfind.find_lr, **few), run_config=lrfind.run_config),
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "loader": DataLoader(own.digits(), 64),
        "bert": own.bert(),
        "reviews": DataLoader(own.Tokens(), 16, collate_fn=reviews),
        "cfg": OmegaConf.create({**yaml.safe_load(f"{{{CONFIGS['Lightning']}}}"), "sweep": {"num_iter": 12}}),
    }
    if "graph" in call:
        names |= {"graph_net": own.GraphNet(), "graphs": own.graphs()}
    if "accelerator" in call:
        names["accelerator"] = importlib.import_module("accelerate").Accelerator(cpu=True)
    if "fabric" in call:
        names["fabric"] = importlib.import_module("lightning.fabric").Fabric(accelerator="cpu", devices=1)
    return names


def reviews(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Make a mini-batch of texts, each with a label."""
    tokens = torch.stack([sample["input_ids"] for sample in samples])
    return {"input_ids": tokens, "labels": tokens[:, 0] % 2}
