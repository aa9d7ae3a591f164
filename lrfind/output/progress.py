"""The progress bar: on a terminal only, on stderr."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lrfind.errors import CONFIG, LrfindError, Note, Words
from lrfind.observer import Observer
from lrfind.output.streams import report_error


@contextlib.contextmanager
def watched(console: Console, *, quiet: bool, words: Words = CONFIG) -> Iterator[Observer]:
    """Yield an observer that shows a run on `console`: a bar on a terminal, the notes alone elsewhere.

    Args:
        console: For people, that is, on stderr.
        quiet: Show nothing but errors.
        words: What its reader calls a setting.
    """

    def on_error(error: LrfindError) -> None:
        if words is not CONFIG:  # errors in the words of a config know its flags already
            error.words = words
        report_error(error)

    if quiet:
        yield Observer(on_error=on_error)
        return
    if not console.is_terminal:
        yield Observer(on_note=_printer(console, words), on_error=on_error)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[now]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield replace(_on_bar(progress), on_note=_printer(console, words), on_error=on_error)


def _printer(console: Console, words: Words) -> Callable[[Note], None]:
    return lambda note: console.print(note.render(words), markup=False, highlight=False, emoji=False, soft_wrap=True)


def _on_bar(progress: Progress) -> Observer:
    bar = _Bar(progress)
    return Observer(
        on_search=bar.search,
        on_sweep=bar.sweep,
        on_probe=bar.probe,
        on_step=bar.step,
    )


class _Bar:
    """One bar over all updates of a search; without one, over those of each training."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("sweep", total=None, now="")
        self._most: int | None = None
        self._before = self._steps = self._probes = 0

    def search(self, updates: int) -> None:
        self._most = updates
        self._before = self._steps = self._probes = 0
        self._progress.reset(self._task, total=updates, description="sweep", now="")

    def sweep(self, steps: int) -> None:
        self._start(steps, "sweep")

    def probe(self, steps: int) -> None:
        self._probes += 1
        self._start(steps, f"probe {self._probes}")

    def _start(self, steps: int, description: str) -> None:
        self._before += self._steps
        self._steps = 0
        if self._most is None:
            self._before = 0
            self._progress.reset(self._task, total=steps, description=description, now="")
        else:
            self._progress.update(self._task, description=description, now="")

    def step(self, index: int, lr: float, loss: float) -> None:
        self._steps = index + 1
        self._progress.update(self._task, completed=self._before + self._steps, now=f"LR {lr:.2e}  loss {loss:.4g}")


def loading(console: Console, *, quiet: bool) -> contextlib.AbstractContextManager[object]:
    """Say on a terminal that torch is being loaded, which takes seconds, and take it back afterwards."""
    if quiet or not console.is_terminal:
        return contextlib.nullcontext()
    return console.status("loading torch, and what the config names")


def bar_on_stderr() -> contextlib.AbstractContextManager[Observer]:
    """Return an observer that shows a bar on stderr, whether or not that is a terminal."""
    return watched(Console(stderr=True, force_terminal=True), quiet=False)
