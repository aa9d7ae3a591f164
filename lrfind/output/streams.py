"""stdout is for the result and stderr for people; neither may end a run, however its reader ends."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from lrfind.errors import Fault, LrfindError, OutputError, UserCodeError, visible
from lrfind.output.help_links import help_line, page_for


def open_closed_streams() -> None:
    """Give a process that was started with closed streams ones that take, or refuse, what is written.

    Otherwise the first files that it opens become its stdout and stderr. A closed stdout refuses: a result that
    nobody can read is a fault.
    """
    for descriptor, name, flags in ((0, "stdin", os.O_RDONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, flags), descriptor)
            setattr(sys, name, open(descriptor, "r" if descriptor == 0 else "w", closefd=False))  # noqa: SIM115


def take_any_text() -> None:
    """Let stdout print a question mark for a character that its encoding lacks, instead of raising."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")


@contextlib.contextmanager
def stdout_for_result() -> Iterator[None]:
    """Send all that is printed to stdout to stderr meanwhile, also by C code and by worker processes.

    Both are afterwards what they were before.
    """
    sys.stdout.flush()
    stderr, kept = sys.stderr, (os.dup(1), os.dup(2))
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(cast("IO[str]", Unfailing(stderr))):
            yield
    finally:
        sys.stderr = stderr  # third-party code may have closed or replaced it
        for number, descriptor in enumerate(kept, 1):
            os.dup2(descriptor, number)
            os.close(descriptor)
        flush(stderr)


def print_result(text: str) -> bool:
    """Print the result to stdout, and return whether anyone reads it; a pipe closed by its reader is no fault.

    Raises:
        OutputError: stdout cannot be written.
    """
    return _written(lambda: print(text, flush=True))


def print_bytes(data: bytes) -> None:
    """Write a binary result to stdout, with the same errors."""
    _written(lambda: (sys.stdout.buffer.write(data), sys.stdout.buffer.flush()))


def _written(write: Callable[[], object]) -> bool:
    try:
        write()
    except BrokenPipeError:
        _send_to_nowhere(1)
        return False
    except OSError as error:
        _send_to_nowhere(1)
        fault = Fault(problem=f"cannot write the result to stdout: {error}", fix="what was saved in files is whole")
        raise OutputError(fault) from error
    return True


def tell(text: str, end: str = "\n") -> None:
    """Print a line for people to stderr, if there is anyone left to read it."""
    lost = sys.stderr is None or getattr(sys.stderr, "closed", False)  # to code of the user's
    if stream := sys.__stderr__ if lost else sys.stderr:
        print(visible(text), end=end, file=cast("IO[str]", Unfailing(stream)), flush=True)


def report_error(error: LrfindError) -> None:
    """Print an error for people, below the traceback of the user's own code if there is one.

    Below it stands the page that helps, if there is one. Of several processes that have settled it, one does.
    """
    if error.told:
        return
    if isinstance(error, UserCodeError) and error.user_traceback:
        tell("Traceback in your code (most recent call last):")
        tell(error.user_traceback.rstrip())
    for line in str(error).splitlines():
        tell(f"lrfind: {line}")
    if page := page_for(error):
        tell(f"lrfind: {help_line(page)}")


class Unfailing:
    """A text stream that takes what is written as far as it can: its reader may have gone, its disk may be full.

    Args:
        stream: The stream; it may lack methods, as those do that some libraries put in the place of stderr.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                self._stream.write(text.encode("ascii", "backslashreplace").decode())
        return len(text)

    def close(self) -> None:
        """Leave it open: it is not only theirs who close it."""

    def flush(self) -> None:
        """Flush it."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class LegibleConsole(Console):
    """A console on which nothing but its own styles and controls acts: neither titles nor paths nor messages do."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield what is printed."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


def console_on(stream: TextIO) -> Console:
    """Return a console of plain text on a stream, which does not fail with that."""
    return LegibleConsole(file=cast("IO[str]", Unfailing(stream)), emoji=False, markup=False, highlight=False)


def console_for_people() -> Console:
    """Return a console on stderr."""
    return console_on(sys.stderr)


def flush(stream: TextIO) -> None:
    """Flush a stream, or what is left of it into nowhere if its reader has gone."""
    try:
        stream.flush()
    except (OSError, ValueError, AttributeError):
        _send_to_nowhere(1 if stream is sys.stdout else 2)


def _send_to_nowhere(descriptor: int) -> None:
    """Let further writes succeed, above all the interpreter's own as it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
