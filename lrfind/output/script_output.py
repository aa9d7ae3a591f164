"""What a script prints, while it is searched: on stderr, dimmed on a terminal, above the progress bar."""

from __future__ import annotations

import codecs
import contextlib
import sys

from rich.console import Console
from rich.text import Text

KEPT = 2000
"""Characters at the end that are kept for the message of a fault, where the rest is hidden."""


class ScriptOutput:
    """Takes what a script prints.

    Args:
        console: Where to print it; None for `sys.stderr`, as it is.
        quiet: Whether to hide it.
    """

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self._console = console if console is not None and console.is_terminal else None
        self._quiet = quiet
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._line = ""
        self._hidden = ""

    def write(self, data: bytes) -> None:
        """Take a piece of it; on a terminal it is shown once its line is whole."""
        text = self._decoder.decode(data)
        if self._quiet:
            self._hidden = (self._hidden + text)[-KEPT:]
        elif self._console is None:
            with contextlib.suppress(OSError, ValueError):  # nobody is left to read it
                sys.stderr.write(text)
                sys.stderr.flush()
        else:
            *lines, self._line = (self._line + text).split("\n")
            for line in lines:
                shown = line.rstrip("\r").rpartition("\r")[2]  # of a progress bar its last state
                self._console.print(Text.from_ansi(shown, style="dim"), soft_wrap=True)

    @property
    def hidden(self) -> str:
        """The end of what was hidden."""
        return self._hidden
