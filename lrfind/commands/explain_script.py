"""`lrfind explain` on a training script."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from lrfind.commands.record_files import RecordFile
from lrfind.commands.script_command import ScriptOptions, script_runner
from lrfind.errors import SCRIPT, ConfigError, Fault, LrfindError
from lrfind.explain.config import TRUST
from lrfind.explain.interpretation import interpret
from lrfind.explain.trainings import train_at
from lrfind.explain.types import Explanation
from lrfind.observer import Observer
from lrfind.output.progress import watched
from lrfind.output.script_output import ScriptOutput
from lrfind.output.streams import console_for_people
from lrfind.records.types import Result
from lrfind.scripts.job import PAGE, Script, check_script
from lrfind.workloads.from_script import ScriptWorkload


def recorded_script(source: RecordFile, name: str, *, trusted: bool) -> Script | None:
    """Return the script of a record, where it lies now: as named, or as far from the record as from the run.

    Args:
        source: The record.
        name: Its name, for error messages.
        trusted: Whether the user trusts it: a module with arguments, such as `timeit`, runs any code.

    Raises:
        ConfigError: The record has one, but is not trusted, or there is no such file.
    """
    facts = source.result.script
    if facts is None:
        return None
    if not trusted:
        command = Script(facts.target, facts.args, facts.is_module).command()
        fix = f"add {TRUST} if you trust it, or name the script yourself: lrfind explain TRAIN.py -- ARGS"
        fault = Fault(TRUST, problem=f"the record is of a script, and would run `{command}`", fix=fix, docs=PAGE)
        raise ConfigError(name, [fault])
    places = (Path(facts.target), source.folder / facts.target)
    existing = [str(place) for place in places if facts.is_module or os.path.isfile(place)]  # noqa: PTH113 - any text
    if not existing:
        where = " or ".join(map(str, dict.fromkeys(places)))
        fault = Fault("RECORD", expected="the script of the run", got=f"no file at {where}", fix="go to its folder")
        raise ConfigError(source.name, [replace(fault, docs=PAGE)])
    return Script(facts.target if facts.is_module else existing[0], facts.args, facts.is_module)


def explain_script(
    script: Script,
    result: Result | None,
    lr: float | None,
    factor: float,
    steps: int,
    options: ScriptOptions,
    *,
    quiet: bool,
) -> Explanation:
    """Train with a script at a learning rate, and that far below and above it.

    Args:
        script: What is run.
        result: The record of its search; None without one.
        lr: The learning rate; None means that of the script.
        factor: How far the others are from it.
        steps: Updates of each.
        options: What the command line says of the script.
        quiet: Whether to show nothing but faults.

    Raises:
        LrfindError: The script cannot be trained, or fails at the learning rate.
        KeyboardInterrupt: The user interrupted it before anything was measured.
    """
    check_script(script)
    people = console_for_people()
    runner = script_runner(script, ScriptOutput(people, quiet=quiet), options)
    workload = ScriptWorkload(settings=options.settings(), script=script, choice=options.choice(), runner=runner)
    try:
        with watched(people, quiet=quiet, words=SCRIPT) as observer:
            alpha = lr if lr is not None else _own_lr(workload)
            trainings, _ = train_at(lambda: workload, (alpha, alpha / factor, alpha * factor), steps, observer)
    except LrfindError as error:
        error.words = SCRIPT
        raise
    given = result is None or lr != result.analysis.constant_lr
    return interpret(result, alpha, trainings, workload.title, given=given, source=script.source)


def _own_lr(workload: ScriptWorkload) -> float:
    """Return the learning rate that a script trains with, which shows at its first update.

    Raises:
        LrfindError: It makes none, or trains with 0.
    """
    if not workload.train(workload.ladder(1), Observer()).losses:
        raise KeyboardInterrupt
    own = workload.facts.lr
    if not own:
        fault = Fault("--lr", expected="a learning rate", got="none, as the script trains with 0", fix="name one")
        raise ConfigError("lrfind explain", [fault])
    return own
