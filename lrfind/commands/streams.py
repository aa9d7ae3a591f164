"""Keeping stdout for the result: whatever third-party code prints goes to stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def stdout_for_result() -> Iterator[None]:
    """Send all that is printed to stdout to stderr meanwhile, also by C code and by worker processes."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 1)
        os.close(kept)


def print_result(text: str) -> None:
    """Print the result to stdout; a pipe that was closed by its reader is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains as it flushes at exit
