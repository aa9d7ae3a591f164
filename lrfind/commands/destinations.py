"""Where a result goes beside its record and plot: a page (--report), trackers of experiments (--log)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lrfind.errors import ConfigError, Fault, OutputError
from lrfind.integrations.trackers import log, tracker
from lrfind.output.files import check_writable
from lrfind.output.look import Look
from lrfind.output.picture import is_page
from lrfind.output.streams import tell
from lrfind.page.render import save_page
from lrfind.records.types import Result

WAY_OUT = "make room there, or name another file with --report"

Destination = Callable[[Result, str], str]
"""Writes a result by the name of its training, and returns what was done."""


def destinations(report: Path | None, logs: Sequence[str] | None, look: Look, command: str) -> list[Destination]:
    """Return where a result will go, after making sure that it can, which a long run is to know first.

    Raises:
        OutputError: The page cannot be written.
        ConfigError: A tracker cannot, or the name of the page is that of something else.
    """
    to = [_tracker(spec, look, command) for spec in logs or ()]
    return to if report is None else [_page(report, look, command), *to]


def write_to(to: Sequence[Destination], result: Result, name: str, *, quiet: bool) -> bool:
    """Write a result to all of them, say on stderr where, or why not, and return whether it is everywhere."""
    whole = True
    for destination in to:
        try:
            done = destination(result, name)
        except OutputError as error:
            whole = False
            tell(f"lrfind: {error}")
        else:
            if not quiet:
                tell(done)
    return whole


def _page(file: Path, look: Look, command: str) -> Destination:
    if not is_page(file):
        raise ConfigError(command, [Fault("--report", expected="a name that ends in .html", got=str(file))])
    check_writable(file.parent, WAY_OUT)

    def write(result: Result, name: str) -> str:
        save_page({name: result}, file, look, WAY_OUT)
        return f"wrote {file}"

    return write


def _tracker(spec: str, look: Look, command: str) -> Destination:
    opened = tracker(spec, command)
    return lambda result, name: f"logged to {log(opened, result, name, look)}"
