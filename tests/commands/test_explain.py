"""`lrfind explain` as its users drive it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli import PATIENCE, Outcome, Project, command, process, shell, strict_json
from helpers import example_result, refused_result

from lrfind.records.json_format import to_json, to_result
from lrfind.records.types import Probe, StopReason

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[2] / "configs"
DIGITS = CONFIGS / "digits.yaml"
OVERRIDE = "optimizer.momentum=0.8"


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the record of a run of the digits, with a command-line override."""
    folder = tmp_path_factory.mktemp("digits")
    override = (OVERRIDE, "--device", "cpu", "--plot", "none", "--quiet")
    done = process(["run", str(DIGITS), *override, "--out", str(folder)])
    assert done.code == 0, done.err
    return folder / "digits.lrfind.json"


def test_a_record_of_python_objects_is_explained_by_its_own_probes(project: Project) -> None:
    losses = tuple(2.3 - 0.05 * step for step in range(40))
    still = (2.3, 2.31) * 20
    probes = (Probe(6e-4, 40, still, StopReason.COMPLETED), Probe(6e-3, 40, losses, StopReason.COMPLETED))
    path = project.folder / "mine.lrfind.json"
    path.write_text(to_json(replace(example_result(), probes=probes, source=None, config={})))
    outcome = project.main("explain", str(path), "--out", str(project.folder))
    assert outcome.code == 0
    assert "0.006 is the best of the 2 in these 40 steps; 0.0006 crawls." in outcome.out
    assert "nearest to" in outcome.out
    assert (project.folder / "mine.lrfind.explain.png").exists()
    longer = project.main("explain", str(path), "--steps", "100")
    assert longer.code == 2
    longer.says("--steps: trains from a config, and this record has none; drop it")


@pytest.fixture
def record(project: Project) -> Path:
    """Return a record of the project's own training."""
    assert project.run("--device", "cpu", "--quiet").code == 0
    return project.record


def explain(project: Project, record: Path, *arguments: str) -> Outcome:
    return project.main("explain", str(record), "--out", str(project.out), *arguments)


def change(record: Path, **changes: Any) -> Path:
    """Write the record with other fields beside it."""
    path = record.with_name("changed.lrfind.json")
    path.write_text(to_json(replace(to_result(json.loads(record.read_text()), "r.json"), **changes)))
    return path


# What it says of a real training


def test_a_tenth_crawls_and_ten_times_does_worse(project: Project, digits: Path) -> None:
    outcome = explain(project, digits, OVERRIDE, "--json")
    assert outcome.code == 0
    document = outcome.json
    assert document["alpha"] == json.loads(digits.read_text())["suggested_lr"]
    assert [run["factor"] for run in document["runs"]] == pytest.approx([0.1, 1, 10])
    tenth, alpha, more = document["runs"]
    assert (tenth["outcome"], alpha["outcome"]) == ("crawls", "descends")
    assert more["outcome"] in ("lags", "overshoots", "diverges")
    assert alpha["end_loss"] < min(tenth["end_loss"], more["end_loss"])
    assert tenth["alpha_steps"] <= document["steps"] / 2
    assert [len(run["losses"]) for run in document["runs"]] == [document["steps"]] * 3
    assert len({run["losses"][0] for run in document["runs"]}) == 1
    outcome.says(f"wrote {project.out / 'digits.lrfind.explain.png'}")
    assert (project.out / "digits.lrfind.explain.png").stat().st_size > 10_000


def test_ten_times_is_said_to_be_better_where_it_is(project: Project, digits: Path) -> None:
    alpha = json.loads(digits.read_text())["suggested_lr"]
    outcome = explain(project, digits, OVERRIDE, "--lr", str(alpha / 10), "--plot", "none")
    assert outcome.code == 0
    assert f"{alpha:.3g} is better than {alpha / 10:.3g} in these 100 steps" in outcome.out
    assert "descends faster" in outcome.out
    assert "given" in outcome.out
    assert not project.out.exists()


def test_the_overrides_of_the_run_count(project: Project, digits: Path) -> None:
    document = json.loads(digits.read_text())
    assert document["config"]["optimizer"]["momentum"] == 0.8
    arguments = ("--lr", "0.01", "--steps", "10", "--json", "--plot", "none")
    plain, changed = (explain(project, digits, *more, *arguments).json["runs"][1] for more in ((), (OVERRIDE,)))
    assert plain["losses"][0] == changed["losses"][0]
    assert plain["losses"] != changed["losses"]


