"""stdout carries the result and nothing else, whatever is printed meanwhile and however stdout or stderr end."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli import Project, process, shell, strict_json

from lrfind.output.streams import print_result, stdout_for_result, tell

pytestmark = pytest.mark.slow


def test_all_that_is_printed_meanwhile_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with stdout_for_result():
        print("from Python")
        os.write(1, b"from C\n")
        subprocess.run(["echo", "from a child"], check=True)
        sys.stdout.write("without an end of line")
    print_result("the result")
    out, err = capfd.readouterr()
    assert out == "the result\n"
    assert sorted(err.splitlines()) == ["from C", "from Python", "from a child", "without an end of line"]


def test_what_was_printed_before_stays_on_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    print("before", end="")
    with stdout_for_result():
        print("meanwhile")
    assert capfd.readouterr() == ("before", "meanwhile\n")


def test_stdout_comes_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), stdout_for_result():
        raise KeyboardInterrupt
    print_result("after")
    os.write(1, b"from C\n")
    assert capfd.readouterr() == ("after\nfrom C\n", "")


def test_no_descriptor_is_left_open() -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    for _ in range(3):
        with stdout_for_result():
            pass
    assert descriptors() == before


def test_prints_of_the_model_do_not_corrupt_the_json(project: Project) -> None:
    project.add(
        """
        print("at import")
        def model():
            print("from Python"); os.write(1, b"from C\\n"); subprocess.run(["echo", "from a child"])
            return net()
        """
    )
    outcome = project.run("--json", "model._target_=own.model")
    assert outcome.json["status"] == "ok"
    outcome.says("at import", "from Python", "from C", "from a child")


def test_result_in_a_pipe_that_is_closed_at_once(project: Project) -> None:
    arguments = ("run", str(project.config), "--out", str(project.out), "--json", "-q")
    outcome = shell('"$@" | true', *arguments, forks=True)
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert strict_json(project.record.read_text())["status"] == "ok"


# Processes that start torch


def test_prints_of_workers_do_not_corrupt_the_json(project: Project) -> None:
    project.add(
        """
        class dataset(Dataset):
            def __init__(self): self.samples = data()
            def __len__(self): return len(self.samples)
            def __getitem__(self, index):
                print("from Python"); os.write(1, b"from C\\n")
                return self.samples[index]
        """
    )
    outcome = project.process("--json", "data.dataset._target_=own.dataset", "data.num_workers=2", "--num-iter", "10")
    assert outcome.json["sweeps"]
    outcome.says("from Python", "from C")


def test_worker_that_raises_shows_the_users_frames_alone(project: Project) -> None:
    project.add(
        """
        class dataset(Dataset):
            def __len__(self): return 64
            def __getitem__(self, index): raise ValueError("bad sample")
        """
    )
    outcome = project.process("data.dataset._target_=own.dataset", "data.num_workers=2")
    assert (outcome.code, outcome.out) == (1, "")
    outcome.says("own.py", "__getitem__", "ValueError: bad sample")
    assert "site-packages" not in outcome.err


def test_stderr_in_a_pipe_that_is_closed_does_not_end_the_run(project: Project) -> None:
    arguments = ("run", str(project.config), "--out", str(project.out), "--format", "lr")
    outcome = shell('"$@" 2> >(true)', *arguments, forks=True)
    assert outcome.code == 0
    assert float(outcome.out) > 0
    assert project.record.exists()


def test_stderr_that_was_closed_does_not_end_the_run(project: Project) -> None:
    outcome = shell('"$@" 2>&-', "run", str(project.config), "--out", str(project.out), "--format", "lr")
    assert outcome.code == 0
    assert float(outcome.out) > 0


@pytest.mark.parametrize("redirect", [">/dev/full", ">&-"], ids=["full", "closed"])
def test_stdout_that_cannot_be_written_is_said_and_the_record_kept(project: Project, redirect: str) -> None:
    outcome = shell(f'"$@" {redirect}', "run", str(project.config), "--out", str(project.out), "--json", "-q")
    assert outcome.code in (1, 2)
    assert project.record.exists()
    outcome.says("lrfind: ", "stdout")


def test_stdout_of_another_encoding_still_gets_the_json(project: Project) -> None:
    outcome = project.process("--json", "-q", env={"PYTHONIOENCODING": "ascii"})
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.json["title"] == "Linear, SGD, batch 64, cpu"


@pytest.mark.parametrize("encoding", ["latin1", "ascii"])
def test_help_is_printed_in_an_encoding_that_lacks_a_character_of_it(encoding: str) -> None:
    outcome = process(["explain", "--help"], env={"PYTHONIOENCODING": encoding})
    assert (outcome.code, outcome.err) == (0, "")
    assert "Usage" in outcome.out


def test_markdown_is_drawn_with_what_the_encoding_has(project: Project) -> None:
    given = ("check", str(project.config), "--lr", "0.1", "--format", "markdown", "--quiet")
    outcome = process(given, env={"PYTHONIOENCODING": "latin1"})
    assert (outcome.code, outcome.err) == (0, "")
    assert "v suggested" in outcome.out
    assert "?" not in outcome.out


def test_people_are_told_what_their_stream_cannot_encode(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stderr", stream)
    tell("caf\udce9 \u2192")
    assert stream.buffer.getvalue() == b"caf\\udce9 \\u2192\n"  # type: ignore[attr-defined]
