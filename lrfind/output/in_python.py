"""How the Python API follows a search: notes go to a log, a bar shows on a terminal, faults are raised."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NoReturn

from lrfind.errors import PYTHON, Level, LrfindError, Note, Words
from lrfind.observer import Observer
from lrfind.training.distributed.launch import is_first

LOG = logging.getLogger("lrfind")

Tell = Callable[[Note], None]
"""Is told what is worth knowing about a search."""


def log(note: Note) -> None:
    """Log a note; Python shows a warning on stderr unless told otherwise."""
    LOG.log(logging.WARNING if note.level is Level.WARNING else logging.INFO, "%s", note.render(PYTHON))


def teller(on_note: Callable[[str], None] | None, words: Words) -> Tell:
    """Return what passes notes on as sentences; without a receiver they are logged."""
    return log if on_note is None else lambda note: on_note(note.render(words))


@contextlib.contextmanager
def watched(progress: bool | None, tell: Tell) -> Iterator[Observer]:
    """Yield an observer that raises what cuts a sweep short, shows a bar if one is wanted, and prints nothing else."""
    on_terminal = getattr(sys.stderr, "isatty", bool)()  # it may be None, or what a library has put there
    bar: contextlib.AbstractContextManager[Observer] = contextlib.nullcontext(Observer())
    if is_first() and (on_terminal if progress is None else progress):
        from lrfind.output.progress import bar_on_stderr  # loads rich

        bar = bar_on_stderr()
    with bar as observer:
        yield replace(observer, on_note=tell, on_error=_raise)


def _raise(error: LrfindError) -> NoReturn:
    raise error
