"""The learning rate of a training script as it stands: the search of `lrfind run train.py`, and its Python API."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lrfind.answer import Found, Refused, answer_of
from lrfind.errors import PYTHON, LrfindError, Words
from lrfind.observer import Observer
from lrfind.output.in_python import teller, watched
from lrfind.output.script_output import ScriptOutput
from lrfind.records.types import Result
from lrfind.scripts.job import Script, check_script
from lrfind.scripts.runner import LoneRunner, Runner
from lrfind.search import search
from lrfind.settings import Settings, settings_of
from lrfind.workloads.from_script import Choice, ScriptWorkload

DOUBTFUL = 0.5
"""The most confidence in an answer from losses that do not tell how well the script trains."""


def search_script(
    script: Script, settings: Settings, choice: Choice, runner: Runner, observer: Observer, words: Words
) -> Result:
    """Sweep and probe a script, and return what that says.

    Args:
        script: What is run, again and again.
        settings: How.
        choice: What of it is swept, and what the user has said of its training.
        runner: Runs it.
        observer: Is told how the search goes.
        words: What the reader of the result calls a setting.

    Raises:
        LrfindError: There is no such script, it cannot be swept, or it fails before its second update.
        KeyboardInterrupt: The user interrupted it before anything was measured.
    """
    check_script(script)
    workload = ScriptWorkload(settings=settings, script=script, choice=choice, runner=runner)

    def whole(result: Result) -> Result:
        if workload.doubtful:
            confidence = min(result.analysis.confidence, DOUBTFUL)
            result = replace(result, analysis=replace(result.analysis, confidence=confidence))
        return replace(result, source=script.source, script=workload.facts)

    try:
        return whole(search(lambda: workload, observer.of_whole(whole), words))
    except LrfindError as error:
        error.words = words
        raise


def run_script(
    path: str | os.PathLike[str],
    args: Sequence[str] = (),
    *,
    module: bool = False,
    optimizer: str | int | None = None,
    loss: str | None = None,
    cwd_copy: bool = False,
    quiet: bool = False,
    progress: bool | None = None,
    on_note: Callable[[str], None] | None = None,
    **settings: Any,
) -> Found | Refused:
    """Find the learning rate of a training script as it stands, as `lrfind run train.py` does.

    Every sweep and probe is the script run anew, in a process of its own; nothing of it runs in this one. Its learning
    rates are set, its losses are read, and it is ended after some updates.

    Args:
        path: The script, or the dotted name of a module.
        args: Its command line, such as `["--epochs", "3"]`.
        module: Whether `path` names a module, as of `python -m`.
        optimizer: Class name, or number in the order made, of the optimizer to sweep; None sweeps all that are stepped.
        loss: Name of the loss to read if an update has several; None takes their sum.
        cwd_copy: Whether to run each training in a copy of the current folder, so that nothing the script writes there
            lasts.
        quiet: Whether to hide what the script prints, which goes to stderr.
        progress: Whether to show a progress bar on stderr; None shows one on a terminal.
        on_note: As of `lrfind.find_lr`.
        settings: Of `lrfind.find_lr`: `seed`, `num_iter`, `start_lr`, `end_lr`, `warmup_steps`, `schedule`,
            `train_steps`, `train_epochs`, `probes`, `probe_steps`, `max_probes`, `refine`, `budget`, `max_time`,
            `method`. What the script shows of its length and schedule counts unless they are given.

    Raises:
        LrfindError: The script is missing or failed, never trains, or a setting is at fault.
        TypeError: There is no such setting.
        KeyboardInterrupt: The user interrupted it.
    """
    if unknown := sorted(set(settings) - set(SETTINGS)):
        raise TypeError(f"run_script: expected settings among {', '.join(SETTINGS)}; got {', '.join(unknown)}")
    script = Script(os.fspath(path), tuple(map(str, args)), is_module=module)
    with watched(progress, teller(on_note, PYTHON)) as observer:
        result = search_script(
            script,
            settings_of(settings, "run_script"),
            choice_of(settings, None if optimizer is None else str(optimizer), loss),
            LoneRunner(ScriptOutput(quiet=quiet), copies=cwd_copy),
            observer,
            PYTHON,
        )
    return answer_of(result)


SETTINGS = (
    *("seed", "num_iter", "start_lr", "end_lr", "max_iter", "warmup_steps", "schedule", "train_steps"),
    *("train_epochs", "probes", "probe_steps", "max_probes", "refine", "budget", "max_time", "method"),
)
"""The settings of a search that make sense for a script, which decides the others itself."""


def choice_of(settings: Mapping[str, Any], optimizer: str | None, loss: str | None) -> Choice:
    """Return what of a script is swept, and what was said of its training, from the settings that were given."""
    return Choice(
        optimizer,
        loss,
        steps_given=settings.get("train_steps") is not None,
        schedule_given=settings.get("schedule") is not None,
    )