def test_the_same_record_gives_the_same_document(project: Project, record: Path) -> None:
    first, second = (explain(project, record, "--json", "--plot", "none").out for _ in range(2))
    assert first == second
    assert strict_json(first)["source"] == str(project.config)


@pytest.mark.parametrize("form", ["svg", "pdf"])
def test_the_picture_has_the_format_asked_for(project: Project, record: Path, form: str) -> None:
    assert explain(project, record, "--plot", form, "--steps", "10").code == 0
    assert (project.out / f"train.lrfind.explain.{form}").exists()


def test_quiet_prints_the_result_alone(project: Project, record: Path) -> None:
    outcome = explain(project, record, "--quiet", "--steps", "10", "--factor", "3")
    assert (outcome.code, outcome.err) == (0, "")
    assert "a third" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80


def test_the_peak_of_a_schedule_is_told_from_what_is_trained(project: Project) -> None:
    project.run("--device", "cpu", "--quiet", "train.schedule=cosine")
    outcome = explain(project, project.record, "--steps", "10", "--json", "--plot", "none")
    rates = json.loads(project.record.read_text())["suggested_lrs"]
    assert outcome.json["alpha"] == rates["constant"] != rates["cosine"]
    assert "As the peak of cosine the record suggests" in outcome.json["message"]


def test_steps_are_those_of_the_longest_probe_where_that_is_longer(project: Project, record: Path) -> None:
    probes = to_result(json.loads(record.read_text()), "r.json").probes
    longer = change(record, probes=(*probes, replace(probes[0], steps=120)))
    assert explain(project, longer, "--json", "--plot", "none").json["steps"] == 120


# Where the config lies


def test_stdin_is_read(record: Path, tmp_path: Path) -> None:
    outcome = shell(f'cat {record} | "$@"', "explain", "-", "--steps", "10", "--out", str(tmp_path), forks=True)
    assert outcome.code == 0
    outcome.says("wrote", "stdin.lrfind.explain.png")


