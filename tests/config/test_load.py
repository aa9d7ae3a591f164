from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from lrfind.config.load import load_config
from lrfind.config.schema import Config
from lrfind.errors import ConfigError

MINIMAL = """\
model: {_target_: torch.nn.Linear, in_features: 4, out_features: 1}
data:
  loader: {_target_: my_data.make_loader}
optimizer: {_target_: torch.optim.SGD}
"""


@pytest.fixture(autouse=True)
def _own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def load(tmp_path: Path, text: str = MINIMAL, overrides: tuple[str, ...] = (), **flags: Any) -> Config:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return load_config(path, overrides, {key.replace("__", "."): value for key, value in flags.items()})


def faults(tmp_path: Path, *arguments: Any, **flags: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, *arguments, **flags)
    return {error.value.words.name(fault.key): replace(fault, key="").render() for fault in error.value.faults}


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert (config.seed, config.device, config.analysis.method, config.output.plot) == (0, "auto", "auto", "png")
    assert (config.sweep.start_lr, config.sweep.end_lr, config.sweep.num_iter) == (1e-7, 10, 100)
    assert config.data.num_workers == 0


@pytest.mark.parametrize(
    ("text", "number"), [("1e-3", 1e-3), ('"1e-3"', 1e-3), (".5", 0.5), ("1", 1), ("'1E-2'", 1e-2)]
)
def test_numbers_of_every_spelling(tmp_path: Path, text: str, number: float) -> None:
    assert load(tmp_path, f"{MINIMAL}sweep: {{start_lr: {text}}}").sweep.start_lr == number
    assert load(tmp_path, MINIMAL, (f"sweep.start_lr={text}",)).sweep.start_lr == number


def test_overrides_apply_in_order_and_flags_last(tmp_path: Path) -> None:
    overrides = ("sweep.num_iter=50", "sweep.num_iter=60", "optimizer.momentum=0.9", "seed=3")
    config = load(tmp_path, MINIMAL, overrides, seed=("--seed", "7"))
    assert config.sweep.num_iter == 60
    assert config.optimizer["momentum"] == 0.9
    assert config.seed == 7


def test_interpolation_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIDTH", "8")
    text = MINIMAL.replace("in_features: 4", 'in_features: "${oc.decode:${oc.env:WIDTH}}"')
    config = load(tmp_path, text, ("seed=${model.in_features}",))
    assert config.seed == config.model["in_features"] == 8


def test_the_folder_of_the_config_is_importable(tmp_path: Path) -> None:
    load(tmp_path)
    assert sys.path[0] == str(tmp_path)


def test_a_path_is_relative_to_the_config_first_then_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = tmp_path / "conf"
    (conf / "data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for file in ("conf/train.csv", "train.csv", "other.csv", "conf/word"):
        Path(file).write_text("")
    arguments = {
        "file": "train.csv",
        "files": ["train.csv", "other.csv", "none.csv"],
        "root": "data",
        "name": "data",
        "word": "word",
        "url": "hf://a/b",
        "absolute": str(tmp_path / "train.csv"),
        "inner": {"_target_": "a.b", "nested": "./train.csv"},
    }
    expected = arguments | {
        "file": "conf/train.csv",
        "files": ["conf/train.csv", "other.csv", "none.csv"],
        "root": "conf/data",
        "inner": {"_target_": "a.b", "nested": "conf/train.csv"},
    }
    text = yaml.safe_dump(yaml.safe_load(MINIMAL) | {"data": {"loader": {"_target_": "a.b", **arguments}}})
    (conf / "c.yaml").write_text(text)
    assert load_config(Path("conf/c.yaml")).data.loader == {"_target_": "a.b", **expected}


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("\ufeff" + MINIMAL, encoding="utf-8")
    assert load_config(tmp_path / "c.yaml").seed == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "got an empty file"),
        ("# nothing but a comment\n", "got an empty file"),
        ("- a\n- b\n", "got a sequence"),
        ('{"schema": 1, "sweeps": [], "probes": [1]}', "expected a config, got a record"),
        ("just text\n", "got a scalar"),
        ("model: [1, 2\noptimizer: 3\n", "not valid YAML"),
        ("seed: 1\nseed: 2\n", "duplicate key"),
        ("? [a, b]\n: 1\n", "line 1, column 3: not valid YAML: found unhashable key"),
        ("model: &m {_target_: a.b, inner: *m}\n", "nested in themselves"),
        pytest.param(f"model: {'[' * 3000}\n", "at most 50 levels of nesting", id="deep"),
        ("seed: !!python/object/apply:os.system ['touch pwned']\n", "not valid YAML"),
    ],
)
def test_what_is_no_mapping_of_keys(tmp_path: Path, text: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=words):
        load(tmp_path, text)
    assert not (tmp_path / "pwned").exists()


