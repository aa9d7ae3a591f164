"""`lrfind run` on several configs: a process for each, a line or a report for each, and one exit code."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cli import CONFIG, PATIENCE, Outcome, Project, bring, command, eventually, process, shell, strict_json

from lrfind.commands.finished_runs import FinishedRun, failure, worst
from lrfind.commands.run_many import _Child, _finished, split
from lrfind.errors import ExitCode

pytestmark = pytest.mark.slow

SCHEMA = json.loads(files("lrfind.records").joinpath("record.schema.json").read_text(encoding="utf-8"))
CONFIGS = {
    "good": CONFIG,
    "bad": "seed: 0\n",
    "dies": CONFIG.replace("own.net", "endings.dies"),
    "flat": CONFIG.replace("torch.nn.MSELoss", "endings.flat"),
    "slow": CONFIG.replace("torch.nn.MSELoss", "endings.slow"),
}
FAST = ("probes.enabled=false",)
OF_ITS_OWN = ("--seed=1", "--out=ran")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("several")
    bring(made, "own", "endings")
    for name, text in CONFIGS.items():
        (made / f"{name}.yaml").write_text(text)
    return made


def arguments(*names: str, flags: tuple[str, ...] = ()) -> list[str]:
    return ["run", *(f"{name}.yaml" for name in names), *FAST, *flags]


@pytest.fixture(scope="module")
def ran(folder: Path) -> Outcome:
    return process(arguments("bad", "dies", "good", "flat", flags=("--json", *OF_ITS_OWN)), cwd=folder)


# JSON Lines


def test_json_is_a_line_for_each_config_in_their_order(ran: Outcome) -> None:
    lines = [strict_json(line) for line in ran.out.splitlines()]
    assert [line["source"] for line in lines] == ["bad.yaml", "dies.yaml", "good.yaml", "flat.yaml"]
    assert [line["status"] for line in lines] == ["failed", "failed", "ok", "no_suggestion"]
    for line in lines:
        jsonschema.Draft202012Validator(SCHEMA).validate(line)


def test_the_worst_exit_code_is_that_of_all(ran: Outcome) -> None:
    assert ran.code == 1


def test_a_config_that_fails_says_why_and_does_not_stop_the_rest(ran: Outcome) -> None:
    bad, dies = (strict_json(line) for line in ran.out.splitlines()[:2])
    assert bad["exit_code"] == 2
    assert bad["message"].startswith("bad.yaml: model: expected a value, got none")
    assert dies["exit_code"] == 1
    assert "SIGSEGV" in dies["message"]
    ran.says("bad.yaml: model: expected", "dies.yaml: the process was ended by SIGSEGV")


def test_each_is_headed_on_stderr(ran: Outcome) -> None:
    heads = [line for line in ran.err.splitlines() if line.startswith("== ")]
    assert heads == [f"== {name}.yaml ({n} of 4)" for n, name in enumerate(["bad", "dies", "good", "flat"], 1)]


def test_a_line_is_the_record_of_a_call_of_its_own(ran: Outcome, folder: Path) -> None:
    line = strict_json(ran.out.splitlines()[2])
    assert line == strict_json((folder / "ran" / "good.lrfind.json").read_text())
    alone = process(arguments("good", flags=("--json", "-q", *OF_ITS_OWN)), cwd=folder).json
    assert line | {"timing": {}} == alone | {"timing": {}}


@pytest.mark.parametrize("as_list", [False, True], ids=["as they are", "made a list by jq -s"])
def test_the_lines_are_compared_by_plot(ran: Outcome, project: Project, as_list: bool) -> None:
    path = project.folder / "found.jsonl"
    path.write_text(json.dumps([json.loads(line) for line in ran.out.splitlines()], indent=2) if as_list else ran.out)
    outcome = project.main("plot", str(path), "--json", "--out", str(project.folder / "c.svg"))
    assert outcome.code == 0
    assert [row["name"] for row in json.loads(outcome.out)] == ["good", "flat"]
    outcome.says("left out, as the run failed: bad.yaml: model", "left out, as the run failed: the process was ended")


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("name", "status", "code"), [("good", "ok", 0), ("flat", "no_suggestion", 3), ("bad", "failed", 2)]
)
def test_a_pattern_that_matches_one_config_gives_a_line_as_well(
    folder: Path, project: Project, name: str, status: str, code: int, flags: tuple[str, ...]
) -> None:
    outcome = project.main("run", str(folder / f"{name}.yaml"), *FAST, "--json", "--out", str(project.out), *flags)
    (line,) = outcome.out.splitlines()
    document = strict_json(line)
    assert document["source"] == str(folder / f"{name}.yaml")
    if flags and status != "failed":
        assert (outcome.code, document["dry_run"]["num_iter"]) == (0, 60)
    else:
        assert (outcome.code, document["status"]) == (code, status)
        jsonschema.Draft202012Validator(SCHEMA).validate(document)


@pytest.mark.skipif(not shutil.which("jq"), reason="needs jq")
def test_jq_names_the_rates_of_one_config_and_of_several(folder: Path) -> None:
    for names in (["good"], ["good", "flat"]):
        flags = ("--json", "-q", f"--out={folder / 'jq'}")
        line = " ".join(str(folder / f"{name}.yaml") for name in names)
        piped = shell(f"\"$@\" {line} | jq -r '[.source, .suggested_lr] | @tsv'", "run", *flags, *FAST, forks=True)
        rows = [row.split("\t") for row in piped.out.splitlines()]
        assert [Path(source).stem for source, _ in rows] == names
        assert float(rows[0][1]) > 0


# Other formats


def test_text_is_a_report_for_each_and_a_table(folder: Path) -> None:
    ran = process(arguments("good", "bad", flags=("-q",)), cwd=folder)
    assert ran.code == 2
    assert ran.out.startswith("== good.yaml (1 of 2)\nLinear, SGD, batch 64, cpu\nSuggested LR")
    assert "\n\n== bad.yaml (2 of 2)\n\nconfig " in ran.out
    good, bad = (line for line in ran.out.splitlines() if line.startswith(("good.yaml", "bad.yaml")))
    assert good.endswith("%   0")
    assert bad.split(maxsplit=4) == ["bad.yaml", "-", "-", "-", "2: model: expected a value,"]
    *faults, way_out = ran.err.splitlines()
    assert all(line.startswith("lrfind: bad.yaml: ") for line in faults)
    assert way_out.startswith("lrfind: help: ")


def test_lr_is_a_config_and_its_rate_on_a_line(folder: Path) -> None:
    ran = process(arguments("bad", "good", flags=("--format", "lr")), cwd=folder)
    assert ran.code == 2
    name, lr = ran.out.removesuffix("\n").split("\t")
    assert name == "good.yaml"
    assert float(lr) > 0


def test_a_dry_run_of_each(folder: Path) -> None:
    ran = process(arguments("good", "bad", flags=("--dry-run", "--json")), cwd=folder)
    good, bad = (strict_json(line) for line in ran.out.splitlines())
    assert (ran.code, good["source"], bad["source"]) == (2, "good.yaml", "bad.yaml")
    assert good["dry_run"]["num_iter"] == 60
    assert bad["status"] == "failed"


# How it ends


def test_a_pipe_that_is_closed_stops_the_rest(folder: Path) -> None:
    flags = ("--json", f"--out={folder / 'pipe'}", "-q")
    line = " ".join(str(folder / f"{name}.yaml") for name in ("good", "flat", "slow"))
    ended = shell(f'"$@" {line} | true', *arguments(flags=flags), forks=True)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert [file.name for file in (folder / "pipe").glob("*.json")] == ["good.lrfind.json"]


def start(folder: Path, out: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start two runs, and return once the first has measured something."""
    flags = ("--json", f"--out={out}")
    started = subprocess.Popen(command(*arguments("slow", "good", flags=flags)), cwd=folder, **options)
    eventually(lambda: b"waiting" in (folder / f"{out}.err").read_bytes())
    return started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_handed_on_and_what_was_measured_is_kept(folder: Path, number: signal.Signals) -> None:
    out = number.name
    with (folder / f"{out}.err").open("wb") as err:
        # In a session of its own there is no terminal that would send the signal to both.
        started = start(folder, out, stdout=subprocess.PIPE, stderr=err, start_new_session=True)
        os.kill(started.pid, number)
        stdout, _ = started.communicate(timeout=PATIENCE)
    assert started.returncode == 130
    assert strict_json(stdout.decode())["interrupted"]
    assert [file.name for file in (folder / out).glob("*.json")] == ["slow.lrfind.json"]
    said = (folder / f"{out}.err").read_text()
    assert "what was measured is kept" in said
    assert "good.yaml" not in said


