"""`lrfind run --write-config`: what is written, what is never overwritten, and faults found before the sweep."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cli import CONFIG, Outcome, Project

import lrfind.output.files
from lrfind.output.curve import format_lr

CONSTANT = ("loss._target_=own.loss", "def loss(): return on_step(lambda step, value: value * 0 + 1)")
SGD = "{_target_: torch.optim.SGD}"


@pytest.fixture
def tuned(project: Project) -> Path:
    return project.folder / "tuned.yaml"


def write(project: Project, out: Path, *arguments: str) -> Outcome:
    return project.run("--write-config", str(out), *arguments)


def refused(project: Project, out: Path, *arguments: str) -> Outcome:
    """Run, and check that it ends before the sweep, with nothing written."""
    outcome = write(project, out, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert not project.record.exists()
    return outcome


def test_the_config_is_written_with_the_rate_and_check_passes(project: Project, tuned: Path) -> None:
    project.config.write_text("# mine\n" + CONFIG + "# end")
    outcome = write(project, tuned, "--json")
    assert outcome.code == 0
    lr = format_lr(outcome.json["suggested_lr"])
    filled = CONFIG.replace(SGD, f"{{_target_: torch.optim.SGD, lr: {lr}}}")
    assert tuned.read_text() == f"# mine\n{filled}# end"
    assert project.config.read_text() == f"# mine\n{CONFIG}# end"
    outcome.says(f"wrote {tuned}")
    assert project.main("check", str(tuned)).code == 0


def test_the_report_names_it(project: Project, tuned: Path) -> None:
    assert f"Wrote: {tuned}" in write(project, tuned).out


def test_a_training_with_it_has_the_rates_of_the_groups(project: Project, tuned: Path) -> None:
    project.config.write_text(
        CONFIG.replace(SGD, "{_target_: torch.optim.SGD, lr: 0.5}") + "param_groups: [{match: bias, lr: 0.2}]\n"
    )
    found = write(project, tuned, "--json").json["group_lrs"]
    rates = project.run("--dry-run", "--json", config=tuned).json["config"]
    assert rates["optimizer"]["lr"] == pytest.approx(found["default"], rel=5e-3)
    assert rates["param_groups"][0]["lr"] == pytest.approx(found["bias"], rel=5e-3)
    assert rates["param_groups"][0]["lr"] / rates["optimizer"]["lr"] == pytest.approx(0.4, rel=1e-9)


def test_the_rate_is_that_of_the_schedule(project: Project, tuned: Path) -> None:
    outcome = write(project, tuned, "train.schedule=onecycle", "--json")
    assert f"lr: {format_lr(outcome.json['suggested_lrs']['onecycle'])}}}" in tuned.read_text()
    assert "train: {schedule: onecycle}" in tuned.read_text()


def test_overrides_are_written_and_flags_are_not(project: Project, tuned: Path) -> None:
    write(project, tuned, "optimizer.momentum=0.5", "--seed", "3", "--num-iter", "50")
    config = project.run("--dry-run", "--json", config=tuned).json["config"]
    assert config["optimizer"]["momentum"] == 0.5
    assert (config["seed"], config["sweep"]["num_iter"]) == (0, 60)


def test_a_reference_that_became_a_number_is_named(
    project: Project, tuned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LR_OF_MINE", "0.1")
    project.config.write_text(CONFIG.replace(SGD, "{_target_: torch.optim.SGD, lr: '${oc.env:LR_OF_MINE}'}"))
    write(project, tuned).says("optimizer.lr was ${oc.env:LR_OF_MINE} and is a number now")
    assert write(project, tuned, "--force", "-q").err == ""


def test_an_optimizer_with_groups_of_its_own_is_named(project: Project, tuned: Path) -> None:
    project.add(
        """
        def optimizer(model, lr):
            groups = [{"params": [model.weight], "lr": lr, "name": "w"}, {"params": [model.bias], "lr": lr / 2}]
            return torch.optim.SGD(groups)
        """
    )
    write(project, tuned, "optimizer._target_=own.optimizer").says("makes its groups itself; see that it trains w at")


def test_without_a_suggestion_nothing_is_written(project: Project, tuned: Path) -> None:
    override, code = CONSTANT
    project.add(code)
    outcome = write(project, tuned, override)
    assert outcome.code == 3
    outcome.says(f"{tuned} was not written, as no learning rate is suggested")
    assert not tuned.exists()


def test_a_run_that_is_cut_short_writes_nothing(project: Project, tuned: Path) -> None:
    project.add(
        "def act(step, value):\n    if step == 70: raise KeyboardInterrupt\n    return value\n"
        "def loss(): return on_step(act)"
    )
    outcome = write(project, tuned, "loss._target_=own.loss", "sweep.num_iter=60", "probes.steps=100")
    assert outcome.code == 130
    outcome.says(f"{tuned} was not written")
    assert not tuned.exists()


def test_a_file_that_is_there_is_kept(project: Project, tuned: Path) -> None:
    tuned.write_text("precious")
    refused(project, tuned).says("--write-config", f"{tuned} exists", "--force")
    assert tuned.read_text() == "precious"
    assert write(project, tuned, "--force").code == 0
    assert "lr: " in tuned.read_text()


def test_the_config_itself_is_replaced_only_if_forced(project: Project) -> None:
    refused(project, project.config).says("is the config itself", "--force")
    assert project.config.read_text() == CONFIG
    project.config.chmod(0o600)
    assert write(project, project.config, "--force").code == 0
    assert project.config.stat().st_mode & 0o777 == 0o600
    assert project.config.read_text().startswith(CONFIG.partition(SGD)[0] + "{_target_: torch.optim.SGD, lr: ")


def test_a_file_that_changes_during_the_run_is_kept(project: Project, tuned: Path) -> None:
    project.add(f"def model(): __import__('pathlib').Path({str(tuned)!r}).write_text('precious'); return net()")
    outcome = write(project, tuned, "model._target_=own.model")
    assert outcome.code == 1
    assert "Suggested LR" in outcome.out
    outcome.says("has changed during the run and was left as it is", "set optimizer.lr=")
    assert tuned.read_text() == "precious"


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("nowhere.yaml")], ids=["pipe", "link"])
def test_a_pipe_and_a_link_to_nowhere_are_taken_for_files_that_exist(
    project: Project, tuned: Path, make: Callable[[Path], None]
) -> None:
    make(tuned)
    refused(project, tuned).says(f"{tuned} exists", "--force")


def test_a_link_is_followed_if_forced(project: Project, tuned: Path) -> None:
    tuned.symlink_to("there.yaml")
    assert write(project, tuned, "--force").code == 0
    assert tuned.is_symlink()
    assert "lr: " in (project.folder / "there.yaml").read_text()


@pytest.mark.parametrize("name", ["record", "plot"])
def test_what_is_read_only_is_replaced_only_if_forced(project: Project, name: str) -> None:
    project.out.mkdir()
    path = project.record if name == "record" else project.plot()
    path.write_text("precious")
    path.chmod(0o444)
    outcome = project.run("--plot", "png")
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says(f"{path}: it is read-only", "--force")
    assert path.read_text() == "precious"
    assert project.run("--plot", "png", "--force").code == 0
    assert path.stat().st_size > 1000


@pytest.mark.parametrize("out", [".", "-", "own.py/tuned.yaml", "x" * 300 + ".yaml"])
def test_a_place_that_cannot_be_written_is_found_before_the_sweep(
    project: Project, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    project.config = Path("train.yaml")
    refused(project, Path(out)).says("--write-config")


def test_another_folder_is_refused_where_the_config_needs_its_own(project: Project) -> None:
    refused(project, project.folder / "sub" / "tuned.yaml").says(
        "the config finds the module own in its own folder", f"name {project.folder / 'tuned.yaml'}"
    )
    assert not (project.folder / "sub").exists()


def test_a_config_without_a_place_for_the_rate_is_refused(project: Project, tuned: Path) -> None:
    project.add("def optimizer(model): return torch.optim.SGD(model.parameters(), lr=0.1)")
    refused(project, tuned, "optimizer={_target_: own.optimizer}").says("own.optimizer takes no argument lr")


def test_a_rate_that_is_given_by_position_is_refused(project: Project, tuned: Path) -> None:
    """Hydra would drop it, and the written config state the rate twice."""
    project.config.write_text(CONFIG.replace(SGD, "{_target_: torch.optim.SGD, _args_: [0.1]}"))
    refused(project, tuned).says("optimizer._args_: does nothing", "name them: lr: 0.1")
    assert not tuned.exists()
    project.config.write_text(CONFIG.replace(SGD, "{_target_: torch.optim.SGD, lr: 0.1}"))
    assert write(project, tuned).code == 0
    assert project.main("check", str(tuned)).code == 0


def test_a_full_disk_does_not_lose_the_result(project: Project, tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lrfind.output.files.os, "fsync", full)
    outcome = write(project, tuned, "--format", "lr")
    assert outcome.code == 1
    assert float(outcome.out) > 0
    outcome.says(f"cannot write {tuned}", "--write-config")
    assert not tuned.exists()


def test_a_dry_run_finds_the_faults_and_writes_nothing(project: Project, tuned: Path) -> None:
    assert write(project, tuned, "--dry-run").code == 0
    assert not tuned.exists()
    tuned.touch()
    refused(project, tuned, "--dry-run").says("--force")
