"""`lrfind run` as its users drive it: exit code, stdout, stderr and files of good runs."""

from __future__ import annotations

import pytest
from cli import Project, saved

pytestmark = pytest.mark.slow

LOSS = "loss._target_=own.loss"
MODEL = "model._target_=own.model"
NOISY = ("data.dataset.noise=3", "data.batch_size=4")
"""Overrides that make the first sweep too noisy to read."""


# What a good run prints and writes


def test_text_report_suggests_and_names_the_files_it_wrote(project: Project) -> None:
    outcome = project.run("--plot", "png")
    assert outcome.code == 0
    assert "Suggested LR" in outcome.out
    for file in (project.record, project.plot()):
        assert file.stat().st_size > 0
        assert str(file) in outcome.out.replace("\n", "")


def test_json_on_stdout_is_the_record_on_disk(project: Project) -> None:
    outcome = project.run("--json")
    assert outcome.code == 0
    assert outcome.json == saved(project)
    assert outcome.json["status"] == "ok"
    low, high = outcome.json["safe_range"]
    assert low <= outcome.json["suggested_lr"] <= high
    outcome.says(f"wrote {project.record}")


def test_format_lr_prints_the_number_alone(project: Project) -> None:
    outcome = project.run("--format", "lr")
    assert outcome.code == 0
    assert outcome.out == outcome.out.strip() + "\n"
    assert float(outcome.out) == pytest.approx(saved(project)["suggested_lr"], rel=0.01)


def test_format_lr_prints_nothing_without_a_suggestion(project: Project) -> None:
    project.add("def loss(): return on_step(lambda step, value: value * 0 + 1)")
    outcome = project.run(LOSS, "--format", "lr")
    assert (outcome.code, outcome.out) == (3, "")
    outcome.says("no learning rate", "sweep.end_lr")


@pytest.mark.parametrize("form", ["text", "json", "lr"])
def test_quiet_is_silent_on_stderr(project: Project, form: str) -> None:
    outcome = project.run("--quiet", "--format", form, "--plot", "png")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out


