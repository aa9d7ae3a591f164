"""Runs that are cut short, and places that cannot be written to: what was measured is kept."""

from __future__ import annotations

import errno
import json
import os

import pytest
from cli import OWN_LOADER, Project, process, saved

import lrfind.output.files

pytestmark = pytest.mark.slow

LOSS = "loss._target_=own.loss"
MODEL = "model._target_=own.model"
DATASET = "data.dataset._target_=own.dataset"
NOISY = ("data.dataset.noise=3", "data.batch_size=4")
"""Overrides that make the first sweep too noisy to read."""


# Runs that are cut short: what was measured is kept

RAISES = """
def act(step, value):
    if step == 40: raise ValueError('no')
    return value
def loss(): return on_step(act)
"""
STOPS = RAISES.replace("ValueError('no')", "KeyboardInterrupt")


def test_code_that_raises_in_mid_sweep_keeps_record_and_plot(project: Project) -> None:
    project.add(RAISES)
    outcome = project.run(LOSS, "--json", "--plot", "png")
    assert outcome.code == 1
    assert outcome.json == saved(project)
    assert outcome.json["stop_reason"] == "failed"
    assert len(outcome.json["sweeps"][0]["losses"]) == 40
    assert "ValueError: no" in outcome.json["error"]
    assert project.plot().exists()
    outcome.says("step 41", "ValueError: no")


def test_code_that_raises_in_mid_sweep_shows_its_traceback(project: Project) -> None:
    project.add(RAISES)
    project.run(LOSS).says("own.py", "in act", "ValueError: no")


def test_every_line_of_a_fault_in_mid_sweep_is_marked(project: Project) -> None:
    project.add(RAISES.replace("'no'", "'first\\nsecond'"))
    project.run(LOSS).says("lrfind: step 41", "lrfind: second")


def test_loader_that_raises_in_mid_sweep_keeps_the_record(project: Project) -> None:
    project.config.write_text(OWN_LOADER)
    project.add(
        """
        def loader():
            yield from [data().tensors] * 40
            raise OSError("disk on fire")
        """
    )
    outcome = project.run("--json")
    assert outcome.code == 1
    assert len(outcome.json["sweeps"][0]["losses"]) == 40
    outcome.says("loading a mini-batch failed", "disk on fire", "own.py")


def test_code_that_raises_in_a_probe_keeps_the_sweep(project: Project) -> None:
    project.add(RAISES.replace("step == 40", "step == 100"))
    outcome = project.run(LOSS, "--json", "probes.steps=120")
    assert outcome.code == 1
    assert outcome.json["sweeps"][0]["stop_reason"] != "failed"
    assert [probe["stop_reason"] for probe in outcome.json["probes"]] == ["failed"]
    outcome.says("own.py")


def test_code_that_raises_in_a_second_sweep_keeps_the_first(project: Project) -> None:
    project.add(RAISES.replace("step == 40", "step == 100"))
    outcome = project.run(LOSS, "--json", *NOISY, "probes.enabled=false")
    assert outcome.code == 1
    first, second = outcome.json["sweeps"]
    assert (first["used"], second["used"]) == (True, False)
    assert second["stop_reason"] == "failed"


@pytest.mark.parametrize("code", ["0", "'bye'"])
def test_exit_called_in_mid_sweep_is_a_failure_that_keeps_the_record(project: Project, code: str) -> None:
    project.add(RAISES.replace("raise ValueError('no')", f"sys.exit({code})"))
    outcome = project.run(LOSS, "--json")
    assert outcome.code == 1
    assert len(saved(project)["sweeps"][0]["losses"]) == 40
    outcome.says("step 41", "exit")


@pytest.mark.parametrize("form", ["json", "lr"])
def test_interrupted_sweep_is_kept_and_said(project: Project, form: str) -> None:
    project.add(STOPS)
    outcome = project.run(LOSS, "--format", form, "--plot", "png")
    assert outcome.code == 130
    assert saved(project)["stop_reason"] == "interrupted"
    assert len(saved(project)["sweeps"][0]["losses"]) == 40
    assert project.plot().exists()
    outcome.says("interrupted")


