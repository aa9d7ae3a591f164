"""What a watcher sees of a run: a bar on a terminal, the notes alone elsewhere, nothing if quiet."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import subprocess
from collections.abc import Callable

import pytest
from cli import Project, command
from rich.console import Console

from lrfind.errors import Note
from lrfind.observer import Observer
from lrfind.output.progress import watched

pytestmark = pytest.mark.slow

NOTE = "The noise hides [the] descent."
ERASE_LINE = "\x1b[2K"


def a_run(observer: Observer) -> None:
    observer.on_sweep(2)
    if observer.on_step:
        observer.on_step(0, 1e-3, 2.5)
        observer.on_step(1, 1e-2, 1.25)
    observer.on_note(Note(NOTE))


def seen(show: Callable[[Observer], None], monkeypatch: pytest.MonkeyPatch, *, terminal: bool, quiet: bool) -> str:
    monkeypatch.setenv("TERM", "xterm" if terminal else "dumb")
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=100)
    with watched(console, quiet=quiet) as observer:
        show(observer)
    return screen.getvalue()


def test_off_a_terminal_only_the_notes_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(a_run, monkeypatch, terminal=False, quiet=False) == NOTE + "\n"


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("note", ["data[0] and [bold]b[/bold]", "C:smile:"])
def test_notes_are_printed_as_they_are(monkeypatch: pytest.MonkeyPatch, note: str, terminal: bool) -> None:
    assert note in seen(lambda observer: observer.on_note(Note(note)), monkeypatch, terminal=terminal, quiet=False)


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet_prints_nothing(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    assert seen(a_run, monkeypatch, terminal=terminal, quiet=True) == ""


def test_on_a_terminal_the_bar_counts_and_is_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = seen(a_run, monkeypatch, terminal=True, quiet=False)
    for words in ("2/2", "LR 1.00e-02", "loss 1.25", NOTE):
        assert words in screen
    assert screen.rstrip("\r\n").endswith(ERASE_LINE)


def test_a_second_sweep_starts_without_the_numbers_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def two_sweeps(observer: Observer) -> None:
        a_run(observer)
        observer.on_sweep(4)

    after = seen(two_sweeps, monkeypatch, terminal=True, quiet=False).split("2/2")[-1]
    assert "0/4" in after
    assert "1.25" not in after


def test_a_probe_is_called_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def sweep_and_probe(observer: Observer) -> None:
        a_run(observer)
        observer.on_probe(4)

    screen = seen(sweep_and_probe, monkeypatch, terminal=True, quiet=False)
    assert 0 <= screen.find("sweep") < screen.find("probe")


def test_the_cursor_comes_back_when_a_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    with (
        contextlib.suppress(RuntimeError),
        watched(Console(file=screen, force_terminal=True, width=100), quiet=False) as observer,
    ):
        observer.on_sweep(2)
        raise RuntimeError
    assert screen.getvalue().rfind("\x1b[?25h") > screen.getvalue().rfind("\x1b[?25l")
    assert screen.getvalue().rstrip("\r\n").endswith(ERASE_LINE)


def test_bar_on_a_real_terminal_with_the_result_in_a_pipe(project: Project) -> None:
    screen, printed = on_terminal(command("run", str(project.config), "--out", str(project.out), "--format", "lr"))
    assert re.search(r"\d/\d+ LR ", screen)
    assert "train.lrfind.json" in screen.replace("\r\n", "").rpartition(ERASE_LINE)[2]
    assert float(printed) > 0


def on_terminal(arguments: list[str]) -> tuple[str, str]:
    """Run with stderr on a terminal; return what the terminal and what stdout were sent."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=theirs, env=environment, text=True) as running:
        os.close(theirs)
        screen = b""
        try:
            while piece := os.read(ours, 4096):
                screen += piece
        except OSError:  # what Linux says when the other end is closed
            pass
        os.close(ours)
        assert running.stdout is not None
        printed = running.stdout.read()
    assert running.returncode == 0
    return screen.decode(), printed
