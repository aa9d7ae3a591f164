"""From a config to a result, as every command that trains does it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lrfind.config.schema import Config
from lrfind.errors import ExitCode, StoppedError
from lrfind.output.formats import read_code
from lrfind.output.progress import watched
from lrfind.output.streams import console_for_people, stdout_for_result
from lrfind.pipeline import read_config, run
from lrfind.records.types import Result
from lrfind.training.distributed.launch import is_first

Flag = tuple[str, Any]
"""A flag of the command line that sets a config key, and its value; a value of None was not given."""


def ready(path: Path, overrides: Sequence[str], flags: Mapping[str, Flag]) -> Config:
    """Return the config once all that can be found wrong before a long run has been looked for.

    Args:
        path: The config.
        overrides: Each `key=value`.
        flags: Each flag, by config key.
    """
    given = {key: flag for key, flag in flags.items() if flag[1] is not None}
    with stdout_for_result():
        return read_config(path, overrides, given)


def sweep(config: Config, source: str, *, quiet: bool) -> Result:
    """Run the pipeline, and show people how it goes."""
    people = console_for_people()
    with stdout_for_result(), watched(people, quiet=quiet or not is_first()) as observer:
        return run(config, source, observer)


@contextlib.contextmanager
def interrupt_told() -> Iterator[None]:
    """Turn a Ctrl-C that leaves nothing to be kept into the error that says so."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise StoppedError from interrupt


def exit_code(result: Result) -> ExitCode:
    """Return the exit code that tells a shell how a run went."""
    if result.interrupted:
        return ExitCode.INTERRUPTED
    if result.error is not None:
        return ExitCode.FAILED
    return read_code(result)
