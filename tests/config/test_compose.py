"""Configs of Hydra projects, composed by Hydra."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

import lrfind
from lrfind.config.load import load_config
from lrfind.config.schema import Config
from lrfind.errors import ConfigError, UserCodeError

FILES = {
    "conf/config.yaml": """\
defaults: [{model: mlp}, {optimizer: sgd}, _self_, {override hydra/job_logging: disabled}]
imports: doubling
seed: 3
lr: 0.1
width: 4
train: {epochs: "${epochs}"}
epochs: 5
data: {loader: {_target_: project.net.loader}}
loss: torch.nn.MSELoss
callbacks: {_target_: no.such.Callback, dirpath: "${hydra:runtime.output_dir}", at: "${no.such.key}"}
output: {dir: "${hydra:runtime.cwd}/found", plot: none}
""",
    "conf/model/mlp.yaml": "{_target_: project.net.mlp, width: '${double:${width}}'}\n",
    "conf/model/linear.yaml": "{_target_: torch.nn.Linear, in_features: 3, out_features: 1}\n",
    "conf/optimizer/sgd.yaml": "{_target_: torch.optim.SGD, _partial_: true, momentum: 0.9, lr: '${lr}'}\n",
    "conf/optimizer/adam.yaml": "{_target_: torch.optim.Adam, _partial_: true, lr: '${lr}'}\n",
    "conf/experiment/wide.yaml": "# @package _global_\ndefaults: [{override /optimizer: adam}]\nwidth: 32\n",
    "doubling.py": """\
from omegaconf import OmegaConf
OmegaConf.register_new_resolver("double", lambda x: 2 * x, replace=True)
""",
    "project/net.py": """\
import torch
def mlp(width):
    return torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.Tanh(), torch.nn.Linear(width, 1))
def loader():
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    return [(x, x.sum(1, keepdim=True))] * 20
""",
}


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path / "conf/config.yaml"
    for name in ("doubling", "project", "project.net"):
        sys.modules.pop(name, None)


def load(conf: Path, *overrides: str) -> Config:
    return load_config(conf, overrides)


def test_the_defaults_list_is_composed_and_resolved(conf: Path) -> None:
    config = load(conf)
    assert config.model == {"_target_": "project.net.mlp", "width": 8}
    assert config.optimizer == {"_target_": "torch.optim.SGD", "_partial_": True, "momentum": 0.9, "lr": 0.1}
    assert (config.seed, config.train.epochs, config.output.dir) == (3, 5, f"{Path.cwd()}/found")


def test_what_lrfind_does_not_know_is_a_variable(conf: Path) -> None:
    assert load(conf).unused == ["lr", "width", "epochs", "callbacks"]
    with pytest.raises(ConfigError, match=r"sweeps: unknown key; did you mean sweep\?"):
        load(conf, "+sweeps=3")


def test_overrides_are_those_of_hydra(conf: Path) -> None:
    config = load(conf, "optimizer=adam", "model=linear", "~callbacks", "lr=0.5", "+note=x", "width=2", "seed=1")
    assert config.optimizer == {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.5}
    assert config.model["_target_"] == "torch.nn.Linear"
    assert config.unused == ["lr", "width", "epochs", "note"]
    wide = load(conf, "+experiment=wide")
    assert wide.model["width"] == 64
    assert wide.optimizer is not None
    assert wide.optimizer["_target_"] == "torch.optim.Adam"


def test_settings_of_lrfind_need_no_plus(conf: Path) -> None:
    assert load(conf, "sweep.num_iter=50", "budget=120").settings.most_updates == 120
    assert load_config(conf, (), {"sweep.num_iter": ("--num-iter", "50")}).sweep.num_iter == 50


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model=mpl"], "Could not find 'model/mpl'.*linear mlp"),
        (["~nothing"], "nothing"),
        (["model={a"], "model="),
        (["seed=${nowhere}"], "seed: .*nowhere"),
    ],
)
def test_what_hydra_finds_is_a_fault_of_the_config(conf: Path, overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=rf"config\.yaml: .*{words}"):
        load(conf, *overrides)


def test_a_module_of_resolvers_that_is_not_there_is_named(conf: Path) -> None:
    with pytest.raises(UserCodeError, match="imports: importing trebling failed: ModuleNotFoundError"):
        load(conf, "imports=trebling")


def test_an_app_of_hydra_goes_on_and_hands_its_config_over(conf: Path) -> None:
    with hydra.initialize_config_dir(str(conf.parent), version_base=None):
        app = GlobalHydra.instance().hydra
        assert load(conf, "model=linear").model["in_features"] == 3
        assert GlobalHydra.instance().hydra is app
        composed = hydra.compose("config", ["optimizer=adam", "~callbacks"])
    composed.output.dir = "."
    notes: list[str] = []
    answer = lrfind.run_config(composed, {"sweep.start_lr": 1e-5, "sweep.num_iter": 40}, on_note=notes.append)
    assert answer.suggested_lr
    assert "mlp, Adam" in answer.title
    assert any(note.endswith("where others refer to them: lr, width, epochs") for note in notes)


def test_a_config_may_be_a_mapping_that_a_script_holds(conf: Path) -> None:
    sys.path.insert(0, str(Path.cwd()))
    mapping: dict[str, Any] = {
        "model": {"_target_": "torch.nn.Linear", "in_features": 3, "out_features": 1},
        "data": "project.net.loader",
        "loss": "torch.nn.MSELoss",
        "optimizer": {"_target_": "torch.optim.SGD", "lr": "${vars.lr}"},
        "vars": {"lr": 0.1},
        "output": {"plot": "none"},
    }
    assert load_config(mapping).optimizer == {"_target_": "torch.optim.SGD", "lr": 0.1}
    answer = lrfind.run_config(mapping, ["sweep.num_iter=40", "sweep.start_lr=1e-5"], out=Path.cwd())
    assert answer.suggested_lr
    assert lrfind.load(Path.cwd() / "config.lrfind.json").suggested_lr == answer.suggested_lr
    with pytest.raises(ConfigError, match=r"config: sweeps: unknown key; did you mean sweep\?"):
        load_config({**mapping, "sweeps": {}})
    with pytest.raises(ConfigError, match=r"config: lr: unknown key"):
        load_config({**mapping, "lr": 3})
    assert load_config(OmegaConf.create({**mapping, "lr": 3})).unused == ["lr"]
