"""`lrfind run train.py`, as its users run it: what it says, writes, and leaves behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from cli import FIXTURES, PATIENCE, Outcome, command, eventually, gone, process, strict_json, torchrun
from helpers import example_result

import lrfind
from lrfind.commands.app import main
from lrfind.records.facts import ScriptFacts
from lrfind.records.json_format import to_json
from lrfind.scripts.process import ScriptProcess

pytestmark = pytest.mark.slow

MISFITS = str(FIXTURES / "scripts" / "misfits.py")
FEW = ("--num-iter", "30", "--plot", "none", "--quiet")


class Folder(type(Path())):  # type: ignore[misc]
    """A folder in which commands run, in this process."""

    capfd: pytest.CaptureFixture[str]

    def main(self, *arguments: str) -> Outcome:
        self.capfd.readouterr()
        code = main(list(arguments))
        return Outcome(code, *self.capfd.readouterr())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Folder:
    monkeypatch.chdir(tmp_path)
    made = Folder(tmp_path)
    made.capfd = capfd
    return made


def run(folder: Folder, *arguments: str, options: tuple[str, ...] = FEW, script: str = MISFITS) -> Outcome:
    return folder.main("run", script, *options, "--", *arguments)


def record(folder: Path, name: str = "misfits") -> dict[str, Any]:
    document: dict[str, Any] = strict_json((folder / f"{name}.lrfind.json").read_text())
    return document


def test_a_script_is_searched_as_it_stands(folder: Folder) -> None:
    outcome = run(folder, "plain", options=(*FEW[:2], "--end-lr", "100"))
    assert outcome.code == 0, outcome
    assert "trained to the end" not in outcome.out
    found = record(folder)
    assert found["title"] == "Linear, SGD, cpu"
    assert shlex.split(found["source"]) == [MISFITS, "plain"]
    assert found["config"] == {}
    assert found["settings"]["train"]["steps"] == 300  # of the loop: range(updates)
    assert found["script"]["lr"] == 0.01
    assert found["script"]["option"] == "--lr"
    place = f"{Path(MISFITS).name} line {found['script']['line']}: SGD(lr=0.01) -> lr="
    assert "torch.optim.SGD(" in Path(MISFITS).read_text().splitlines()[found["script"]["line"] - 1]
    said = " ".join(outcome.out.split())
    assert place in said
    assert f"plain --lr {found['suggested_lr']:.3g}" in said
    assert (folder / "misfits.lrfind.png").exists()
    assert lrfind.load(folder / "misfits.lrfind.json").suggested_lr == found["suggested_lr"]


def test_json_and_the_bare_number_are_all_that_stdout_holds(folder: Folder) -> None:
    outcome = run(folder, "noisy", options=("--num-iter", "30", "--plot", "none", "--json", "--end-lr", "100"))
    assert outcome.json["suggested_lr"] > 0
    for words in ("to stdout", "to stderr", "past Python"):
        assert words in outcome.err
    bare = run(folder, "noisy", options=(*FEW, "--format", "lr", "--end-lr", "100"))
    assert float(bare.out) == pytest.approx(outcome.json["suggested_lr"], rel=0.01)
    assert bare.err == ""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("never",), 1, ("expected a step of an optimizer of torch.optim", "got none")),
        (("backward_only",), 1, ("got backward passes, but no such step",)),
        (("without_loss",), 1, ("called backward() on no loss",)),
        (("lbfgs",), 1, ("LBFGS needs a closure", "use SGD or AdamW")),
        (("plain", "--updates", "4"), 1, ("expected at least 10 updates", "got 4", "more epochs")),
        (("--lr",), 1, ("expected one argument", "called exit(2)", "arguments follow `--`")),
        (("plain", "--lr", "0.1", "--typo"), 1, ("unrecognized arguments: --typo",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_swept_is_told(folder: Folder, arguments: tuple[str, ...], code: int, words: Any) -> None:
    outcome = run(folder, *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    outcome.says(*words)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.py", None, "expected a Python file, got no such file"),
        ("syntax.py", "def f(:\n", "line 1: invalid syntax"),
        ("train.sh", "python train.py\n", "expected a training script (TRAIN.py, -m MODULE) or a config"),
    ],
)
def test_what_is_no_script_is_told(folder: Folder, name: str, content: str | None, words: str) -> None:
    if content:
        (folder / name).write_text(content)
    outcome = run(folder, script=name)
    assert outcome.code == 2
    outcome.says(words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--epochs", "0"), "--epochs: expected a whole number of at least 1"),
        (("--epochs", "3", "--train-steps", "9"), "--epochs: expected either --train-steps or --epochs, got both"),
    ],
    ids=["none", "said twice"],
)
def test_a_length_that_cannot_be_is_refused_before_the_script_runs(
    folder: Folder, options: tuple[str, ...], words: str
) -> None:
    outcome = run(folder, "plain", options=options)
    assert outcome.code == 2
    outcome.says(words)


def test_options_that_the_script_decides_are_refused(folder: Folder) -> None:
    outcome = run(folder, "plain", options=("--device", "cpu", "--write-config", "x.yaml"))
    assert outcome.code == 2
    outcome.says("--device: the script decides that", "--write-config: the script decides that")
    yaml = run(folder, options=("--apply", "--set-lr", "0.1"), script="train.yaml")
    assert yaml.code == 2
    yaml.says("--set-lr: it is for training scripts", "--apply: it is for training scripts")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("raises", "step 21: misfits.py: raised ValueError: a bad sample"),
        ("exits", "step 21: misfits.py: called exit('no more of this')"),
        ("dies", "step 21: misfits.py: the process ended with exit code 7"),
    ],
)
def test_what_was_measured_before_a_fault_is_kept(folder: Folder, kind: str, words: str) -> None:
    outcome = run(folder, kind)
    assert outcome.code == 1
    outcome.says(words)
    found = record(folder)
    assert found["error"].startswith(words)
    assert len(found["sweeps"][0]["losses"]) == 20
    if kind == "raises":
        outcome.says('raise ValueError("a bad sample")')


def test_a_script_that_ends_itself_on_a_bad_loss_was_at_too_high_a_learning_rate(folder: Folder) -> None:
    outcome = run(folder, "checks_its_loss", options=("--num-iter", "40", "--end-lr", "1000", "--plot", "none"))
    assert outcome.code == 0, outcome
    outcome.says("is too high, as the script ends itself there: ", "misfits.py: called exit(1)")
    found = record(folder)
    assert found["error"] is None
    assert found["stop_reason"] == "non_finite"
    assert found["suggested_lr"] < found["sweeps"][0]["lrs"][-1]


def test_a_script_with_few_updates_is_swept_with_as_many(folder: Folder) -> None:
    outcome = run(folder, "plain", "--updates", "40", options=("--end-lr", "100", "--plot", "none"))
    assert outcome.code == 0, outcome
    outcome.says("misfits.py ends after 40 updates; sweeping with so many.")
    found = record(folder)
    assert len(found["sweeps"][0]["lrs"]) <= 40
    assert {probe["steps"] for probe in found["probes"]} <= set(range(41))
    assert found["settings"]["train"]["steps"] == 40


def test_a_script_that_swallows_its_end_is_ended(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptProcess.wait, "__defaults__", (1.0,))
    outcome = run(folder, "swallows", options=(*FEW, "--budget", "31"))
    assert len(record(folder)["sweeps"][0]["lrs"]) == 30
    assert outcome.code in (0, 3)


def test_a_script_runs_its_finally_blocks(folder: Folder) -> None:
    run(folder, "cleans_up", options=(*FEW, "--budget", "31"))
    assert (folder / "cleaned-up").exists()


def test_what_a_script_has_started_does_not_outlive_it(folder: Folder) -> None:
    run(folder, "starts_another", options=(*FEW, "--budget", "31"))
    assert gone(int((folder / "another.pid").read_text()))


def test_a_script_that_resumes_is_noticed_and_can_run_in_a_copy(folder: Folder) -> None:
    options = ("--num-iter", "30", "--end-lr", "100", "--plot", "none")
    outcome = run(folder, "resumes", options=options)
    outcome.says("misfits.py starts from another loss than before", "--cwd-copy")
    assert record(folder)["confidence"] <= 0.5
    (folder / "checkpoint.pt").unlink()
    copied = run(folder, "resumes", options=(*options, "--cwd-copy"))
    assert "starts from another loss" not in copied.err
    assert not (folder / "checkpoint.pt").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_script_and_keeps_what_was_measured(tmp_path: Path, number: signal.Signals) -> None:
    started = subprocess.Popen(
        command("run", MISFITS, "--num-iter", "60", "--plot", "none", "--", "hangs"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually((tmp_path / "hanging.pid").exists)
    started.send_signal(number)
    out, err = started.communicate(timeout=PATIENCE)
    assert started.returncode == 130, (out, err)
    assert len(record(tmp_path)["sweeps"][0]["losses"]) == 30
    assert gone(int((tmp_path / "hanging.pid").read_text()))


def test_the_script_does_not_outlive_lrfind(tmp_path: Path) -> None:
    started = subprocess.Popen(
        command("run", MISFITS, "--num-iter", "60", "--", "hangs"), cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    eventually((tmp_path / "hanging.pid").exists)
    started.kill()
    started.wait()
    assert gone(int((tmp_path / "hanging.pid").read_text()))


def test_the_processes_of_torchrun_do_not_outlive_it(tmp_path: Path) -> None:
    started = subprocess.Popen(
        torchrun(["run", MISFITS, "--num-iter", "60", "--plot", "none", "--", "hangs"]),
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    eventually((tmp_path / "hanging.pid").exists)
    started.kill()
    started.wait()
    assert gone(int((tmp_path / "hanging.pid").read_text()))


def in_process(folder: Path, *arguments: str, options: tuple[str, ...]) -> Outcome:
    """Run in a process of its own, which the script takes over."""
    return process(["run", MISFITS, *options, "--", *arguments], cwd=folder)


def test_set_lr_trains_to_the_end_at_that_learning_rate(tmp_path: Path) -> None:
    outcome = in_process(tmp_path, "plain", "--updates", "50", "--exit", "5", options=("--set-lr", "0.07"))
    assert outcome.code == 5
    expected = subprocess.run(
        [sys.executable, MISFITS, "plain", "--updates", "50", "--lr", "0.07"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert outcome.out == expected.stdout
    assert "SGD(lr=0.01) trains with 0.07" in outcome.err


def test_apply_trains_on_with_what_was_found(tmp_path: Path) -> None:
    options = (*FEW, "--end-lr", "100", "--apply", "--format", "lr")
    outcome = in_process(tmp_path, "plain", "--updates", "200", "--exit", "6", options=options)
    assert outcome.code == 6
    assert float(outcome.out) > 0
    assert "trained to the end" in outcome.err
    refused = in_process(tmp_path, "plain", "--exit", "6", options=(*FEW, "--end-lr", "1e-6", "--apply"))
    assert refused.code == 3
    assert "trained to the end" not in refused.out + refused.err


def test_a_dry_run_trains_one_update(folder: Folder) -> None:
    outcome = run(folder, "plain", options=("--dry-run", "--json"))
    assert outcome.json["dry_run"]["title"] == "Linear, SGD, cpu"
    assert not list(folder.iterdir())


def test_check_judges_the_learning_rate_of_the_script(folder: Folder) -> None:
    fine = folder.main("check", MISFITS, "--quiet", "--json", "--", "plain", "--lr", "0.1")
    wild = folder.main("check", MISFITS, "--quiet", "--json", "--", "plain", "--lr", "50")
    assert (fine.code, fine.json["lr"]) == (0, 0.1)
    assert (wild.code, wild.json["status"], wild.json["lr"]) == (4, "too_high", 50)


def test_explain_trains_around_the_learning_rate_of_a_script_or_a_record(folder: Folder) -> None:
    common = ("--quiet", "--json", "--plot", "none", "--steps", "30")
    own = folder.main("explain", MISFITS, *common, "--", "plain", "--lr", "0.1")
    assert [each["lr"] for each in own.json["runs"]] == pytest.approx([0.01, 0.1, 1.0])
    assert run(folder, "plain", options=(*FEW, "--end-lr", "100")).code == 0
    recorded = folder.main("explain", "misfits.lrfind.json", *common, "--trust-record")
    assert recorded.json["alpha"] == record(folder)["suggested_lrs"]["constant"]


@pytest.mark.parametrize("trusted", [False, True])
def test_the_script_that_a_record_names_runs_only_if_the_user_trusts_it(folder: Folder, trusted: bool) -> None:
    """A module of Python's own runs whatever a stranger's record says."""
    code = f"open({str(folder / 'written')!r}, 'w').close()"
    facts = ScriptFacts("timeit", ("-n1", code), True, None, "", "", 0, "", "", "")
    (folder / "r.json").write_text(to_json(replace(example_result(), script=facts)))
    outcome = folder.main("explain", "r.json", "--quiet", "--steps", "10", *["--trust-record"] * trusted)
    assert (folder / "written").exists() == trusted
    if not trusted:
        assert (outcome.code, outcome.out) == (2, "")
        outcome.says("--trust-record: the record is of a script, and would run `python -m timeit -n1 'open(")


def test_a_module_runs_with_its_relative_imports(folder: Folder) -> None:
    package = folder / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "part.py").write_text(Path(MISFITS).read_text())
    (package / "train.py").write_text(
        "import sys\nfrom .part import Training, plain\nassert sys.argv[1:] == ['--fast']\nplain(Training(0.01), 200)\n"
    )
    arguments = ["run", "-m", "package.train", *FEW, "--end-lr", "100", "--json", "--", "--fast"]
    outcome = folder.main(*arguments)
    assert outcome.json["source"] == "-m package.train --fast"
    assert (folder / "train.lrfind.json").exists()


def test_run_script_answers_in_python(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    notes: list[str] = []
    answer = lrfind.run_script(
        MISFITS, ["plain"], num_iter=30, end_lr=100.0, quiet=True, progress=False, on_note=notes.append
    )
    assert answer
    assert answer.script is not None
    assert answer.script.lr == 0.01
    assert not list(folder.iterdir())
    with pytest.raises(lrfind.LrfindError, match="num_iter: expected a whole number of at least 10"):
        lrfind.run_script(MISFITS, num_iter=3)
    with pytest.raises(TypeError, match="accumulate"):
        lrfind.run_script(MISFITS, accumulate=2)


def test_the_process_that_searches_loads_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, lrfind.commands.app as app\n"
        f"app.main(['run', {MISFITS!r}, '--quiet', '--num-iter', '30', '--format', 'lr', '--', 'plain'])\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)


def test_two_processes_of_torchrun_train_as_their_mean(tmp_path: Path) -> None:
    script = str(FIXTURES / "scripts" / "ranks.py")
    options = ["run", script, "--json", "--plot", "none", "--num-iter", "20", "--end-lr", "0.01", "--budget", "21"]
    line = torchrun(options, forks=True)
    done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr  # torchrun turns all codes but 0 into 1
    found = json.loads(done.stdout)
    assert found["title"] == "Linear, SGD, batch 8 x 2 processes, cpu"
    assert found["environment"]["effective_batch_size"] == 16
    sweep = found["sweeps"][0]
    torch.manual_seed(0)
    x = torch.randn(160, 4)
    y = x.sum(1, keepdim=True)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    losses = []
    for index, lr in enumerate(sweep["lrs"]):
        start = index % 10 * 16
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x[start : start + 16]), y[start : start + 16])
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    assert sweep["losses"] == pytest.approx(losses, rel=1e-5)


def test_a_fault_of_one_process_of_torchrun_ends_all(tmp_path: Path) -> None:
    script = str(FIXTURES / "scripts" / "ranks.py")
    arguments = torchrun(["run", script, "--num-iter", "20", "--plot", "none", "--quiet", "--", "--fail", "1"])
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path, env={**os.environ})
    assert done.returncode != 0
    assert "rank 1: step 6: ranks.py: raised RuntimeError: rank 1 has had enough" in " ".join(done.stderr.split())
