"""`lrfind run` on a training script."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import typer

from lrfind.commands.destinations import Destination, write_to
from lrfind.commands.training_run import Flag, exit_code, tell_interrupt
from lrfind.commands.trial import show_trial
from lrfind.errors import SCRIPT, ConfigError, ExitCode, Fault, LrfindError, interrupts
from lrfind.errors.setting_names import KEYS
from lrfind.observer import Observer
from lrfind.output.formats import Format, PlotFormat, check_places, show
from lrfind.output.look import Look
from lrfind.output.progress import watched
from lrfind.output.run_files import RunFiles
from lrfind.output.script_output import ScriptOutput
from lrfind.output.streams import console_for_people, tell
from lrfind.records.types import Result
from lrfind.script import choice_of, search_script
from lrfind.scripts.job import PAGE, Job, Script, check_script
from lrfind.scripts.process import become
from lrfind.scripts.runner import LoneRunner, Runner
from lrfind.settings import Settings, listed, settings_of
from lrfind.training.distributed.launch import is_alone, is_first, read_launch
from lrfind.workloads.from_script import Choice, ScriptWorkload


@dataclass(frozen=True)
class ScriptOptions:
    """What the command line says of a script and its search.

    Attributes:
        given: The settings that were given, as texts, by their names as arguments of `find_lr`.
        optimizer: As of `lrfind.run_script`.
        loss: As of `lrfind.run_script`.
        apply: Whether to train with the answer afterwards.
        lr: The learning rate to train with, without a search.
        copies: Whether each training runs in a copy of the current folder.
    """

    given: Mapping[str, Any]
    optimizer: str | None = None
    loss: str | None = None
    apply: bool = False
    lr: float | None = None
    copies: bool = False

    def choice(self) -> Choice:
        """Return what of the script is swept, and what was said of its training."""
        return choice_of(self.given, self.optimizer, self.loss)

    def settings(self) -> Settings:
        """Return the settings of the search.

        Raises:
            ConfigError: One of them is no number, or out of range.
        """
        try:
            return settings_of({name: _number(value) for name, value in self.given.items()}, "lrfind run")
        except ConfigError as error:
            error.words = SCRIPT
            raise


def given_settings(flags: Mapping[str, Flag]) -> dict[str, Any]:
    """Return the settings among flags, those that were given, by their names as arguments of `find_lr`."""
    return {name: flags[key][1] for name, key in KEYS.items() if key in flags and flags[key][1] is not None}


def script_of(target: str | None, module: str | None, args: Sequence[str]) -> Script | None:
    """Return the script that a command line names: a file that ends in .py, or what follows -m; None if it is none."""
    if module is not None:
        return Script(module, (*([] if target is None else [target]), *args), is_module=True)
    return Script(target, tuple(args)) if target is not None and target.endswith(".py") else None


IN_SCRIPT = "the script decides that"
NEITHER = {
    ".sh": "name the script that it runs, and the arguments behind `--`",
    ".bash": "name the script that it runs, and the arguments behind `--`",
    ".ipynb": "jupyter nbconvert --to script makes one of it",
    ".txt": "rename it if it is one of them",
    ".pyc": "name its source",
}
"""Files that people may take for what can be run, and the way out."""
IN_CONFIG = "it is for training scripts, TRAIN.py or -m MODULE"


def refuse_options(command: str, options: Mapping[str, Any], reason: str) -> None:
    """Refuse options that make no sense for what is trained.

    Raises:
        ConfigError: One or more of them were given.
    """
    given = [name for name, value in options.items() if value not in (None, False)]
    if given:
        raise ConfigError(command, [Fault(name, problem=reason, fix="drop it") for name in given])


def needed(target: str | None, command: str) -> str:
    """Return what a command is to train.

    Raises:
        ConfigError: The command line does not say, or names a file that is neither a script nor a config.
    """
    expected = "a training script (TRAIN.py, -m MODULE) or a config (.yaml, .yml)"
    if target is None:
        raise ConfigError(command, [Fault(expected=expected, got="nothing", fix=f"{command} --help shows examples")])
    kind = Path(target).suffix
    if kind in NEITHER:
        raise ConfigError(target, [Fault(expected=expected, got=f"a {kind} file", fix=NEITHER[kind], docs=PAGE)])
    return target


def search(script: Script, options: ScriptOptions, *, quiet: bool, files: RunFiles | None = None) -> Result:
    """Search the learning rate of a script, show people how it goes, and keep what was measured in `files`."""
    settings = options.settings()
    people = console_for_people()
    output = ScriptOutput(people, quiet=quiet)
    try:
        runner = script_runner(script, output, options)
        with watched(people, quiet=quiet, words=SCRIPT) as observer:
            observer = replace(observer, on_measured=files.keep) if files else observer
            return search_script(script, settings, options.choice(), runner, observer, SCRIPT)
    except LrfindError:
        if output.hidden:
            with contextlib.suppress(OSError):
                print(output.hidden.rstrip(), file=sys.stderr)  # as the script wrote it
        raise


def script_runner(script: Script, output: ScriptOutput, options: ScriptOptions) -> Runner:
    """Return what runs the script: in this process alone, or led by it, in those that torchrun has started.

    Raises:
        typer.Exit: This is another one of those, and the search is over.
    """
    if is_alone():
        return LoneRunner(output, options.copies)
    with interrupts.held():
        from lrfind.scripts.ranks import (
            join_ranks,  # loads torch, which only the processes of the script need otherwise
        )

    launch = read_launch("ddp", 1, script.source)
    assert launch is not None  # as there are several
    ranks = join_ranks(launch, output, script.source)
    if launch.rank:
        raise typer.Exit(ranks.obey(Job(script, optimizer=options.optimizer)))
    return ranks


def _number(text: Any) -> Any:
    """Return a text as the number that it writes; as it is if it writes none."""
    if not isinstance(text, str):
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def run_script(
    script: Script,
    options: ScriptOptions,
    form: Format,
    out: str | None,
    plot: str | None,
    look: Look,
    to: Sequence[Destination],
    *,
    quiet: bool,
    trial: bool,
    force: bool,
) -> ExitCode:
    """Search the learning rate of a script, save and print what was found, and train on if that is wanted."""
    if plot is not None and plot not in get_args(PlotFormat):
        raise ConfigError("lrfind run", [Fault("--plot", expected=listed(get_args(PlotFormat)), got=repr(plot))])
    options.settings()
    check_script(script)
    if options.lr is not None:
        become(script, options.lr, options.optimizer)
    if trial:
        return _try(script, options, form, quiet=quiet)
    stem = Path(out or ".") / script.stem
    if is_first():
        check_places(stem, plot or "png", force=force)
    kept = RunFiles(stem)
    result = search(script, options, quiet=quiet, files=kept)
    code = exit_code(result)
    files, fault = kept.save(result, plot or "png", look)
    tell_interrupt(result, quiet=quiet)
    show(result, form, files, look, quiet=quiet)
    if fault:
        tell(f"lrfind: {fault}")
    if not write_to(to, result, script.stem, quiet=quiet) or fault:
        return ExitCode.FAILED
    if options.apply and code is ExitCode.OK and not interrupts.stopped() and result.analysis.suggested_lr is not None:
        if form != "text":
            os.dup2(2, 1)  # stdout holds the result, and nothing else
        if (ranks := sys.modules.get("lrfind.scripts.ranks")) and ranks.Ranks.leading:
            ranks.Ranks.leading.apply(result.analysis.suggested_lr)
        become(script, result.analysis.suggested_lr, options.optimizer)
    return code


def _try(script: Script, options: ScriptOptions, form: Format, *, quiet: bool) -> ExitCode:
    """Train one update of a script, and say what a search would do."""
    settings = options.settings()
    runner = LoneRunner(ScriptOutput(console_for_people(), quiet=quiet), options.copies)
    workload = ScriptWorkload(settings=settings, script=script, choice=options.choice(), runner=runner)
    try:
        sweep = workload.train(workload.ladder(1), Observer())
    except LrfindError as error:
        error.words = SCRIPT
        raise
    if not sweep.losses:
        raise KeyboardInterrupt
    return show_trial(settings, workload.title, sweep.losses[0], form, {"source": script.source})
