"""`lrfind schedule` as its users drive it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli import Project, shell
from helpers import END_LR, example_result, example_sweep, refused_result

from lrfind.records.json_format import to_json
from lrfind.schedule.kinds import KINDS

LENGTH = ("--epochs", "10", "--steps-per-epoch", "28")
PEAKS = {"constant": END_LR, "cosine": 2 * END_LR, "linear": 2 * END_LR, "onecycle": 1.97 * END_LR}


@pytest.fixture
def record(project: Project) -> Path:
    path = project.folder / "good.lrfind.json"
    path.write_text(to_json(example_result(suggested_lrs=PEAKS)))
    return path


def test_without_a_name_all_are_listed_with_their_rates(project: Project, record: Path) -> None:
    outcome = project.main("schedule", str(record))
    assert (outcome.code, outcome.err) == (0, "")
    cells = {line.split()[0]: line.split()[1] for line in outcome.out.splitlines() if len(line.split()) > 1}
    assert [name for name in KINDS if name not in cells] == []
    assert (cells["constant"], cells["cosine"], cells["cyclic"]) == ("0.0063", "0.0126", "0.002")
    assert max(map(len, outcome.out.splitlines())) <= 80


@pytest.mark.parametrize("name", [*KINDS, "OneCycleLR"])
def test_code_is_printed_and_compiles(project: Project, record: Path, name: str) -> None:
    outcome = project.main("schedule", str(record), "--scheduler", name, *LENGTH)
    assert (outcome.code, outcome.err) == (0, "")
    compile(outcome.out, "schedule.py", "exec")
    assert "EPOCHS = 10\n" in outcome.out
    assert "280 updates, 10 epochs of 28" in outcome.out


def test_json_names_class_and_arguments(project: Project, record: Path) -> None:
    one = project.main("schedule", str(record), "--scheduler", "onecycle", *LENGTH, "--json").json
    assert one["class"] == "torch.optim.lr_scheduler.OneCycleLR"
    assert one["arguments"]["max_lr"] == pytest.approx(1.97 * END_LR, rel=0.01)
    assert one["arguments"]["total_steps"] == 280
    assert one["optimizer"] == {"class": "torch.optim.SGD", "arguments": {"lr": 0.0124, "momentum": 0.9}}
    every = json.loads(project.main("schedule", str(record), *LENGTH, "--json").out)
    assert [each["scheduler"] for each in every] == list(KINDS)
    assert one in every


def test_the_bounds_of_a_cycle_are_those_of_a_constant_rate_whatever_the_record_is_for(project: Project) -> None:
    path = project.folder / "cosine.lrfind.json"
    doubled = example_result(suggested_lrs=PEAKS, suggested_lr=2 * END_LR, safe_range=(4e-3, 8e-2))
    path.write_text(to_json(doubled))
    cyclic = project.main("schedule", str(path), "--scheduler", "cyclic", *LENGTH, "--json").json
    assert (cyclic["arguments"]["base_lr"], cyclic["arguments"]["max_lr"]) == (2e-3, 4e-2)


def test_the_learning_rate_is_that_of_a_run_for_the_length(project: Project) -> None:
    adam = ("optimizer._target_=torch.optim.Adam", "sweep.num_iter=100")
    assert project.run(*adam).code == 0
    long = ("--scheduler", "constant", "--epochs", "1000", "--steps-per-epoch", "1000", "--json")
    printed = project.main("schedule", str(project.record), *long).json["optimizer"]["arguments"]["lr"]
    short = project.main("schedule", str(project.record), "--scheduler", "constant", *LENGTH, "--json").json
    suggested = project.run(*adam, "train.steps=1000000", "--json").json["suggested_lr"]
    assert printed == pytest.approx(suggested, rel=0.005)
    assert short["optimizer"]["arguments"]["lr"] > 10 * printed


def test_a_picture_is_saved(project: Project, record: Path) -> None:
    one = project.main(
        "schedule", str(record), "--scheduler", "step", *LENGTH, "--plot", "svg", "--out", str(project.out)
    )
    every = project.main("schedule", str(record), *LENGTH, "--plot", "png", "--out", str(project.out), "--quiet")
    assert sorted(path.name for path in project.out.iterdir()) == ["good.lrfind.schedules.png", "good.lrfind.step.svg"]
    one.says("wrote", "good.lrfind.step.svg")
    assert every.err == ""


def test_a_refusal_has_no_schedule(project: Project) -> None:
    path = project.folder / "noise.lrfind.json"
    path.write_text(to_json(refused_result()))
    outcome = project.main("schedule", str(path))
    assert (outcome.code, outcome.out) == (3, "")
    outcome.says("no learning rate to schedule", "--lr", "sweep.num_iter")


def test_a_rate_of_ones_own_is_the_top_of_every_schedule_and_kept_to_the_last_digit(
    project: Project, record: Path
) -> None:
    every = json.loads(project.main("schedule", str(record), "--lr", "0.012345", *LENGTH, "--json").out)
    highest = [each["arguments"].get("max_lr", each["optimizer"]["arguments"]["lr"]) for each in every]
    assert highest == [0.012345] * len(KINDS)
    cyclic = next(each for each in every if each["scheduler"] == "cyclic")
    assert cyclic["arguments"]["base_lr"] == 2e-3  # the lower end of the safe range
    table = project.main("schedule", str(record), "--lr", "0.012345")
    assert (table.code, table.err) == (0, "")
    assert "as given by --lr" in table.out


def test_without_a_safe_range_a_cycle_begins_at_a_quarter(project: Project) -> None:
    path = project.folder / "noise.lrfind.json"
    path.write_text(to_json(refused_result()))
    outcome = project.main("schedule", str(path), "--lr", "0.1", "--scheduler", "cyclic", *LENGTH, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert (outcome.json["arguments"]["base_lr"], outcome.json["arguments"]["max_lr"]) == (0.025, 0.1)


@pytest.mark.parametrize(
    ("lr", "name", "words"),
    [
        ("0.05", "constant", "--lr 0.05 lies above the safe range for constant, 0.002 to 0.04"),
        ("0.001", "cyclic", "--lr 0.001 lies below the safe range for cyclic, 0.002 to 0.04"),
        ("0.1", "cosine", "--lr 0.1 lies above the safe range for cosine, 0.004 to 0.08"),
        ("0.05", "cosine", ""),
    ],
)
def test_a_rate_outside_the_safe_range_is_said(project: Project, record: Path, lr: str, name: str, words: str) -> None:
    arguments = ("schedule", str(record), "--lr", lr, "--scheduler", name, *LENGTH)
    outcome = project.main(*arguments)
    assert outcome.code == 0
    assert (outcome.err == "") == (words == "")
    outcome.says(words)
    assert project.main(*arguments, "--quiet").err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        *((("--lr", lr), ("--lr: expected a finite number above 0",)) for lr in ("0", "-1", "nan", "inf", "1e-320")),
        (("--scheduler", "onecycl", *LENGTH), ("--scheduler: expected one of", "did you mean onecycle?")),
        (("--scheduler", "onecycle"), ("--epochs: expected a number", "--steps-per-epoch: expected a number")),
        (("--scheduler", "onecycle", "--epochs", "3"), ("--steps-per-epoch: expected a number",)),
        (("--epochs", "3"), ("--steps-per-epoch: expected a number",)),
        (("--scheduler", "step", "--epochs", "0"), ("--epochs",)),
        (("--json",), ("--epochs: expected a number",)),
        (("--plot", "png"), ("--epochs: expected a number",)),
    ],
)
def test_bad_usage_is_said(project: Project, record: Path, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    outcome = project.main("schedule", str(record), *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says(*words)


def test_a_curve_from_elsewhere_has_a_schedule(project: Project) -> None:
    path, sweep = project.folder / "curve.csv", example_sweep()
    path.write_text("lr,loss\n" + "".join(f"{row[0]},{row[1]}\n" for row in zip(sweep.lrs, sweep.losses, strict=True)))
    assert project.main("schedule", str(path)).code == 0


def test_a_record_is_piped_in_and_a_closed_pipe_is_silent(record: Path) -> None:
    outcome = shell(f'cat {record} | "$@"; exit $?', "schedule", "-")
    assert (outcome.code, outcome.err) == (0, "")
    assert shell('"$@" | head -1', "schedule", str(record)).err == ""


@pytest.mark.slow
def test_no_torch_is_loaded(record: Path) -> None:
    code = (
        "import sys; from lrfind.commands.app import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'hydra', 'omegaconf', 'matplotlib'} & set(sys.modules); "
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)"
    )
    command = [sys.executable, "-c", code, "schedule", str(record), "--scheduler", "wsd", *LENGTH]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_has_examples(project: Project) -> None:
    outcome = project.main("schedule", "--help")
    assert (outcome.code, outcome.err) == (0, "")
    for words in ("lrfind schedule digits.lrfind.json", "--scheduler", "--steps-per-epoch", "--plot"):
        assert words in outcome.out