def test_from_another_folder_the_config_is_found_as_far_from_the_record(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    project.main("run", "train.yaml", "--device", "cpu", "--quiet")
    monkeypatch.chdir(tmp_path)
    outcome = project.main("explain", str(project.folder / "train.lrfind.json"), "--steps", "10")
    assert outcome.code == 0
    assert [file.name for file in tmp_path.iterdir()] == ["train.lrfind.explain.png"]


def test_a_config_that_has_moved_is_named(project: Project, record: Path, tmp_path: Path) -> None:
    moved = tmp_path / "new" / "renamed.yaml"
    shutil.move(project.folder, moved.parent)
    shutil.move(moved.parent / "train.yaml", moved)
    here = moved.parent / "out" / record.name
    outcome = process(["explain", str(here), "--steps", "10", "--plot", "none"])
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("--config: expected the config of the run, got no YAML file at", "--config CONFIG", "--trust-record")
    outcome = process(["explain", str(here), "--steps", "10", "--plot", "none", "--config", str(moved)])
    assert outcome.code == 0


def test_the_config_on_disk_is_trained_and_its_differences_are_told(project: Project, record: Path) -> None:
    short = ("--json", "--plot", "none", "--steps", "10")
    before = explain(project, record, *short)
    assert "differs" not in before.err
    project.config.write_text(project.config.read_text().replace("torch.optim.SGD", "torch.optim.Adam"))
    outcome = explain(project, record, *short)
    assert outcome.code == 0
    outcome.says("differs from the record in optimizer._target_ ('torch.optim.Adam' in the file", "--trust-record")
    assert outcome.out != before.out
    assert "differs" not in explain(project, record, *short, "--quiet").err
    assert explain(project, record, *short, "--trust-record").out == before.out
    again = explain(project, record, "optimizer._target_=torch.optim.SGD", *short)
    assert (again.out, "differs" in again.err) == (before.out, False)


def test_overrides_of_a_trusted_record_are_refused(project: Project, record: Path) -> None:
    outcome = explain(project, record, "optimizer.momentum=0.5", "--trust-record")
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("--trust-record: does nothing beside overrides")


@pytest.mark.parametrize("trusted", [False, True])
def test_the_code_that_a_record_names_runs_only_if_the_user_trusts_it(
    project: Project, record: Path, trusted: bool
) -> None:
    """A record from a stranger could write any file."""
    written = project.folder / "written"
    project.add("def evil(path): open(path, 'w').close(); return net()")
    config = json.loads(record.read_text())["config"] | {"model": {"_target_": "own.evil", "path": str(written)}}
    changed = change(record, config=config)
    outcome = explain(project, changed, "--steps", "10", "--plot", "none", *["--trust-record"] * trusted)
    assert outcome.code == 0
    assert written.exists() == trusted


@pytest.mark.parametrize("source", ["nowhere.yaml", "own.py", "x" * 300])
def test_what_a_record_names_must_be_a_config_on_disk(project: Project, record: Path, source: str) -> None:
    outcome = explain(project, change(record, source=source))
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("--config: expected the config of the run, got no YAML file at")


# What cannot be explained


def test_a_curve_from_elsewhere_has_no_config(project: Project) -> None:
    curve = project.folder / "curve.csv"
    curve.write_text("lr,loss\n" + "\n".join(f"{10**-k},{k}" for k in range(5, 0, -1)))
    outcome = explain(project, curve)
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("curve", "expected a record of `lrfind run`", "write a config")


def test_a_record_made_in_python_has_no_config(project: Project) -> None:
    path = project.folder / "python.lrfind.json"
    path.write_text(to_json(example_result()))
    outcome = explain(project, path, "--lr", "0.1")
    assert outcome.code == 2
    outcome.says("expected a record of `lrfind run`")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"device": "cuda:99"}, ["device: expected cuda:99", "use auto"]),
        ({"parallel": "fsdp"}, ["parallel: expected several processes", "torchrun"]),
    ],
)
def test_a_record_from_another_machine_says_how_to_explain_it_here(
    project: Project, record: Path, setting: dict[str, str], words: list[str]
) -> None:
    config = {**json.loads(record.read_text())["config"], **setting}
    outcome = explain(project, change(record, config=config), "--trust-record")
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says(*words)


