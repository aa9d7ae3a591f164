"""A learning rate filled in a config: the ratios of groups, overrides, references, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from lrfind.config.fill_lr import Draft, read_draft
from lrfind.config.load import load_config
from lrfind.config.validate import check_targets
from lrfind.errors import ConfigError

HEAD = """\
# a training
model: {_target_: torch.nn.Linear, in_features: 3, out_features: 1}   # small
data: {loader: {_target_: filler.loader}}
"""
MODULE = """
import torch
def loader(): return []
def bare(model): return torch.optim.SGD(model.parameters(), lr=0.1)
def grouped(model, lr): return torch.optim.SGD(model.parameters(), lr=lr)
"""
SGD = "optimizer: {_target_: torch.optim.SGD, lr: 1e-3}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "filler.py").write_text(MODULE)
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    sys.modules.pop("filler", None)


def draft(folder: Path, text: str, *overrides: str, out: str = "out.yaml") -> Draft:
    path = folder / "c.yaml"
    path.write_bytes((HEAD + dedent(text)).encode())
    config = check_targets(load_config(path, overrides), str(path))
    return read_draft(path, overrides, config, folder / out)


def filled(folder: Path, text: str, *overrides: str, lr: float = 0.25) -> str:
    done = draft(folder, text, *overrides).filled(lr)
    assert done.startswith("# a training\nmodel: {_target_: torch.nn.Linear, in_features: 3, ")
    return done.removeprefix(HEAD)


def refusal(folder: Path, text: str, *overrides: str, out: str = "out.yaml") -> str:
    with pytest.raises(ConfigError) as caught:
        draft(folder, text, *overrides, out=out)
    said = str(caught.value)
    assert said.startswith(f"{folder / 'c.yaml'}: --write-config: ")
    return said


def test_the_rate_is_filled_in_and_nothing_else(folder: Path) -> None:
    assert filled(folder, SGD) == SGD.replace("1e-3", "0.25")
    assert filled(folder, SGD.replace(", lr: 1e-3", "")) == "optimizer: {_target_: torch.optim.SGD, lr: 0.25}\n"


def test_a_small_rate_is_a_number_for_every_reader_of_yaml(folder: Path) -> None:
    assert "lr: 1.0e-05}" in filled(folder, SGD, lr=1e-5)


def test_groups_keep_their_ratio(folder: Path) -> None:
    text = SGD + "param_groups:\n  - {match: weight, lr: 5e-4}  # half\n  - match: bias\n    lr_scale: 3\n"
    done = filled(folder, text, lr=0.00214)
    assert done == text.replace("lr: 1e-3", "lr: 0.00214").replace("5e-4", "0.00107")


def test_groups_that_refer_to_the_rate_keep_their_ratio(folder: Path) -> None:
    text = SGD + "param_groups: [{match: bias, lr: '${optimizer.lr}'}]\n"
    assert "match: bias, lr: 0.25}" in filled(folder, text)
    text = SGD.replace("1e-3", "&lr 1e-3") + "param_groups: [{match: bias, lr: *lr}]\n"
    assert filled(folder, text).replace("&lr ", "") == SGD.replace("1e-3", "0.25") + (
        "param_groups: [{match: bias, lr: 0.25}]\n"
    )


def test_fixed_rates_stay(folder: Path) -> None:
    text = SGD + "param_groups: [{match: bias, fixed_lr: 1e-4}]\n"
    assert filled(folder, text) == text.replace("lr: 1e-3", "lr: 0.25")


def test_overrides_are_written_as_well(folder: Path) -> None:
    text = SGD + "train:\n  steps: 10  # few\n"
    overrides = ("train.steps=500", "optimizer.momentum=0.95", "sweep.num_iter=50", "optimizer.lr=7")
    done = draft(folder, text, *overrides).filled(0.25)
    assert done.splitlines() == [
        *HEAD.splitlines()[:2],
        "sweep: {num_iter: 50}",
        *HEAD.splitlines()[2:],
        "optimizer: {_target_: torch.optim.SGD, momentum: 0.95, lr: 0.25}",
        "train:",
        "  steps: 500  # few",
    ]
    (folder / "out.yaml").write_text(done)
    assert load_config(folder / "out.yaml") == load_config(folder / "c.yaml", (*overrides, "optimizer.lr=0.25"))


def test_an_override_of_a_whole_node_is_merged_as_it_was_swept(folder: Path) -> None:
    done = draft(folder, SGD, "model={out_features: 2, bias: false}").filled(0.25)
    assert "out_features: 2" in done
    assert "bias: false" in done


def test_groups_keep_their_ratio_to_a_rate_that_was_overridden(folder: Path) -> None:
    text = SGD + "param_groups: [{match: bias, lr: 5e-4}]\n"
    assert "lr: 0.0125}]" in filled(folder, text, "optimizer.lr=1e-2")


def test_a_reference_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LR_OF_MINE", "0.1")
    made = draft(folder, SGD.replace("1e-3", "'${oc.env:LR_OF_MINE}'"))
    assert made.reference == "${oc.env:LR_OF_MINE}"
    assert made.filled(0.25).endswith("lr: 0.25}\n")
    assert draft(folder, SGD).reference is None


def test_what_refers_to_the_rate_follows_it(folder: Path) -> None:
    text = SGD + "scheduler: {max_lr: '${optimizer.lr}'}\n"
    (folder / "out.yaml").write_text(HEAD + filled(folder, text))
    assert load_config(folder / "out.yaml").scheduler == {"max_lr": 0.25}


def test_an_optimizer_that_makes_its_own_groups_is_told(folder: Path) -> None:
    assert draft(folder, "optimizer: {_target_: filler.grouped}\n").makes_own_groups
    assert not draft(folder, SGD).makes_own_groups


def test_line_ends_and_byte_order_mark_stay(folder: Path) -> None:
    path = folder / "c.yaml"
    data = b"\xef\xbb\xbf" + (HEAD + SGD).replace("\n", "\r\n").encode().rstrip()
    path.write_bytes(data)
    made = read_draft(path, (), check_targets(load_config(path), str(path)), folder / "out.yaml")
    assert made.filled(0.25).encode() == data.replace(b"1e-3", b"0.25")


def test_a_value_that_shares_the_anchor_is_not_changed_unseen(folder: Path) -> None:
    said = refusal(folder, SGD.replace("1e-3", "&lr 1e-3") + "scheduler: {max_lr: *lr}\n")
    assert "without changing scheduler.max_lr" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scheduler: &o {_target_: torch.optim.SGD}\noptimizer: *o\n", "optimizer.lr in the file"),
        ("scheduler: {_target_: torch.optim.SGD}\noptimizer: ${scheduler}\n", "write it out there"),
        ("optimizer: {_target_: filler.bare}\n", "filler.bare takes no argument lr"),
        (SGD + "scheduler: [{match: bias, lr: 1e-3}]\nparam_groups: ${scheduler}\n", "param_groups.0.lr"),
    ],
    ids=["alias", "reference", "no argument", "groups by reference"],
)
def test_a_config_that_cannot_be_filled_is_refused(folder: Path, text: str, words: str) -> None:
    assert words in refusal(folder, text)


def test_an_override_that_cannot_be_written_is_refused(folder: Path) -> None:
    said = refusal(folder, SGD + "train:\n  freeze:\n  - a\n  - b\n", "train.freeze=[a]")
    assert "train.freeze" in said
    assert "by hand" in said


def test_a_model_with_its_own_optimizer_is_refused(folder: Path) -> None:
    lit = "class lit:\n  def __init__(self, in_features, out_features): ...\n  def configure_optimizers(self): ...\n"
    (folder / "filler.py").write_text(MODULE + lit)
    assert "configure_optimizers" in refusal(folder, "", "model._target_=filler.lit")


def test_another_folder_must_not_lose_what_lies_beside_the_config(folder: Path) -> None:
    said = refusal(folder, SGD, out="sub/out.yaml")
    assert "the module filler" in said
    assert str(folder / "out.yaml") in said


def test_another_folder_must_not_lose_the_checkpoint(folder: Path) -> None:
    (folder / "w.pt").touch()
    elsewhere = "data.loader._target_=torch.ones"
    assert "the checkpoint w.pt" in refusal(folder, SGD + "train: {checkpoint: w.pt}\n", elsewhere, out="sub/out.yaml")
    text = SGD + f"train: {{checkpoint: {folder / 'w.pt'}}}\n"
    assert draft(folder, text, elsewhere, out="sub/out.yaml").filled(0.25)
