"""A scheduler as Python code that runs, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lrfind.output.curve import format_lr
from lrfind.output.names import printable
from lrfind.records.types import Result
from lrfind.schedule.expressions import Imports
from lrfind.schedule.kinds import KINDS
from lrfind.schedule.loop import loop_blocks
from lrfind.schedule.parts import PER_GROUP
from lrfind.schedule.scheduler import MODULE, Length, Node, Scheduler
from lrfind.schedule.trainers import lightning_blocks, transformers_blocks
from lrfind.schedule.training import Training, digits, training_of


def code(name: str, scheduler: Scheduler, length: Length, result: Result) -> str:
    """Return a module that trains as the record says, with that schedule.

    It takes the number of updates from the mini-batches that it is given. What the record does not hold, such as the
    optimizer of a script, is an argument.

    Raises:
        RecordError: The record is at fault, or describes what the code cannot do.
    """
    training = training_of(result)
    imports = Imports()
    if training.trainer == "transformers":
        blocks = list(transformers_blocks(training, scheduler, imports))
    elif training.trainer:
        blocks = list(lightning_blocks(training, scheduler, imports))
    else:
        blocks = list(loop_blocks(training, scheduler, imports))
    heading = [f"# lrfind, {name} schedule: {printable(result.title)}"]
    heading += [f"# {note}" for note in _notes(name, scheduler, length, training)]
    constants = [f"EPOCHS = {length.epochs}"]
    if training.config.train.accumulate > 1 and not training.trainer:
        constants.append(f"ACCUMULATE = {training.config.train.accumulate}  # mini-batches of an update")
    top = "\n".join([*heading, *imports.lines(), "", *constants])
    return "\n\n\n".join(block.strip("\n") for block in (top, *blocks)) + "\n"


def document(name: str, scheduler: Scheduler, length: Length, result: Result) -> dict[str, Any]:
    """Return class and arguments of scheduler and optimizer, and when to call `step()`, in JSON types.

    Raises:
        RecordError: The record is at fault, or describes what no code can do.
    """
    config = training_of(result).config
    node = None
    if config.optimizer is not None:
        arguments = {
            key: value for key, value in config.optimizer.items() if key not in ("_target_", "_partial_", "lr")
        }
        node = {"class": config.optimizer["_target_"], "arguments": {"lr": scheduler.lr, **arguments}}
    return {
        "scheduler": name,
        **_json(scheduler, scheduler.node, result),
        "step": scheduler.per,
        "epochs": length.epochs,
        "steps_per_epoch": length.steps,
        "optimizer": node,
        "group_lrs": {group.name: digits(group.lr(scheduler.lr)) for group in result.groups},
    }


def _json(scheduler: Scheduler, node: Node, result: Result) -> dict[str, Any]:
    arguments = dict(node.arguments)
    if "schedulers" in arguments:
        arguments["schedulers"] = [_json(scheduler, part, result) for part in arguments["schedulers"]]
    if len(result.groups) > 1:
        shares = {key: arguments[key] / scheduler.lr for key in PER_GROUP if key in arguments}
        arguments |= {
            key: [digits(group.lr(scheduler.lr) * share) for group in result.groups] for key, share in shares.items()
        }
    return {"class": f"{MODULE}.{node.name}", "arguments": arguments}


def _notes(name: str, scheduler: Scheduler, length: Length, training: Training) -> Iterator[str]:
    """Yield what a reader should know beside the code."""
    config, script = training.config, training.result.script
    updates = f"{length.total} updates, {length.epochs} epochs of {length.steps}"
    yield f"The learning rate {format_lr(scheduler.lr)} is for {updates}; the code counts its own."
    if KINDS[name].after:
        yield f"Training on after them: {KINDS[name].after}."
    if script:
        place = f"{printable(script.setting)}, {printable(script.file)}:{script.line}"
        yield f"In {printable(script.target)}, {place} sets it; step the scheduler there after every {scheduler.per}."
    if config.train.checkpoint:
        yield f"The model starts from the weights in {printable(config.train.checkpoint)}."
    kind = {"ddp": ", in DistributedDataParallel", "fsdp": ", sharded by fully_shard"}.get(config.parallel or "", "")
    if kind or config.train.world_size > 1:
        yield f"In every process: `model` is the model of all{kind}, `batches` the mini-batches of this process."
