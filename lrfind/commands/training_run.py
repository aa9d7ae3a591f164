"""From a config to a result, as every command that trains does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lrfind.config.schema import Config
from lrfind.errors import ExitCode
from lrfind.output.formats import suggestion_exit_code
from lrfind.output.progress import loading, watched
from lrfind.output.run_files import RunFiles
from lrfind.output.streams import console_for_people, stdout_for_result, tell
from lrfind.pipeline import read_config, run
from lrfind.records.types import Result
from lrfind.training.distributed.launch import is_first

Flag = tuple[str, Any]
"""A flag of the command line that sets a config key, and its value."""


def config_named(config: str | None, name: str | None) -> str | None:
    """Return the path of a config that Hydra's `--config-name` names, in the folder `config` or beside that file."""
    if config is None or name is None:
        return config
    folder = Path(config) if Path(config).is_dir() else Path(config).parent
    return str(folder / (name if name.endswith(".yaml") else f"{name}.yaml"))


def checked_config(path: Path, overrides: Sequence[str], flags: Mapping[str, Flag], *, quiet: bool = False) -> Config:
    """Return the config, after checking all that can be checked before a long run.

    Args:
        path: The config.
        overrides: Each `key=value`.
        flags: Each flag, by config key; one with the value None was not given.
        quiet: Show nothing meanwhile, as on no terminal.
    """
    given = {key: flag for key, flag in flags.items() if flag[1] is not None}
    with stdout_for_result(), loading(console_for_people(), quiet=quiet):
        return read_config(path, overrides, given)


def sweep(config: Config, source: str, *, quiet: bool, files: RunFiles | None = None) -> Result:
    """Run the pipeline, show people how it goes, and keep what it has measured in `files`."""
    people = console_for_people()
    with stdout_for_result(), watched(people, quiet=quiet or not is_first()) as observer:
        return run(config, source, replace(observer, on_measured=files.keep) if files else observer)


def exit_code(result: Result) -> ExitCode:
    """Return the exit code that tells a shell how a run went."""
    if result.interrupted:
        return ExitCode.INTERRUPTED
    if result.error is not None:
        return ExitCode.FAILED
    return suggestion_exit_code(result)


def tell_interrupt(result: Result, *, quiet: bool) -> None:
    """Say on stderr that a run was interrupted, and after how many updates."""
    if result.interrupted and not quiet:
        updates = sum(len(each.losses) for each in result.sweeps) + sum(len(each.losses) for each in result.probes)
        tell(f"lrfind: interrupted after {updates} steps; what was measured is kept")