def test_interrupted_sweep_is_not_told_to_change_the_config(project: Project) -> None:
    project.add(STOPS.replace("step == 40", "step == 20"))
    outcome = project.run(LOSS)
    assert outcome.code == 130
    assert "interrupted" in outcome.out
    assert "Next: change" not in outcome.out


@pytest.mark.parametrize(
    ("code", "override"),
    [
        ("def model(): raise KeyboardInterrupt", MODEL),
        ("def dataset(): raise KeyboardInterrupt", DATASET),
        (STOPS.replace("step == 40", "step == 0"), LOSS),
    ],
    ids=["model", "data", "first step"],
)
def test_interrupted_before_the_first_loss_leaves_the_old_record(project: Project, code: str, override: str) -> None:
    project.run("--format", "lr")
    before = project.record.read_bytes()
    project.add(code)
    outcome = project.run(override)
    assert (outcome.code, outcome.out) == (130, "")
    assert project.record.read_bytes() == before
    outcome.says("interrupted before anything was measured")


# Places that cannot be written to


@pytest.fixture
def marked(project: Project) -> Project:
    """Let the model leave a file when it is built."""
    project.add("from pathlib import Path\ndef model(): Path(__file__).with_name('built').touch(); return net()")
    return project


@pytest.mark.parametrize("arguments", [(), ("--dry-run",)], ids=["run", "dry run"])
@pytest.mark.parametrize("place", ["a file", "below a file", "/proc", "long"])
def test_unwritable_folder_is_found_before_anything_is_built(
    marked: Project, place: str, arguments: tuple[str, ...]
) -> None:
    file = marked.folder / "file"
    file.touch()
    out = {"a file": str(file), "below a file": str(file / "out"), "long": "x" * 300}.get(place, place)
    outcome = marked.main("run", str(marked.config), MODEL, "--out", out, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert not (marked.folder / "built").exists()
    outcome.says(f"cannot write {out}", "--out")


def test_full_disk_after_the_sweep_does_not_lose_the_result(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(lrfind.output.files.os, "fsync", full)
    outcome = project.run("--json")
    assert outcome.code == 1
    assert outcome.json["status"] == "ok"
    assert list(project.out.iterdir()) == []
    outcome.says("No space left on device", str(project.record), "--out")


def test_failed_write_leaves_the_old_record_whole(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.run()
    before = project.record.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(lrfind.output.files.os, "fsync", full)
    assert project.run("--seed", "1").code == 1
    assert project.record.read_bytes() == before
    assert json.loads(before)["config"]["seed"] == 0


class Broken:
    """A stream whose disk is full, and that lacks `flush`."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("arguments", [(), ("--json",), ("--quiet",)])
def test_stderr_that_takes_nothing_stops_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr("sys.stderr", Broken())
    outcome = project.run(*NOISY, "probes.steps=40", *arguments)
    assert outcome.code in (0, 3)
    assert saved(project)["probes"]


@pytest.mark.parametrize("error", [ImportError("no matplotlib"), ValueError("bad setting"), OSError("no font")])
def test_a_picture_that_cannot_be_drawn_leaves_the_record(
    project: Project, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("lrfind.output.formats.drawn", fail)
    outcome = project.run("--json", "--plot", "png")
    assert outcome.code == 1
    assert outcome.json == saved(project)
    assert outcome.json["status"] == "ok"
    outcome.says(f"cannot draw the picture: {type(error).__name__}: {error}", "--plot none")


def test_a_backend_that_matplotlib_lacks_is_not_asked_for(project: Project) -> None:
    project.run()
    outcome = process(["plot", str(project.record)], env={"MPLBACKEND": "bogus"})
    assert (outcome.code, project.plot().exists()) == (0, True)
