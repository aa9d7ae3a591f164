"""`lrfind run` on several configs: one after the other, each in its own process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from lrfind.commands.finished_runs import FinishedRun, failure, table, worst
from lrfind.commands.training_run import Flag
from lrfind.config.load import load_config
from lrfind.errors import ConfigError, ExitCode, Fault, LrfindError, interrupts, visible
from lrfind.output.curve import format_lr
from lrfind.output.files import record_path
from lrfind.output.formats import Format, print_parts
from lrfind.output.streams import print_result, tell
from lrfind.records.json_format import dumps

OUTCOME = "--outcome"
"""The hidden flag that names the file for the JSON document of a process."""


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the configs among the arguments of a run, and the overrides.

    An existing path is a config, and so is a name that ends in .yaml or .yml and holds no `=`. All others are
    overrides: their reader says what an override looks like. If no argument is a config, the first one is taken as one.
    """
    places = [index for index, argument in enumerate(arguments) if _is_config(argument)] or [0]
    configs = [str(Path(arguments[index])) for index in places]
    return configs, [argument for index, argument in enumerate(arguments) if index not in places]


def _is_config(argument: str) -> bool:
    return os.path.exists(argument) or (  # noqa: PTH110 - Path raises on what no file can be called
        "=" not in argument and argument.endswith((".yaml", ".yml"))
    )


def run_all(
    configs: Sequence[str],
    overrides: Sequence[str],
    flags: Mapping[str, Flag],
    form: Format,
    passed: Sequence[str],
    *,
    quiet: bool,
    dry_run: bool,
) -> ExitCode:
    """Run the configs, print each result as soon as it is known, and return the worst exit code.

    Args:
        configs: In the order to run them.
        overrides: Each `key=value`; for all of them.
        flags: The flags that set config keys, by key; for all of them.
        form: What to print.
        passed: Other flags, with their values; for all of them.
        quiet: Whether to print nothing but results and errors.
        dry_run: Whether to train one step only.

    Raises:
        ConfigError: Two configs would write to the same place.
        OutputError: stdout cannot be written.
    """
    if not dry_run:
        _check_places(configs, overrides, flags)
    options = [flag if value is True else f"{flag}={value}" for flag, value in flags.values()]
    options += [*passed, f"--format={form}", *["--quiet"] * quiet, *["--dry-run"] * dry_run]
    runs: list[FinishedRun] = []
    with _Child() as child, tempfile.TemporaryDirectory(prefix="lrfind-") as folder:
        for number, config in enumerate(configs, 1):
            heading = f"== {visible(config)} ({number} of {len(configs)})"
            on_terminal = form == "text" and sys.stdout.isatty()
            if form == "text" and not print_result("\n" * (number > 1) + heading):
                break
            if not (quiet or on_terminal):
                tell(heading)
            file = Path(folder, str(number))
            code = child.run(["run", *options, f"{OUTCOME}={file}", "--", config, *overrides], form)
            runs.append(_finished(config, code, file))
            if not _print(runs[-1], form) or child.stopped:
                break
    if form == "text":
        print_result("")
        print_parts(table(runs))
    return ExitCode.INTERRUPTED if child.stopped else worst(runs)


def _check_places(configs: Sequence[str], overrides: Sequence[str], flags: Mapping[str, Flag]) -> None:
    """Check that each config writes to its own place.

    Configs that cannot be read are skipped: they write nothing, and their own runs report the faults.

    Raises:
        ConfigError: Two configs would write to the same place.
    """
    taken: dict[Path, str] = {}
    for config in configs:
        try:
            folder = load_config(Path(config), overrides, flags).output.dir
        except LrfindError:
            continue
        place = record_path(Path(folder).resolve() / Path(config).stem)
        if place in taken:
            problem = f"would write {place.name} to the same folder as {taken[place]}"
            fix = "rename one, give each its own output.dir, or run them one by one with --out"
            raise ConfigError(config, [Fault(problem=problem, fix=fix)])
        taken[place] = config


class _Child:
    """The process that runs. It gets the signals to stop, and after one no other is started."""

    def __init__(self) -> None:
        self.stopped = False
        self._process: subprocess.Popen[bytes] | None = None
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> _Child:
        for number in interrupts.END:
            self._handlers[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def run(self, arguments: Sequence[str], form: Format) -> int:
        """Run `lrfind`, which shares stdout only if it prints text, and return its exit code, or minus its signal."""
        stdout = None if form == "text" else subprocess.DEVNULL
        own_end = interrupts.end_with_parent if os.name == "posix" else None
        with subprocess.Popen([*_command(), *arguments], stdout=stdout, preexec_fn=own_end) as self._process:
            if self.stopped:  # just before there was a process to tell
                self._process.terminate()
            return self._process.wait()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
        if self._process is not None and (number != signal.SIGINT or not _from_terminal()):
            self._process.send_signal(number)


def _command() -> list[str]:
    """Return the command that started this process, without its arguments: `-m` would add a folder to the path."""
    script = Path(sys.argv[0])
    return [sys.executable, str(script)] if script.name == "lrfind" else [sys.executable, "-m", "lrfind"]


def _from_terminal() -> bool:
    """Tell whether Ctrl-C came from a terminal, which sends it to the other process as well."""
    try:
        with Path("/dev/tty").open("rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def _finished(config: str, ended: int, file: Path) -> FinishedRun:
    """Return how a process ended, with the document that it left if there is one."""
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError):
        document = None
    if document is not None and ended in set(ExitCode):
        return FinishedRun(config, ExitCode(ended), document)
    stopped = ended == ExitCode.INTERRUPTED or -ended in interrupts.END
    code = ExitCode.INTERRUPTED if stopped else ExitCode.FAILED
    how = f"was ended by {signal.Signals(-ended).name}" if ended < 0 else f"ended with exit code {ended}"
    problem = f"the process {how}" + " before it could say why" * (document is None)
    tell(f"lrfind: {config}: {problem}")
    return FinishedRun(config, code, document or failure(config, code, problem))


def _print(run: FinishedRun, form: Format) -> bool:
    """Print what the process did not print itself; return whether anyone still reads stdout."""
    if form == "json":
        return print_result(dumps(run.document, line=True))
    lr = run.document.get("suggested_lr")
    if form == "lr" and lr is not None:
        return print_result(f"{visible(run.config)}\t{format_lr(lr)}")
    return True
