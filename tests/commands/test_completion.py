"""What the shell is offered at the Tab key."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrfind.commands import completion
from lrfind.commands.app import main
from lrfind.commands.schedule import schedulers
from lrfind.config.schema import Config
from lrfind.schedule.kinds import KINDS


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("train.py", "train.yaml", "other.yml", "digits.lrfind.json", "curve.csv", "notes.md", ".hidden.py"):
        Path(name).touch()
    Path("configs").mkdir()
    Path("configs/bert.yaml").touch()


def test_trainings_and_records_are_offered_by_their_files() -> None:
    assert completion.trainings("") == ["configs/", "other.yml", "train.py", "train.yaml"]
    assert completion.trainings("tr") == ["train.py", "train.yaml"]
    assert completion.trainings("configs/b") == completion.trainings("configs/") == ["configs/bert.yaml"]
    assert completion.trainings("./o") == ["./other.yml"]
    assert completion.records("") == ["configs/", "curve.csv", "digits.lrfind.json"]
    assert completion.trainings("none/") == []


def test_overrides_are_offered_by_the_keys_of_a_config() -> None:
    assert completion.overrides("sweep.num") == ["sweep.num_iter="]
    assert completion.overrides("o") == ["optimizer.", "output.dir=", "output.plot=", "other.yml"]
    assert completion.overrides("sweep.num_iter=5") == []
    offered = {key.rstrip("=.").partition(".")[0] for key in completion.overrides("")} - {"configs/", "other", "train/"}
    assert set(Config.model_fields) - {"unused"} <= offered


def test_schedulers_are_offered_by_name() -> None:
    assert schedulers("one") == ["onecycle"]
    assert schedulers("") == list(KINDS)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("lrfind sch", "schedule"),
        ("lrfind init --template fine", "finetune"),
        ("lrfind schedule r.json --schedule oneC", ""),
        ("lrfind schedule r.json --schedule onec", "onecycle"),
        ("lrfind run train.yaml sweep.num_i", "sweep.num_iter="),
        ("lrfind check tra", "train.py"),
        ("lrfind analyze cur", "curve.csv"),
        ("lrfind plot dig", "digits.lrfind.json"),
        ("lrfind check train.yaml --num-i", "--num-iter"),
    ],
)
def test_the_shell_is_told(
    typed: str, offered: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_LRFIND_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    assert main([]) == 0
    assert offered in capfd.readouterr().out
