"""The schedule of a suggestion for the Python API: a scheduler of PyTorch, or the code of a training."""

from __future__ import annotations

import sys
from typing import Any

from lrfind.analysis.recorded import for_length
from lrfind.errors import Fault, LrfindError
from lrfind.records.types import Result
from lrfind.schedule.code import code
from lrfind.schedule.kinds import KINDS, set_up
from lrfind.schedule.learning_rates import learning_rates
from lrfind.schedule.parts import PER_GROUP
from lrfind.schedule.scheduler import MODULE, Length, Node, Scheduler
from lrfind.settings import listed


def schedule(result: Result, name: str, optimizer: Any, epochs: int, steps_per_epoch: int) -> Any:
    """Return a scheduler for an optimizer, whose learning rates are set; for None, the code of the training.

    The learning rate is that for a training of so many updates.

    Raises:
        LrfindError: The name is unknown, no learning rate is suggested, or the groups are not those that were swept.
        RecordError: The code cannot do what the record describes.
    """
    if name not in KINDS:
        raise LrfindError(Fault("name", expected=f"one of {listed(KINDS)}", got=repr(name)))
    length = Length(epochs, steps_per_epoch)
    result = for_length(result, length.total)
    rates = learning_rates(result)
    if rates is None:
        raise LrfindError(Fault("schedule", problem=f"no learning rate is suggested: {result.analysis.message}"))
    scheduler = set_up(name, rates, length)
    return code(name, scheduler, length, result) if optimizer is None else _made(result, scheduler, optimizer)


def _made(result: Result, scheduler: Scheduler, optimizer: Any) -> Any:
    groups, swept = optimizer.param_groups, [group.lr(scheduler.lr) for group in result.groups]
    if len(groups) != len(swept):
        expected = f"the {len(swept)} parameter groups that were swept"
        raise LrfindError(Fault("optimizer", expected=expected, got=str(len(groups))))
    if any(group.fixed_lr is not None for group in result.groups):
        problem = "has a group with a fixed learning rate, which a scheduler would change"
        raise LrfindError(Fault("optimizer", problem=problem, fix="leave optimizer out, and take the code"))
    for group, lr in zip(groups, swept, strict=True):
        group["lr"] = group["initial_lr"] = lr
    return _built(scheduler.node, scheduler.lr, optimizer)


def _built(node: Node, lr: float, optimizer: Any) -> Any:
    arguments = dict(node.arguments)
    if parts := arguments.get("schedulers"):
        arguments["schedulers"] = [_built(part, lr, optimizer) for part in parts]
    for key in PER_GROUP:
        if key in arguments:
            arguments[key] = [group["initial_lr"] * arguments[key] / lr for group in optimizer.param_groups]
    return getattr(sys.modules[MODULE], node.name)(optimizer, **arguments)  # loaded with the optimizer