@pytest.mark.parametrize(
    ("form", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")], ids=["png", "svg", "pdf"]
)
def test_plot_formats(project: Project, form: str, start: bytes) -> None:
    assert project.run("--plot", form).code == 0
    assert project.plot(form).read_bytes().startswith(start)
    assert len(list(project.out.iterdir())) == 2


def test_plot_none_writes_the_record_alone(project: Project) -> None:
    assert project.run("--plot", "none").code == 0
    assert list(project.out.iterdir()) == [project.record]


def test_same_seed_gives_the_same_document_and_another_seed_another(project: Project) -> None:
    first, second, other = (project.run("--json", "--seed", seed).json for seed in ("1", "1", "2"))
    assert first["sweeps"][0]["losses"] != other["sweeps"][0]["losses"]
    assert first.pop("timing")
    assert second.pop("timing")
    assert first == second


def test_second_run_in_the_same_folder_overwrites_the_first(project: Project) -> None:
    project.run("--seed", "1")
    project.run("--seed", "2")
    assert saved(project)["config"]["seed"] == 2
    assert list(project.out.iterdir()) == [project.record]


def test_config_in_another_folder_finds_its_module_and_writes_here(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = project.folder / "elsewhere"
    here.mkdir()
    monkeypatch.chdir(here)
    assert project.main("run", "../train.yaml").code == 0
    assert [file.name for file in here.iterdir()] == ["train.lrfind.json"]


def test_home_in_output_dir_is_the_home_folder(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("HOME", str(project.folder / "home"))
    assert project.main("run", "train.yaml", "output.dir=~/runs").code == 0
    assert (project.folder / "home" / "runs" / "train.lrfind.json").exists()
    assert not (project.folder / "~").exists()


def test_linear_mode_spaces_the_rates_evenly(project: Project) -> None:
    lrs = project.run("--json", "sweep.mode=linear", "--end-lr", "0.1").json["sweeps"][0]["lrs"]
    assert lrs[1] - lrs[0] == pytest.approx(lrs[-1] - lrs[-2])


def test_long_sweep(project: Project) -> None:
    sweep = project.run("--json", "--num-iter", "2000", "sweep.stop_on_divergence=false").json["sweeps"][0]
    assert sweep["stop_reason"] == "completed"
    assert len(sweep["losses"]) == 2000


def test_workers_load_what_the_main_process_would(project: Project) -> None:
    alone, helped = (
        project.run("--json", "data.dataset.size=512", "data.batch_size=8", f"data.num_workers={workers}").json
        for workers in (0, 2)
    )
    assert alone["sweeps"][0] == helped["sweeps"][0]


@pytest.mark.parametrize("workers", [0, 2])
def test_every_training_of_a_run_starts_with_the_same_batch(project: Project, workers: int) -> None:
    document = project.run("--json", *NOISY, f"data.num_workers={workers}").json
    trainings = [*document["sweeps"], *document["probes"]]
    assert len(trainings) > 2
    assert len({training["losses"][0] for training in trainings}) == 1


def test_noise_is_answered_by_longer_trainings(project: Project) -> None:
    outcome = project.run("--json", *NOISY, "--budget", "700")
    lengths = {probe["steps"] for probe in outcome.json["probes"]}
    assert len(lengths) == 2
    outcome.says(f"Training longer around the best learning rate: {max(lengths)} steps each.")


def test_without_probes_noise_is_answered_by_a_longer_sweep(project: Project) -> None:
    outcome = project.run("--json", *NOISY, "probes.enabled=false")
    first, second = (len(sweep["lrs"]) for sweep in outcome.json["sweeps"][:2])
    assert first <= 60 < second
    outcome.says("sweeping again with 240 steps")


def test_report_fits_a_narrow_terminal(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = project.run("--quiet").out.splitlines()
    assert len(lines) > 10
    assert [line for line in lines if len(line) > 40 and not line.startswith("Wrote:")] == []
    assert "\x1b" not in "".join(lines)


# The dry run


def test_dry_run_trains_a_step_and_writes_nothing(project: Project) -> None:
    outcome = project.run("--dry-run")
    assert outcome.code == 0
    assert "60 steps" in outcome.out
    assert not list(project.folder.rglob("*.lrfind.*"))


def test_dry_run_in_json(project: Project) -> None:
    document = project.run("--dry-run", "--json").json
    assert document["dry_run"]["num_iter"] == 60
    assert document["config"]["sweep"]["start_lr"] == 1e-5


def test_dry_run_in_lr_format_has_no_number_to_print(project: Project) -> None:
    outcome = project.run("--dry-run", "--format", "lr")
    assert (outcome.code, outcome.out) == (0, "")


def test_dry_run_with_a_nan_loss_does_not_say_that_it_works(project: Project) -> None:
    project.add("def loss(): return on_step(lambda step, value: value * float('nan'))")
    assert "works" not in project.run(LOSS, "--dry-run").out


def test_dry_run_in_json_is_strict_with_a_nan_loss(project: Project) -> None:
    project.add("def loss(): return on_step(lambda step, value: value * float('nan'))")
    assert project.run(LOSS, "--dry-run", "--json").json["dry_run"]["first_loss"] is None


def test_dry_run_fails_where_the_step_fails(project: Project) -> None:
    project.add("def model(): return nn.Linear(5, 1)")
    outcome = project.run(MODEL, "--dry-run")
    assert (outcome.code, outcome.out) == (1, "")
    outcome.says("training step failed", "mat1 and mat2")


def test_dry_run_interrupted(project: Project) -> None:
    project.add("def interrupt(step, value): raise KeyboardInterrupt\ndef loss(): return on_step(interrupt)")
    outcome = project.run(LOSS, "--dry-run")
    assert (outcome.code, outcome.out) == (130, "")
    outcome.says("interrupted")


def test_the_length_of_the_training_may_be_said_in_epochs(project: Project) -> None:
    outcome = project.run("--epochs", "7", "--json")
    assert outcome.code == 0
    by_steps = project.run("--train-steps", str(outcome.json["settings"]["train"]["steps"]), "--json")
    assert by_steps.json["suggested_lr"] == outcome.json["suggested_lr"]
    assert outcome.json["settings"]["train"]["steps"] % 7 == 0
