"""The progress bar: on a terminal only, on stderr."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lrfind.api import Observer


@contextlib.contextmanager
def watched(console: Console, *, quiet: bool) -> Iterator[Observer]:
    """Yield an observer that shows a run on `console`: a bar on a terminal, the notes alone elsewhere.

    Args:
        console: For people, that is, on stderr.
        quiet: Show nothing at all.
    """
    if quiet:
        yield Observer()
        return
    if not console.is_terminal:
        yield Observer(on_note=lambda note: console.print(note, markup=False, highlight=False, soft_wrap=True))
        return
    columns = (
        TextColumn("sweep"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("LR {task.fields[lr]:.2e}  loss {task.fields[loss]:.4g}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _on_bar(progress)


def _on_bar(progress: Progress) -> Observer:
    task = progress.add_task("sweep", total=None, lr=0.0, loss=0.0)
    return Observer(
        on_sweep=lambda steps: progress.reset(task, total=steps),
        on_step=lambda index, lr, loss: progress.update(task, completed=index + 1, lr=lr, loss=loss),
        on_note=lambda note: progress.console.print(note, markup=False, highlight=False),
    )