def test_ctrl_c_at_a_terminal_reaches_the_run_once(folder: Path) -> None:
    leader, follower = pty.openpty()
    become_terminal = (
        "import fcntl, os, sys, termios\n"
        "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'lrfind', *sys.argv[1:]])"
    )
    out = "terminal"
    run = [sys.executable, "-c", become_terminal, *arguments("slow", "good", flags=("--json", f"--out={out}"))]
    with (folder / f"{out}.err").open("wb") as err, (folder / f"{out}.out").open("wb") as stdout:
        started = subprocess.Popen(run, cwd=folder, stdin=follower, stdout=stdout, stderr=err, start_new_session=True)
        eventually(lambda: b"waiting" in (folder / f"{out}.err").read_bytes())
        os.write(leader, b"\x03")
        assert started.wait(PATIENCE) == 130
    os.close(leader)
    os.close(follower)
    said = (folder / f"{out}.err").read_text()
    assert "what was measured is kept" in said
    assert "once more" not in said
    assert strict_json((folder / f"{out}.out").read_text())["interrupted"]


# What is refused before anything runs


def refused(project: Project, *more: str) -> Outcome:
    outcome = project.main("run", str(project.config), *more)
    assert (outcome.code, outcome.out) == (2, "")
    assert not list(project.folder.rglob("*.lrfind.json"))
    return outcome


