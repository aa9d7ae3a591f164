"""The parts of printed code that all trainings share: the optimizer, its groups and the scheduler, as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lrfind.schedule.expressions import Imports, call, expression, keywords
from lrfind.schedule.scheduler import MODULE, Node, Scheduler
from lrfind.schedule.training import Training, digits

_GROUPS = '''\
GROUPS = (  # a parameter is in the first group whose pattern its name matches
{groups})


def parameter_groups(model):
    """Return the trainable parameters in groups{split}."""
    groups = {{}}
    for name, parameter in {named}:
        if parameter.requires_grad:
            settings = next(settings for pattern, settings in GROUPS if re.search(pattern, {name}))
{spared}            groups.setdefault(str(settings), {{**settings, "params": []}})["params"].append(parameter)
    return list(groups.values())
'''
_WITH_LOSS = '[*model.named_parameters(), *((f"loss.{name}", own) for name, own in loss.named_parameters())]'
_SPARED = """\
            if parameter.ndim < 2 or name.endswith("bias"):
                settings = {**settings, "weight_decay": 0.0}
"""
_FIXED = '''\
def keep_fixed_lrs(optimizer, *_):
    """Undo what a scheduler did to the groups whose learning rate is fixed."""
    for group in optimizer.param_groups:
        group["lr"] = group.get("fixed_lr", group["lr"])
'''
PER_GROUP = ("base_lr", "max_lr")
"""Arguments of schedulers that take one learning rate for each group."""


def group_blocks(training: Training, lr: float, imports: Imports) -> Iterator[str]:
    """Yield the top-level code that the parameter groups need."""
    config = training.config
    if training.has_groups:
        imports.module("re")
        groups = [(group.match, group.name or group.match, group) for group in config.param_groups]
        lines = [
            f"    ({pattern!r}, {expression(_settings(training, name, group, lr), imports)}),\n"
            for pattern, name, group in groups
        ]
        rest = {r"^loss\.": "loss"} if training.trains_loss else {}
        for pattern, name in {**rest, "": "default"}.items():
            lines.append(f"    ({pattern!r}, {expression({'name': name, 'lr': lr}, imports)}),\n")
        split = config.no_decay_on_bias_and_norm
        yield _GROUPS.format(
            groups="".join(lines),
            named=_WITH_LOSS if training.trains_loss else "model.named_parameters()",
            split="; biases and norms without weight decay" * split,
            name='name.removeprefix("module.")' if config.parallel == "ddp" else "name",
            spared=_SPARED * split,
        )
    if _fixed(training):
        yield _FIXED


def _settings(training: Training, name: str, group: Any, lr: float) -> Mapping[str, Any]:
    own = training.lr_of(group, lr)
    fixed = {} if group.fixed_lr is None else {"fixed_lr": own}
    return {"name": name, "lr": own, **fixed, **(group.model_extra or {})}


def _fixed(training: Training) -> Mapping[int, float]:
    """Return the learning rates that are fixed, by the index of their group."""
    return {i: group.fixed_lr for i, group in enumerate(training.result.groups) if group.fixed_lr is not None}


def optimizer_lines(training: Training, lr: float, imports: Imports, model: str) -> Iterator[str]:
    """Yield the lines that make `optimizer`, for the model of that name."""
    config, loop = training.config, training.loop
    if config.train.freeze:
        imports.module("re")
        named = _WITH_LOSS if training.trains_loss else f"{model}.named_parameters()"
        yield f"for name, parameter in {named}:"
        yield f"    if any(re.search(pattern, name) for pattern in {tuple(config.train.freeze)!r}):"
        yield "        parameter.requires_grad_(False)"
    assert config.optimizer is not None  # callers make sure of it
    first = f"parameter_groups({model})" if training.has_groups else f"{model}.parameters()"
    if loop and loop.optimizer_of == "model":
        first = model
    rate = {"lr": lr} if loop is None or loop.takes_lr else {}
    node = {key: value for key, value in config.optimizer.items() if key not in ("lr", "_partial_")}
    yield f"optimizer = {call(node, imports, 'optimizer', first, **rate)}"
    if loop and loop.has_mode:
        yield "optimizer.train()"
    if training.has_own_groups or not rate:
        yield from lr_lines(training, lr)
    elif _fixed(training):
        yield "optimizer.register_step_pre_hook(keep_fixed_lrs)"


def lr_lines(training: Training, lr: float) -> Iterator[str]:
    """Yield the lines that set the learning rates of the groups of `optimizer`."""
    groups = training.result.groups
    if len(groups) > 1:
        lrs = ", ".join(repr(digits(group.lr(lr))) for group in groups)
        yield f"for group, lr in zip(optimizer.param_groups, ({lrs}), strict=True):"
    else:
        yield "for group in optimizer.param_groups:"
    yield f'    group["lr"] = group["initial_lr"] = {"lr" if len(groups) > 1 else repr(lr)}'
    for index, fixed in _fixed(training).items():
        yield f'optimizer.param_groups[{index}]["fixed_lr"] = {fixed!r}'
    if _fixed(training):
        yield "optimizer.register_step_pre_hook(keep_fixed_lrs)"


def scheduler_lines(training: Training, scheduler: Scheduler, imports: Imports) -> Iterator[str]:
    """Yield the lines that make `scheduler` for a training of `total` updates."""
    for name, code in scheduler.names.items():
        yield f"{name} = {code}"
    several = len(training.result.groups) > 1 or training.config.optimizer is None
    yield from f"scheduler = {_made(scheduler.node, scheduler.lr, imports, several=several)}".split("\n")


def _made(node: Node, lr: float, imports: Imports, *, several: bool) -> str:
    name = imports.name(f"{MODULE}.{node.name}")
    parts = [_made(part, lr, imports, several=several) for part in node.arguments.get("schedulers", ())]
    plain = {key: value for key, value in node.arguments.items() if key != "schedulers"}
    code = dict(node.code)
    if several:
        code |= {key: _of_groups(plain[key] / lr) for key in PER_GROUP if key in plain}
    arguments = [
        f"{key}={code[key]}" if key in code else keywords({key: value}, imports)[0] for key, value in plain.items()
    ]
    if not parts:
        return f"{name}({', '.join(('optimizer', *arguments))})"
    listed = "".join(f"        {part},\n" for part in parts)
    return f"{name}(\n    optimizer,\n    schedulers=[\n{listed}    ],\n    {', '.join(arguments)},\n)"


def _of_groups(share: float) -> str:
    times = "" if share == 1 else f"{share!r} * "
    return f'[{times}group["lr"] for group in optimizer.param_groups]'