def test_a_refusal_has_nothing_to_explain_but_a_rate_that_is_given(project: Project, record: Path) -> None:
    other = refused_result()
    refused = change(record, analysis=other.analysis, sweeps=other.sweeps, smoothed=other.smoothed, probes=())
    outcome = explain(project, refused)
    assert (outcome.code, outcome.out) == (3, "")
    outcome.says("no learning rate to explain", "sweep.num_iter", "--lr")
    assert explain(project, refused, "--lr", "0.01", "--steps", "10", "--plot", "none").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--lr", "0"), "--lr: expected a finite number above 0, from 1e-50 to 1e+50, got 0"),
        (("--lr", "nan"), "--lr: expected a finite number above 0, from 1e-50 to 1e+50, got nan"),
        (("--lr", "inf"), "--lr: expected a finite number above 0, from 1e-50 to 1e+50, got inf"),
        (("--factor", "1"), "--factor: expected a number above 1, at most 1e+06, got 1"),
        (("--factor", "0.1"), "--factor: expected a number above 1"),
        (("--factor", "nan"), "--factor: expected a number above 1"),
        (("--factor", "1e7"), "--factor: expected a number above 1, at most 1e+06, got 1e+07"),
        (("--lr", "1e-320"), "--lr: expected"),
        (("--lr", "1e308"), "--lr: expected"),
        (("--steps", "9"), "--steps"),
        (("--plot", "gif"), "--plot"),
        (("--config", "none.yaml"), "--config: expected the config of the run, got no YAML file at none.yaml"),
        (("--device", "gpu"), "--device: expected auto, cpu, cuda"),
        (("--device", "cuda:99"), "cuda:99"),
    ],
)
def test_bad_flags_are_said(project: Project, record: Path, arguments: tuple[str, ...], words: str) -> None:
    outcome = explain(project, record, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says(words)


def test_no_record_and_no_place_to_write_are_said(project: Project, record: Path) -> None:
    assert explain(project, project.folder / "none.json").code == 2
    (project.folder / "built.py").touch()
    outcome = project.main("explain", str(record), "--out", str(project.config))
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("cannot write", "--out")


# Trainings that do not end well

ACT = """
def act(step, value):
    {}
    return value
def loss(): return on_step(act)
"""


def with_loss(project: Project, record: Path, code: str) -> Path:
    project.add(ACT.format(code))
    project.config.write_text(project.config.read_text().replace("torch.nn.MSELoss", "own.loss"))
    return change(record)


def test_code_that_raises_at_the_largest_rate_alone_is_told(project: Project, record: Path) -> None:
    changed = with_loss(project, record, "if value > 10: raise ValueError('too much')")
    outcome = explain(project, changed, "--lr", "0.1", "--json")
    assert outcome.code == 0
    assert [run["outcome"] for run in outcome.json["runs"]] == ["crawls", "descends", "fails"]
    assert "ValueError: too much" in outcome.json["runs"][2]["error"]
    outcome.says("own.py", "ValueError: too much")


def test_code_that_raises_at_the_rate_itself_is_a_failure(project: Project, record: Path) -> None:
    changed = with_loss(project, record, "if step == 5: raise ValueError('no')")
    outcome = explain(project, changed, "--lr", "0.1", "--json")
    assert outcome.code == 1
    assert [run["outcome"] for run in outcome.json["runs"]] == ["fails"] * 3
    assert "nothing to compare" in outcome.json["message"]
    changed = with_loss(project, record, "raise ValueError('no')")
    outcome = explain(project, changed, "--lr", "0.1")
    assert (outcome.code, outcome.out) == (1, "")


def test_a_loss_that_is_not_finite_diverges(project: Project, record: Path) -> None:
    changed = with_loss(project, record, "if value > 10: return value * float('nan')")
    outcome = explain(project, changed, "--lr", "0.1", "--json")
    assert outcome.code == 0
    assert outcome.json["runs"][2]["outcome"] == "diverges"
    assert outcome.json["runs"][2]["losses"][-1] is None


@pytest.mark.parametrize(("step", "made"), [(5, [0, 5, 0]), (15, [10, 10, 10])])
def test_an_interrupt_keeps_and_draws_what_was_measured(
    project: Project, record: Path, step: int, made: list[int]
) -> None:
    changed = with_loss(project, record, f"if step == {step}: raise KeyboardInterrupt")
    outcome = explain(project, changed, "--steps", "10", "--factor", "2", "--json")
    assert [len(run["losses"]) for run in outcome.json["runs"]] == made
    assert outcome.code == (130 if step < 10 else 0)
    assert (project.out / "changed.lrfind.explain.png").exists()
    assert ("interrupted; what was measured is kept" in outcome.err) == (step < 10)


def test_an_interrupt_before_the_first_loss_leaves_nothing(project: Project, record: Path) -> None:
    changed = with_loss(project, record, "raise KeyboardInterrupt")
    outcome = explain(project, changed)
    assert (outcome.code, outcome.out) == (130, "")
    outcome.says("interrupted before anything was measured")


def test_ctrl_c_keeps_what_was_measured(project: Project, record: Path) -> None:
    changed = with_loss(project, record, "print('step', step, flush=True); time.sleep(0.01 * (step > 3))")
    arguments = command("explain", str(changed), "--out", str(project.out), "--json", "--steps", "5000")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        while "step 20" not in running.stderr.readline():
            pass
        os.kill(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130
    assert strict_json(out)["interrupted"]
    assert len(strict_json(out)["runs"][1]["losses"]) >= 20
    assert "interrupted; what was measured is kept" in err


def test_what_the_users_code_prints_stays_off_stdout(project: Project, record: Path) -> None:
    changed = with_loss(project, record, "print('noise')")
    outcome = explain(project, changed, "--json", "--steps", "10", "--plot", "none")
    assert outcome.json["steps"] == 10
    assert "noise" in outcome.err


def test_a_closed_pipe_is_silent(record: Path) -> None:
    arguments = ("explain", str(record), "--steps", "10", "--plot", "none")
    assert shell('"$@" | head -1', *arguments, forks=True).err == ""


def test_help_has_examples(project: Project) -> None:
    outcome = project.main("explain", "--help")
    assert (outcome.code, outcome.err) == (0, "")
    for words in ("lrfind explain digits.lrfind.json", "--factor", "--steps", "--config"):
        assert words in outcome.out
