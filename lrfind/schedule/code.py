"""A scheduler as Python code that runs, and as JSON."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lrfind.output.curve import format_lr
from lrfind.output.names import printable
from lrfind.records.types import Result
from lrfind.schedule.kinds import MODULE, Length, Node, Scheduler

_ANY_OPTIMIZER = "torch.optim.SGD"

_CODE = '''\
{heading}
{imports}

EPOCHS, STEPS_PER_EPOCH = {epochs}, {steps}  # {unit}


def configure(model):
    """Return the optimizer and the scheduler for `model`."""
{notes}    optimizer = {optimizer}
    scheduler = {scheduler}
    return optimizer, scheduler


{train}
'''

_TRAIN = '''\
def train(model, batches, loss{argument}):
    """Train `model` for EPOCHS epochs on `batches`: STEPS_PER_EPOCH pairs of input and target.{explained}"""
    optimizer, scheduler = configure(model)
    for _ in range(EPOCHS):
        for x, y in batches:
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optimizer.step()
{step}'''

_VALIDATE = """

    `validate(model)` returns the validation loss.
    """


def code(name: str, scheduler: Scheduler, length: Length, result: Result) -> str:
    """Return a module that sets up optimizer and scheduler, and shows where to call `step()`."""
    target, arguments = _optimizer(result)
    module, _, optimizer = target.rpartition(".")
    schedulers = sorted({node.name for node in _nodes(scheduler.node)})
    imports = [f"from {module} import {optimizer}", f"from {MODULE} import {', '.join(schedulers)}"]
    return _CODE.format(
        heading=f"# lrfind, {name} schedule: {printable(result.title)}",
        imports="\n".join(imports),
        epochs=length.epochs,
        steps=length.steps,
        unit=_unit(result),
        notes="".join(f"    # {note}\n" for note in _notes(scheduler, result)),
        optimizer=f"{optimizer}(model.parameters(), {_keywords({'lr': scheduler.lr, **arguments})})",
        scheduler=_call(scheduler.node),
        train=_train(scheduler),
    )


def _train(scheduler: Scheduler) -> str:
    """Return the loop, with `step()` where the scheduler wants it."""
    depth = 12 if scheduler.per == "update" else 8
    watches = scheduler.node.name == "ReduceLROnPlateau"
    return _TRAIN.format(
        argument=", validate" if watches else "",
        explained=_VALIDATE if watches else "",
        step=f"{' ' * depth}scheduler.step({'validate(model)' if watches else ''})  # after every {scheduler.per}",
    )


def document(name: str, scheduler: Scheduler, length: Length, result: Result) -> dict[str, Any]:
    """Return class and arguments of scheduler and optimizer, and when to call `step()`, in JSON types."""
    target, arguments = _optimizer(result)
    return {
        "scheduler": name,
        **_json(scheduler.node),
        "step": scheduler.per,
        "epochs": length.epochs,
        "steps_per_epoch": length.steps,
        "optimizer": {"class": target, "arguments": {"lr": scheduler.lr, **arguments}},
        "group_lrs": {group.name: group.lr(scheduler.lr) for group in result.groups},
    }


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for part in node.arguments.get("schedulers", ()):
        yield from _nodes(part)


def _json(node: Node) -> dict[str, Any]:
    arguments = dict(node.arguments)
    if "schedulers" in arguments:
        arguments["schedulers"] = [_json(part) for part in arguments["schedulers"]]
    return {"class": f"{MODULE}.{node.name}", "arguments": arguments}


def _call(node: Node) -> str:
    if "schedulers" not in node.arguments:
        return f"{node.name}(optimizer, {_keywords(node.arguments)})"
    parts = "".join(f"            {_call(part)},\n" for part in node.arguments["schedulers"])
    rest = {key: value for key, value in node.arguments.items() if key != "schedulers"}
    return (
        f"{node.name}(\n        optimizer,\n        schedulers=[\n{parts}        ],\n        {_keywords(rest)},\n    )"
    )


def _keywords(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_literal(value)}" for key, value in arguments.items())


def _literal(value: Any) -> str:
    """Return the Python literal of a value in JSON types; a sequence of an optimizer's is a tuple, such as betas."""
    return repr(tuple(value)) if isinstance(value, list) and any(isinstance(i, float) for i in value) else repr(value)


def _optimizer(result: Result) -> tuple[str, dict[str, Any]]:
    """Return the class of the config's optimizer, and its arguments but for the learning rate.

    An argument without a literal is left out, and `_notes` names it.
    """
    node = _optimizer_node(result)
    if node is None:
        return _ANY_OPTIMIZER, {}
    plain = {key: value for key, value in node.items() if _is_literal(key, value) and key != "lr"}
    return node["_target_"], plain


def _optimizer_node(result: Result) -> Mapping[str, Any] | None:
    node = result.config.get("optimizer")
    target = node.get("_target_") if isinstance(node, Mapping) else None
    return node if isinstance(target, str) and re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", target) else None


def _is_literal(key: str, value: Any) -> bool:
    is_name = key.isidentifier() and not keyword.iskeyword(key) and not key.startswith("_")
    items = value if isinstance(value, list) else [value]
    plain = all(item is None or isinstance(item, (bool, int, float, str)) for item in items)
    return is_name and plain and all(math.isfinite(item) for item in items if isinstance(item, float))


def _notes(scheduler: Scheduler, result: Result) -> Iterator[str]:
    """Yield what the code does not hold, as comments."""
    node = _optimizer_node(result)
    if node is None:
        yield "The record does not say which optimizer was swept: put that one here."
    else:
        left_out = [
            key for key, value in node.items() if key not in ("_target_", "_partial_") and not _is_literal(key, value)
        ]
        if left_out:
            yield f"Left out, as of the config: {printable(', '.join(left_out))}."
    if len(result.groups) > 1:
        lrs = ", ".join(f"{printable(group.name)} {format_lr(group.lr(scheduler.lr))}" for group in result.groups)
        yield f"The config has parameter groups; their lr here: {lrs}."
        if "max_lr" in scheduler.node.arguments:
            yield "The scheduler takes a list of them, one for each group, for every lr in its arguments."


def _unit(result: Result) -> str:
    train = result.config.get("train")
    accumulate = train.get("accumulate") if isinstance(train, Mapping) else None
    each = f", of {accumulate} mini-batches each" if isinstance(accumulate, int) and accumulate > 1 else ""
    return f"a step is an update of the weights{each}"
