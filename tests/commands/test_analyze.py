"""`lrfind analyze` as its users drive it: what a run concluded, curves from elsewhere, bad input, pipes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli import Outcome, Project, process, shell, strict_json
from helpers import MINIMUM_LR, STEEPEST_LR, example_result, example_sweep, refused_result

import lrfind
from lrfind.records.json_format import to_json

NOISY = ("data.dataset.noise=3", "data.batch_size=4")


@pytest.fixture
def history(project: Project) -> Path:
    """A history such as torch-lr-finder and Ignite keep."""
    sweep = example_sweep()
    path = project.folder / "history.json"
    path.write_text(json.dumps({"lr": sweep.lrs, "loss": sweep.losses}))
    return path


# Records of lrfind


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--refine",),
        ("probes.enabled=false",),
        ("train.schedule=onecycle",),
        ("analysis.method=valley",),
        NOISY,
        (*NOISY, "probes.enabled=false"),
        ("probes.max_probes=3", "--end-lr", "0.05"),
        ("--end-lr", "1e-3"),
        ("--start-lr", "1e-50", "--end-lr", "1e50"),
        ("data.dataset.noise=1", "data.batch_size=8", "--refine"),
    ],
    ids=" ".join,
)
def test_the_record_of_a_run_is_concluded_again(project: Project, arguments: tuple[str, ...]) -> None:
    ran = project.run("--json", *arguments)
    again = project.main("analyze", str(project.record), "--json")
    assert again.code == ran.code
    assert again.json == ran.json
    assert again.err == ""


def test_what_acts_on_a_terminal_is_shown_as_it_is_written(project: Project) -> None:
    acts = "\x1b[31m\x07\u202e\r"
    texts = {"title": acts + "x" * 10**6, "message": acts, "error": acts}
    groups = [{"name": acts, "lr_scale": scale, "fixed_lr": None} for scale in (1, 2)]
    config = {"optimizer": {"_target_": acts}}
    record = json.loads(to_json(example_result())) | texts | {"groups": groups, "config": config}
    (project.folder / "r.json").write_text(json.dumps(record))
    for arguments in (("analyze",), ("plot", "--terminal"), ("schedule",)):
        outcome = project.main(*arguments, str(project.folder / "r.json"))
        assert outcome.code == 0
        assert outcome.out.replace("\n", "").isprintable()
        assert len(outcome.out) < 20_000
    assert r"\x1b[31m\x07\u202e" in project.main("analyze", str(project.folder / "r.json")).out


def test_the_report_is_that_of_the_run(project: Project) -> None:
    ran = project.run()
    again = project.main("analyze", str(project.record))
    assert ran.out.split("Wrote:")[0].rstrip() == again.out.split("Next:")[0].rstrip()


def test_a_learning_rate_of_the_users_is_compared_with_the_suggestion(project: Project, history: Path) -> None:
    outcome = project.main("analyze", str(history), "--mark", "100", "--out", str(project.folder))
    high = project.main("analyze", str(history), "--json").json["safe_range"][1]
    assert f"Your LR 100: {100 / high:.3g} times above the safe range" in outcome.out
    assert (project.folder / "history.lrfind.png").exists()


def test_method_and_schedule_change_the_suggestion(project: Project) -> None:
    project.run()
    lrs = {method: project.main("analyze", str(project.record), "--method", method) for method in ("valley", "minimum")}
    candidates = {each["method"]: each["lr"] for each in json.loads(project.record.read_text())["candidates"]}
    for method, outcome in lrs.items():
        assert outcome.code == 0
        assert f"{method} (chosen)" in outcome.out
    valley = project.main("analyze", str(project.record), "--method", "valley", "--format", "lr")
    assert float(valley.out) == pytest.approx(candidates["valley"], rel=0.01)
    peak = project.main("analyze", str(project.record), "--method", "valley", "--schedule", "cosine", "--format", "lr")
    assert float(peak.out) == pytest.approx(2 * float(valley.out), rel=0.01)


def test_an_interrupted_record_is_read_for_what_it_holds(project: Project) -> None:
    project.add("def loss(): return on_step(lambda step, value: signal.raise_signal(2) if step == 50 else value)")
    assert project.run("loss._target_=own.loss").code == 130
    assert project.main("analyze", str(project.record)).code in (0, 3)


def test_a_refusal_is_exit_code_3(project: Project) -> None:
    record = project.folder / "noise.lrfind.json"
    record.write_text(to_json(refused_result()))
    outcome = project.main("analyze", str(record), "--format", "lr")
    assert (outcome.code, outcome.out) == (3, "")
    outcome.says("no learning rate")


# Curves from elsewhere, and what is written


def test_a_history_is_read_as_a_sweep(project: Project, history: Path) -> None:
    outcome = project.main("analyze", str(history), "--json")
    assert outcome.code == 0
    assert outcome.json["title"] == "history.json"
    assert STEEPEST_LR < outcome.json["suggested_lr"] < MINIMUM_LR
    text = project.main("analyze", str(history))
    assert "Suggested LR" in text.out
    assert "Next: train with lr=" in text.out


def test_a_loss_after_the_update_is_read_one_step_earlier(project: Project, history: Path) -> None:
    lrs, losses = example_sweep().lrs, example_sweep().losses
    shifted = project.folder / "after.json"
    shifted.write_text(json.dumps({"lr": lrs[:-1], "loss": losses[1:]}))
    before = project.main("analyze", str(history), "--json").json
    after = project.main("analyze", str(shifted), "--after-update", "--json").json
    assert after["suggested_lr"] == pytest.approx(before["suggested_lr"], rel=1e-6)


def epochs(updates: int, *, step: bool) -> str:
    """Return a table with an epoch of so many updates per learning rate, with a column of steps on request."""
    travelled, lines = 0.0, ["step,lr,loss" if step else "lr,loss"]
    loss = 2.3
    for index in range(60):
        lr = 1e-8 * 10 ** (index / 10)
        lines.append(f"{index * updates},{lr},{loss}" if step else f"{lr},{loss}")
        travelled += updates * lr
        loss = 0.3 + 2 / (1 + travelled / 1e-3) + (lr / 0.003) ** 2
    return "\n".join(lines)


def test_updates_for_each_point_move_the_suggestion_up(project: Project) -> None:
    path = project.folder / "epochs.csv"
    path.write_text(epochs(300, step=False))
    alone = project.main("analyze", str(path), "--json").json
    told = project.main("analyze", str(path), "--updates-per-point", "300", "--json").json
    assert "--updates-per-point" in alone["message"]
    assert alone["sweeps"][0]["updates_per_point"] is None
    assert told["sweeps"][0]["updates_per_point"] == 300
    assert told["suggested_lr"] > 5 * alone["suggested_lr"]
    assert told["suggested_lr"] < 0.003 / 3
    path.write_text(epochs(300, step=True))
    assert project.main("analyze", str(path), "--json").json["suggested_lr"] == told["suggested_lr"]
    assert lrfind.load(path).suggested_lr == told["suggested_lr"]


def test_updates_for_each_point_are_kept_in_the_record_and_can_be_corrected(project: Project) -> None:
    path, record = project.folder / "epochs.csv", project.out / "epochs.lrfind.json"
    path.write_text(epochs(300, step=False))
    told = project.main("analyze", str(path), "--updates-per-point", "300", "--json", "--out", str(project.out)).json
    assert project.main("analyze", str(record), "--json").json == told
    other = project.main("analyze", str(record), "--updates-per-point", "30", "--json").json
    assert other["suggested_lr"] < told["suggested_lr"]
    assert lrfind.load(record, updates_per_point=30).suggested_lr == other["suggested_lr"]


@pytest.mark.parametrize("number", ["0.5", "nan", "inf", "many"])
def test_updates_that_are_no_number_from_1_on_are_said(project: Project, history: Path, number: str) -> None:
    outcome = project.main("analyze", str(history), "--updates-per-point", number)
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("updates")


def test_nothing_is_written_unless_asked_for(project: Project, history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = project.folder / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    project.main("analyze", str(history))
    assert list(here.iterdir()) == []
    project.main("analyze", str(history), "--plot", "svg")
    assert [file.name for file in here.iterdir()] == ["history.lrfind.svg"]


def test_out_writes_record_and_plot(project: Project, history: Path) -> None:
    outcome = project.main("analyze", str(history), "--json", "--out", str(project.out))
    assert sorted(file.name for file in project.out.iterdir()) == ["history.lrfind.json", "history.lrfind.png"]
    assert strict_json((project.out / "history.lrfind.json").read_text()) == outcome.json
    outcome.says("wrote", "history.lrfind.png")
    again = project.main("analyze", str(project.out / "history.lrfind.json"), "--json", "--out", str(project.out))
    assert again.json == outcome.json
    assert len(list(project.out.iterdir())) == 2


def test_an_output_folder_that_cannot_be_made_is_said(project: Project, history: Path) -> None:
    outcome = project.main("analyze", str(history), "--out", str(history / "under"))
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("cannot write", "--out")


@pytest.mark.parametrize("tool", ["torch-lr-finder", "lightning"])
def test_the_history_of_a_tool_is_read_without_its_lag(project: Project, tool: str) -> None:
    sweep = example_sweep()
    keep, averages = {"torch-lr-finder": 0.95, "lightning": 0.98}[tool], []
    average = 0.0 if tool == "lightning" else sweep.losses[0]
    for index, loss in enumerate(sweep.losses):
        average = keep * average + (1 - keep) * loss
        averages.append(average / (1 - keep ** (index + 2)) if tool == "lightning" else average)
    path = project.folder / "history.json"
    path.write_text(json.dumps({"lr": sweep.lrs, "loss": averages}))
    read = project.main("analyze", str(path), "--from", tool, "--json").json
    assert read["sweeps"][0]["losses"] == pytest.approx(sweep.losses)


# Bad input: exit 2, a message, no traceback


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"lr,loss\n\x00", "binary data"),
        (b"hello world", "got no lr and loss"),
        (b"lr,accuracy\n1,2", "got no loss"),
        (b"lr,loss\n2,1\n1,1", "rise"),
        (b"lr,loss\nnan,1\nnan,1", "rise"),
        (b"\xef\xbb\xbflr,acc\n", "got no loss"),
    ],
)
def test_bad_files_are_said(project: Project, content: bytes, words: str) -> None:
    path = project.folder / "bad.csv"
    path.write_bytes(content)
    outcome = project.main("analyze", str(path))
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("bad.csv", words)


@pytest.mark.parametrize(("places", "words"), [(["a\0b"], "cannot be"), ([], "expected a file or - for stdin")])
def test_a_name_that_no_file_can_have_and_none_are_said(project: Project, places: list[str], words: str) -> None:
    outcome = project.main("analyze", *places)
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says(words)


def test_json_beside_another_format_is_said(project: Project, history: Path) -> None:
    outcome = project.main("analyze", str(history), "--json", "--format", "lr")
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("--json", "--format lr")


@pytest.mark.parametrize(
    ("losses", "reason"),
    [([2.0] * 5, "too_few_points"), (["nan", 1, 1], "non_finite_at_start"), ([2.0] * 50, "flat")],
)
def test_curves_that_say_nothing_are_refused(project: Project, losses: list[object], reason: str) -> None:
    path = project.folder / "curve.csv"
    path.write_text("lr,loss\n" + "".join(f"{1e-6 * 1.2**i},{loss}\n" for i, loss in enumerate(losses)))
    outcome = project.main("analyze", str(path), "--json")
    assert outcome.code == 3
    assert outcome.json["reason"] == reason


@pytest.mark.parametrize("scale", [1e308, 1e-308, 1e30, -1e30])
def test_extreme_losses_are_read_in_silence(project: Project, scale: float) -> None:
    losses = [scale * loss / 3 for loss in example_sweep().losses]
    path = project.folder / "curve.json"
    path.write_text(json.dumps({"lr": example_sweep().lrs, "loss": losses}))
    outcome = project.main("analyze", str(path), "--plot", "png", "--out", str(project.out))
    assert outcome.code in (0, 3)
    assert "Warning" not in outcome.err


# Processes and pipes


def test_a_run_is_piped_into_analyze(project: Project) -> None:
    record = project.folder / "r.lrfind.json"
    record.write_text(to_json(example_result()))
    outcome = shell(f'cat {record} | "$@"; exit $?', "analyze", "-", "--format", "lr")
    assert (outcome.code, outcome.err) == (0, "")
    assert float(outcome.out) > 0


def test_a_closed_pipe_is_silent(history: Path) -> None:
    assert shell('"$@" | head -1', "analyze", str(history)).err == ""


@pytest.mark.slow
def test_empty_stdin_is_said() -> None:
    outcome: Outcome = process(["analyze", "-"], forks=False, stdin=subprocess.DEVNULL)
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("stdin", "empty file")


@pytest.mark.slow
def test_no_torch_is_loaded(history: Path) -> None:
    code = (
        "import sys; from lrfind.commands.app import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'matplotlib', 'hydra', 'omegaconf'} & set(sys.modules); "
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, "analyze", str(history)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_has_examples(project: Project) -> None:
    outcome = project.main("analyze", "--help")
    assert (outcome.code, outcome.err) == (0, "")
    for words in ("lrfind analyze history.csv", "--method", "--schedule", "--after-update", "RECORD"):
        assert words in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80
