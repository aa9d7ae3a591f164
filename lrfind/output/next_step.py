"""What to do with a result: the place to change, or the command to run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from lrfind.output.curve import format_lr
from lrfind.records.facts import ScriptFacts
from lrfind.records.types import Result, StopReason

_VALUE = re.compile(r"(?P<name>[^=]*=)?(?P<number>[-+0-9.eE]+)")
"""An argument that is a number, or gives one: `0.1`, `--lr=0.1`, `optimizer.lr=0.1`."""


def next_step(result: Result) -> str:
    """Return what to do next, in a line."""
    lr = result.analysis.suggested_lr
    if lr is None:
        interrupted = result.sweep.stop_reason is StopReason.INTERRUPTED
        return "run again, to the end" if interrupted else "change what the message above names, and run again"
    if result.script is not None:
        return (
            tuned_command(result.script, lr) or place_to_change(result.script, lr) or f"train with lr={format_lr(lr)}"
        )
    if (result.settings or result.config).get("train", {}).get("schedule") == "onecycle":  # which sets every LR itself
        return f"train with OneCycleLR(optimizer, max_lr={format_lr(lr)}, ...)"
    if "optimizer" not in result.config:  # a curve that was recorded elsewhere
        return f"train with lr={format_lr(lr)}"
    optimizer = result.config.get("optimizer", {})
    if optimizer is None:  # a LightningModule has its own
        return f"train with lr={format_lr(lr)}, set in configure_optimizers"
    target = optimizer.get("_target_") if isinstance(optimizer, dict) else None
    return f"train with optimizer.lr={format_lr(lr)}" + (f", the lr of {target}" if target else "")


def place_to_change(script: ScriptFacts, lr: float) -> str:
    """Return the line of a script that sets its learning rate, and what to write there; "" if it is unknown."""
    if not script.line or script.lr is None:
        return ""
    place = f"{Path(script.file).name} line {script.line}"
    name = script.setting.rpartition("(")[2]
    if script.through:
        return f"{place}: the learning rate that {script.through} gets there, {script.lr:g} -> {format_lr(lr)}"
    return f"{place}: {script.setting}={script.lr:g}) -> {name}={format_lr(lr)}"


def tuned_command(script: ScriptFacts, lr: float) -> str:
    """Return the command that trains with a learning rate; "" if none of the script's arguments seems to set it."""
    args = tuned_args(script, lr)
    if args is None:
        return ""
    return shlex.join(["python", *(["-m"] if script.is_module else []), script.target, *args])


def tuned_args(script: ScriptFacts, lr: float) -> list[str] | None:
    """Return the arguments of a script with another learning rate: where its value stands, or by the option for it."""
    args, places = list(script.args), [index for index, arg in enumerate(script.args) if _gives(arg, script.lr)]
    if len(places) == 1:
        match = _VALUE.fullmatch(args[places[0]])
        args[places[0]] = f"{(match and match['name']) or ''}{format_lr(lr)}"
        return args
    return [*args, script.option, format_lr(lr)] if script.option and not places else None


def _gives(arg: str, lr: float | None) -> bool:
    match = _VALUE.fullmatch(arg)
    try:
        return match is not None and lr is not None and float(match["number"]) == lr
    except ValueError:
        return False