def test_a_yaml_fault_is_located(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 3"):
        load(tmp_path, "seed: 0\nmodel: {a: 1}\ndata: {b: [1}\n")


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "digits.yaml").write_text(MINIMAL)
    with pytest.raises(ConfigError, match=r"no such file; did you mean .*digits\.yaml"):
        load_config(tmp_path / "digit.yaml")
    with pytest.raises(ConfigError, match="is a folder"):
        load_config(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"seed: \xe9\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_config(tmp_path / "latin.yaml")


def test_all_faults_are_found_at_once(tmp_path: Path) -> None:
    found = faults(tmp_path, "sweeps: {}\nseed: -1\nsweep: {num_itr: 5, num_iter: 5}\ndata: {}\noptimizer: {lr: 1}\n")
    assert set(found) == {"sweeps", "seed", "sweep.num_itr", "sweep.num_iter", "data", "optimizer", "model"}
    assert found["sweeps"] == "unknown key; did you mean sweep?"
    assert found["sweep.num_itr"] == "unknown key; did you mean num_iter?"
    assert found["sweep.num_iter"] == "expected a whole number of at least 10 and at most 10,000, got 5"
    assert found["optimizer"].startswith("expected a node with _target_: the dotted path of a class or function, got {")
    assert found["model"] == "expected a value, got none; add this key"


@pytest.mark.parametrize(
    ("override", "key", "words"),
    [
        ("sweep.start_lr=0", "sweep.start_lr", "above 0, from 1e-50 to 1e+50, got 0"),
        ("sweep.start_lr=-1", "sweep.start_lr", "above 0"),
        ("sweep.end_lr=inf", "sweep.end_lr", "finite"),
        ("sweep.end_lr=.nan", "sweep.end_lr", "got nan"),
        ("sweep.start_lr=fast", "sweep.start_lr", "got 'fast'"),
        (
            "sweep.start_lr=10",
            "sweep.start_lr",
            "expected a learning rate below the last one, 10, got 10; lower sweep.start_lr",
        ),
        ("sweep.num_iter=10.5", "sweep.num_iter", "integer"),
        ("device=gpu", "device", "expected auto, cpu, cuda"),
        ("output.plot=jpg", "output.plot", "'png', 'svg', 'pdf'"),
        ("data.batch_size=8", "data", "batch_size does nothing beside loader"),
        ("data.dataset._target_=a.b", "data", "either dataset or loader, got both"),
        ("zzz=1", "zzz", "unknown key; known here: seed, device, precision"),
        ("schedule=cosine", "schedule", "unknown key; did you mean train.schedule?"),
        pytest.param(f"model={'[' * 3000}", "model", "at most 50 levels of nesting", id="deep"),
        ("seed=${nowhere}", "seed", "nowhere"),
        ("seed=${oc.env:NOWHERE}", "seed", "NOWHERE"),
        ("seed=???", "seed", "Missing mandatory value"),
    ],
)
def test_bad_values_are_named_with_what_was_expected(tmp_path: Path, override: str, key: str, words: str) -> None:
    found = faults(tmp_path, MINIMAL, (override,))
    assert list(found) == [key]
    assert words in found[key]


def test_a_fault_in_a_flag_goes_by_the_name_of_the_flag(tmp_path: Path) -> None:
    assert set(faults(tmp_path, sweep__num_iter=("--num-iter", "5"))) == {"--num-iter"}


def test_overrides_add_and_take_away_as_those_of_hydra_do(tmp_path: Path) -> None:
    config = load(tmp_path, f"{MINIMAL}seed: 3\n", ("~seed", "+optimizer.momentum=0.9", "++sweep.num_iter=50"))
    assert (config.seed, config.sweep.num_iter) == (0, 50)
    assert config.optimizer == {"_target_": "torch.optim.SGD", "momentum": 0.9}
    assert load(tmp_path, MINIMAL, ("~model.in_features=4",)).model == {
        "_target_": "torch.nn.Linear",
        "out_features": 1,
    }
    assert faults(tmp_path, MINIMAL, ("~modle",)) == {
        "~modle": "expected a key that is there, got none; did you mean model?"
    }
    assert "known here: loader" in faults(tmp_path, MINIMAL, ("~data.workers",))["~data.workers"]


def test_a_node_of_another_target_replaces_the_one_that_is_there(tmp_path: Path) -> None:
    other = ("optimizer.momentum=0.9", "optimizer={_target_: torch.optim.Adam, lr: 1e-3}")
    assert load(tmp_path, MINIMAL, other).optimizer == {"_target_": "torch.optim.Adam", "lr": 1e-3}
    same = ("optimizer.momentum=0.9", "optimizer={_target_: torch.optim.SGD, lr: 1e-3}")
    assert load(tmp_path, MINIMAL, same).optimizer == {"_target_": "torch.optim.SGD", "momentum": 0.9, "lr": 1e-3}
    kept = ("optimizer.lr=0.1", "optimizer._target_=torch.optim.Adam")
    assert load(tmp_path, MINIMAL, kept).optimizer == {"_target_": "torch.optim.Adam", "lr": 0.1}


def test_variables_stand_in_a_section_of_their_own_or_begin_with_an_underscore(tmp_path: Path) -> None:
    text = MINIMAL.replace("in_features: 4", "in_features: '${vars.width}', bias: '${_bias}'")
    config = load(tmp_path, f"{text}vars: {{width: 8}}\n_bias: false\n", ("vars.width=6",))
    assert config.model == {"_target_": "torch.nn.Linear", "in_features": 6, "bias": False, "out_features": 1}
    assert config.unused == []


@pytest.mark.parametrize("override", ["seed", "=3", ""])
def test_an_override_is_a_key_and_a_value(tmp_path: Path, override: str) -> None:
    with pytest.raises(ConfigError, match="expected an override of the form key=value"):
        load(tmp_path, MINIMAL, (override,))
