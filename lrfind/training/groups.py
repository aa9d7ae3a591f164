"""The parameter groups of an optimizer: built from the names of parameters, and their learning rates in a sweep."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn

from lrfind.errors import Fault, MisfitError, some
from lrfind.records.types import Group


@dataclass(frozen=True)
class Selection:
    """The parameters of one group.

    Attributes:
        name: Name of the group.
        pattern: Regular expression; it matches anywhere in the names of its parameters.
        options: What the group sets for its optimizer, such as `lr` or `weight_decay`. Two keys are lrfind's:
            `lr_scale`, the group's learning rate over the swept one, and `fixed_lr`, true for a group that keeps its
            `lr`.
    """

    name: str
    pattern: str
    options: Mapping[str, Any]


def named_parameters(model: nn.Module, loss: Any = None) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters of a model and then those that its loss has of its own, these as `loss.NAME`."""
    named = list(model.named_parameters())
    if not isinstance(loss, nn.Module):
        return named
    own = {id(parameter) for _, parameter in named}
    return named + [(f"loss.{name}", each) for name, each in loss.named_parameters() if id(each) not in own]


def freeze(named: Sequence[tuple[str, nn.Parameter]], patterns: Sequence[str]) -> None:
    """Stop training the parameters whose names match a pattern.

    Raises:
        MisfitError: A pattern matches no name.
    """
    matches = {pattern: [each for name, each in named if re.search(pattern, name)] for pattern in patterns}
    for parameter in chain.from_iterable(matches.values()):
        parameter.requires_grad_(False)
    for pattern, parameters in matches.items():
        if not parameters:
            raise _no_match("train.freeze", pattern, named)


def make_groups(
    named: Sequence[tuple[str, nn.Parameter]], selections: Sequence[Selection], *, split_decay: bool
) -> list[dict[str, Any]]:
    """Return the groups of the trainable parameters, each in its first selection.

    Parameters that no selection takes form the first group, `default`; those of the loss the last one, `loss`. Every
    group lists its parameters in the order of the model.

    Args:
        named: From `named_parameters`.
        selections: In order of precedence.
        split_decay: Whether to keep biases and norms (names that end in `bias`, and parameters of at most one
            dimension) from weight decay, in groups of their own.

    Raises:
        MisfitError: A selection takes no parameter.
    """
    rest = Selection("default", "", {})
    every = [*selections, Selection("loss", r"^loss\.", {})]
    chosen: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in named:
        if parameter.requires_grad:
            index = next((i for i, selection in enumerate(every) if re.search(selection.pattern, name)), -1)
            spared = split_decay and (parameter.ndim < 2 or name.endswith("bias"))
            chosen.setdefault((index, spared), []).append(parameter)
    for index, selection in enumerate(selections):
        if not {(index, False), (index, True)} & chosen.keys():
            raise _no_match("param_groups", selection.pattern, named)
    groups = []
    for (index, spared), parameters in sorted(chosen.items(), key=itemgetter(0)):
        selection = rest if index < 0 else every[index]
        group = {"params": parameters, "name": selection.name, "lr_scale": 1.0, **selection.options}
        groups.append(group | {"name": f"{selection.name} (no decay)", "weight_decay": 0.0} if spared else group)
    return groups


def _no_match(key: str, pattern: str, named: Sequence[tuple[str, nn.Parameter]]) -> MisfitError:
    names = some([name for name, parameter in named if parameter.requires_grad])
    expected, got = "a pattern that matches the name of a parameter", f"{pattern!r}; not matched yet: {names}"
    return MisfitError(Fault(key, expected=expected, got=got))


def describe_groups(optimizer: torch.optim.Optimizer) -> tuple[Group, ...]:
    """Return the groups of an optimizer by their learning rates, which no sweep must have set yet."""
    groups = optimizer.param_groups
    given = [group.get("name", f"group {i}" if len(groups) > 1 else "default") for i, group in enumerate(groups)]
    names = getattr(optimizer, "group_names", given)
    return tuple(
        Group(
            name=str(name),
            lr_scale=None if group.get("fixed_lr") else scale,
            fixed_lr=float(group["lr"]) if group.get("fixed_lr") else None,
        )
        for name, group, scale in zip(names, groups, group_scales(groups), strict=True)
    )


def group_scales(groups: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the learning rate of each group over the swept one, which is that of the first swept group.

    A group's own `lr_scale` comes first, as in timm, whose layer-wise decay puts it beside an `lr` that all share.
    """
    lrs, reference = _given_lrs(groups), reference_lr(groups)
    ratios = [lr / reference for lr in lrs] if reference > 0 else [1.0] * len(lrs)
    return [float(group.get("lr_scale", ratio)) for group, ratio in zip(groups, ratios, strict=True)]


def reference_lr(groups: Sequence[Mapping[str, Any]]) -> float:
    """Return the learning rate that a sweep takes the place of: that of the first swept group, or of the highest."""
    swept = [lr for lr, group in zip(_given_lrs(groups), groups, strict=True) if not group.get("fixed_lr")]
    return swept[0] or max(swept) if swept else 0.0


def _given_lrs(groups: Sequence[Mapping[str, Any]]) -> list[float]:
    lrs = [float(group["lr"]) for group in groups]
    # If all are 0, the warm-up of a scheduler has not begun; the groups keep its target.
    return lrs if any(lrs) else [float(group.get("initial_lr", 0)) for group in groups]


def set_lr(group: dict[str, Any], name: str, lr: float) -> None:
    """Set a learning rate of a group, in place if it is a tensor."""
    if isinstance(group[name], Tensor):
        group[name].fill_(lr)
    else:
        group[name] = lr


class GroupRates:
    """Sets the learning rates of an optimizer, and of one inside it: all groups at their ratios to the swept one."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        for group in optimizer.param_groups:
            if isinstance(group["lr"], Tensor):  # groups built without an lr share one tensor
                group["lr"] = group["lr"].clone()
        self._swept = [
            (group, scale)
            for groups in _layers(optimizer)
            for group, scale in zip(groups, group_scales(groups), strict=True)
            if not group.get("fixed_lr")
        ]

    def set(self, lr: float) -> None:
        """Set every group that is swept to its multiple of `lr`, in place if it is a tensor."""
        for group, scale in self._swept:
            set_lr(group, "lr", scale * lr)


def _layers(optimizer: Any) -> Iterator[list[dict[str, Any]]]:
    """Yield the groups of an optimizer, and of the optimizers inside it; those may be the same groups or copies."""
    while isinstance(optimizer, torch.optim.Optimizer):
        yield optimizer.param_groups
        optimizer = getattr(optimizer, "optimizer", None) or getattr(optimizer, "base_optimizer", None)