@pytest.fixture
def twin(project: Project) -> str:
    """Return a config of the same name in another folder."""
    path = project.folder / "twin" / "train.yaml"
    path.parent.mkdir()
    path.write_text(CONFIG)
    return str(path)


def test_records_that_would_replace_each_other_are_refused(project: Project, twin: str) -> None:
    for more in ((), ("--out", str(project.out))):
        refused(project, twin, *more).says(
            f"{twin}: would write train.lrfind.json to the same folder as {project.config}", "output.dir", "--out"
        )


def test_a_folder_of_its_own_for_each_is_fine(project: Project, twin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Child, "run", lambda *_: 0)
    Path(twin).write_text(CONFIG.replace("{plot: none}", "{plot: none, dir: elsewhere}"))
    outcome = project.main("run", str(project.config), twin, "--json")
    assert outcome.code == 1
    assert [json.loads(line)["source"] for line in outcome.out.splitlines()] == [str(project.config), twin]
    assert "ended with exit code 0 before it could say why" in outcome.out


def test_one_config_at_a_time_with_write_config(project: Project, twin: str) -> None:
    refused(project, twin, "--write-config", "x.yaml").says("--write-config: expected one config beside it, got 2")


def test_one_config_at_a_time_under_torchrun(project: Project, twin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    refused(project, twin).says("expected one config under torchrun, got 2")


# Configs and overrides


def test_arguments_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.yaml", "b", "x=1.yaml"):
        Path(name).touch()
    assert split(["a.yaml", "seed=1", "b", "x=1.yaml", "missing.yml", "model.file=c.yaml", "noequals"]) == (
        ["a.yaml", "b", "x=1.yaml", "missing.yml"],
        ["seed=1", "model.file=c.yaml", "noequals"],
    )
    assert split(["seed=1", "a.yaml"]) == (["a.yaml"], ["seed=1"])
    assert split(["./a.yaml"]) == (["a.yaml"], [])
    assert split(["seed=1", "nope"]) == (["seed=1"], ["nope"])


@pytest.mark.parametrize(("ended", "code"), [(130, 130), (-signal.SIGINT, 130), (-signal.SIGSEGV, 1), (7, 1)])
def test_a_process_that_left_no_word_was_interrupted_or_failed(tmp_path: Path, ended: int, code: int) -> None:
    outcome = _finished("c.yaml", ended, tmp_path / "none")
    assert (outcome.code, outcome.document["exit_code"]) == (code, code)


def test_the_worst_of_no_or_many_codes() -> None:
    def ended(*codes: ExitCode) -> list[FinishedRun]:
        return [FinishedRun("c.yaml", code, failure("c.yaml", code, "")) for code in codes]

    ok, failed, usage, none, stopped = (ExitCode(code) for code in (0, 1, 2, 3, 130))
    assert worst(ended(ok, none)) == none
    assert worst(ended(none, usage, ok)) == usage
    assert worst(ended(none, usage, failed)) == failed
    assert worst(ended(stopped, failed)) == stopped
    assert worst([]) == ok
