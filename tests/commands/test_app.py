"""The command as a whole: help, version, usage faults, signals, and what it imports."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli import FIXTURES, PATIENCE, Project, process, shell, strict_json

import lrfind
from lrfind.commands.app import main, report_error
from lrfind.errors import ConfigError, Fault, LrfindError, UserCodeError

pytestmark = pytest.mark.slow

LOSS = "loss._target_=own.loss"
RECORD = str(FIXTURES / "records" / "find_lr.json")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_the_commands(project: Project, flag: str) -> None:
    outcome = project.main(flag)
    assert (outcome.code, outcome.err) == (0, "")
    assert "run" in outcome.out


def test_help_of_run_names_its_flags_and_exit_codes(project: Project) -> None:
    outcome = project.main("run", "--help")
    assert (outcome.code, outcome.err) == (0, "")
    for words in ("--format", "--json", "--out", "--plot", "--device", "--quiet", "--dry-run", "130", "CONFIG"):
        assert words in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80


def test_version(project: Project) -> None:
    outcome = project.main("--version")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"lrfind {lrfind.__version__}\n", "")


@pytest.mark.parametrize("command", ["", "run", "init", "check", "analyze", "plot", "schedule", "explain"])
def test_help_names_no_type_beside_a_flag(project: Project, command: str) -> None:
    outcome = project.main(*filter(None, [command]), "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert "bool" not in outcome.out


def test_no_arguments_show_the_help(project: Project) -> None:
    outcome = project.main()
    assert outcome.code == 2
    assert "Usage" in outcome.out + outcome.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rnu",), ("No such command 'rnu'", "run")),
        (("run",), ("expected a training script (TRAIN.py, -m MODULE) or a config", "got nothing")),
        (("run", "c.yaml", "--formt", "lr"), ("No such option", "--formt", "--format")),
        (("run", "c.yaml", "--num-iter"), ("--num-iter", "requires an argument")),
    ],
)
def test_usage_faults(project: Project, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    outcome = project.main(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    said = " ".join(outcome.err.replace("│", "").split())
    assert [word for word in words if word not in said] == []


def test_errors_are_printed_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    faults = ConfigError("c.yaml", [Fault("seed", problem="expected 0"), Fault("--plot", problem="got gif")])
    report_error(faults)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lrfind: c.yaml: seed: expected 0\nlrfind: c.yaml: --plot: got gif\nlrfind: help: ")
    assert err.count("\n") == 3


def test_traceback_of_the_user_stands_above_the_message(capsys: pytest.CaptureFixture[str]) -> None:
    report_error(UserCodeError("model failed", user_traceback='  File "own.py", line 3\n', hints=["lower it"]))
    assert capsys.readouterr().err.splitlines() == [
        "Traceback in your code (most recent call last):",
        '  File "own.py", line 3',
        "lrfind: model failed",
        "lrfind: lower it",
    ]


@pytest.mark.parametrize(
    ("raised", "code", "words"),
    [
        (LrfindError("no luck"), 1, "lrfind: no luck"),
        (ConfigError("c.yaml", [Fault("seed", problem="bad")]), 2, "lrfind: c.yaml: seed: bad"),
        (KeyboardInterrupt(), 130, "lrfind: interrupted before anything was measured"),
    ],
)
def test_every_outcome_has_its_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: BaseException,
    code: int,
    words: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr("lrfind.commands.training_run.read_config", fail)
    assert main(["run", "c.yaml"]) == code
    assert words in capsys.readouterr().err


def test_ctrl_c_before_there_is_a_command_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lrfind.commands.app.app", interrupted)
    assert main(["--version"]) == 130
    assert capsys.readouterr() == ("", "lrfind: interrupted before anything was measured\n")


# Processes


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("--version",)], ids=" ".join)
def test_help_and_version_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys; from lrfind.commands.app import main; code = main(sys.argv[1:]); "
        "slow = {'rich.markdown'} if len(sys.argv) == 2 else set(); "
        "heavy = ({'torch', 'torchvision', 'matplotlib', 'hydra'} | slow) & set(sys.modules); "
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")


def test_python_m_is_the_command() -> None:
    outcome = process(["--version"], forks=False)
    assert (outcome.code, outcome.out, outcome.err) == (0, f"lrfind {lrfind.__version__}\n", "")


def test_code_of_the_process_is_that_of_main(project: Project) -> None:
    outcome = process(["run", str(project.folder / "none.yaml")], forks=False)
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("no such file")


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("--version",)], ids=" ".join)
def test_closed_pipe_is_silent(arguments: tuple[str, ...]) -> None:
    outcome = shell('"$@" | true', *arguments)
    assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.parametrize(
    "arguments", [("--version",), ("analyze", RECORD), ("analyze", RECORD, "--json")], ids=" ".join
)
def test_a_full_disk_is_a_message(arguments: tuple[str, ...]) -> None:
    outcome = shell('"$@" >/dev/full', *arguments)
    assert outcome.code == 2
    outcome.says("to stdout:", "No space left on device")


def test_an_error_of_the_system_names_its_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/root/.bashrc")

    monkeypatch.setattr("lrfind.commands.app.app", fail)
    assert main(["--install-completion"]) == 1
    assert capsys.readouterr().err == "lrfind: /root/.bashrc: Permission denied\n"


def test_a_current_folder_that_has_gone_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    assert main(["analyze", "x.json"]) == 1
    assert "lrfind: the current folder has gone" in capsys.readouterr().err


# Signals: processes that start torch


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_signal_in_mid_sweep_keeps_what_was_measured(project: Project, number: signal.Signals) -> None:
    project.add(
        f"""
        def act(step, value):
            if step == 40: os.kill(os.getpid(), {number.value})
            return value
        def loss(): return on_step(act)
        """
    )
    outcome = project.process(LOSS, "--json", "--plot", "png")
    assert outcome.code == 130
    assert outcome.json == strict_json(project.record.read_text())
    assert outcome.json["stop_reason"] == "interrupted"
    assert len(outcome.json["sweeps"][0]["losses"]) == 40
    assert project.plot().exists()
    outcome.says("interrupted")


def test_second_ctrl_c_while_the_result_is_saved_does_not_lose_it(project: Project) -> None:
    project.bring("interrupts")
    outcome = project.process("loss._target_=interrupts.loss", "--json")
    assert outcome.code == 130
    assert outcome.json == strict_json(project.record.read_text())
    assert outcome.json["stop_reason"] == "interrupted"


def test_ctrl_c_while_building_is_said(project: Project) -> None:
    project.add("def model(): os.kill(os.getpid(), signal.SIGINT); return net()")
    outcome = project.process("model._target_=own.model")
    assert (outcome.code, outcome.out) == (130, "")
    assert not project.record.exists()
    outcome.says("interrupted before anything was measured")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_once_the_outcome_stands_changes_nothing(project: Project, number: signal.Signals) -> None:
    project.add(
        f"""
        import atexit
        atexit.register(lambda: os.kill(os.getpid(), {number.value}))
        """
    )
    outcome = project.process("--json", "--quiet")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.json["status"] == "ok"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("flags", "shown"), [((), "loading lrfind\r              \r"), (("--quiet",), "")])
def test_a_terminal_shows_at_once_that_something_happens(
    flags: tuple[str, ...], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert main(["plot", "missing.json", *flags]) == 2
    assert terminal.getvalue().startswith(f"{shown}lrfind: missing.json: ")
