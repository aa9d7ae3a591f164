"""The progress bar: on a terminal only, on stderr."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lrfind.errors import Note
from lrfind.observer import Observer
from lrfind.output.streams import report_error


@contextlib.contextmanager
def watched(console: Console, *, quiet: bool) -> Iterator[Observer]:
    """Yield an observer that shows a run on `console`: a bar on a terminal, the notes alone elsewhere.

    Args:
        console: For people, that is, on stderr.
        quiet: Show nothing at all.
    """
    if quiet:
        yield Observer(on_error=report_error)
        return
    if not console.is_terminal:
        yield Observer(on_note=_printer(console), on_error=report_error)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[now]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _on_bar(progress)


def _printer(console: Console) -> Callable[[Note], None]:
    return lambda note: console.print(str(note), markup=False, highlight=False, emoji=False, soft_wrap=True)


def _on_bar(progress: Progress) -> Observer:
    task = progress.add_task("sweep", total=None, now="")

    def on_step(index: int, lr: float, loss: float) -> None:
        progress.update(task, completed=index + 1, now=f"LR {lr:.2e}  loss {loss:.4g}")

    def on_start(description: str) -> Callable[[int], None]:
        return lambda steps: progress.reset(task, total=steps, description=description, now="")

    return Observer(
        on_sweep=on_start("sweep"),
        on_probe=on_start("probe"),
        on_step=on_step,
        on_note=_printer(progress.console),
        on_error=report_error,
    )


def bar_on_stderr() -> contextlib.AbstractContextManager[Observer]:
    """Return an observer that shows a bar on stderr, whether or not that is a terminal."""
    return watched(Console(stderr=True, force_terminal=True), quiet=False)
