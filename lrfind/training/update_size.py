"""How large the updates of an optimizer are: whether they grow with the gradient, and when they replace the weights."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from lrfind.records.facts import UNKNOWN_SIZE, UpdateSize
from lrfind.training.groups import reference_lr

_LR = 1e-3
_SIDE = 4
"""Rows and columns of the matrix that is trained: optimizers of matrices take nothing else."""

_STEPS = 50
"""Updates until one is measured: RAdam starts like SGD."""

_LATER = (200, 400)
"""Updates whose sizes tell how fast they shrink; the running mean of RMSprop has settled by then."""


def update_size(optimizer: torch.optim.Optimizer, weights: Iterable[Tensor]) -> UpdateSize:
    """Return the size of the updates of an optimizer, or of several: at the swept learning rate, the largest.

    Args:
        optimizer: Stays as it is.
        weights: What it trains. Vectors, such as biases, do not count.
    """
    parts = getattr(optimizer, "optimizers", ())
    if not parts:
        return _update_size(optimizer, weights)
    reference = reference_lr(optimizer.param_groups)
    sizes, replacing = [], []
    for part in parts:
        sizes.append(_update_size(part, [weight for group in part.param_groups for weight in group["params"]]))
        if (lr := sizes[-1].replacing_lr) is not None:
            replacing.append(lr * reference / (reference_lr(part.param_groups) or reference or 1.0))
    kinds = {size.normalized for size in sizes}
    normalized = kinds.pop() if len(kinds) == 1 else False if kinds == {True, False} else None
    return UpdateSize(normalized, min(replacing) if normalized else None, min(size.shrinks for size in sizes))


def _update_size(optimizer: torch.optim.Optimizer, weights: Iterable[Tensor]) -> UpdateSize:
    """Return the size of the updates of one optimizer.

    It is measured, not looked up: two optimizers of the same class and options train a small matrix, one with twice the
    gradient of the other.
    """
    squares = [float(weight.detach().float().square().mean()) for weight in weights if weight.ndim > 1]
    size = math.sqrt(sum(squares) / len(squares)) if squares else 0.0
    if size == 0 or not math.isfinite(size):
        size = 1.0
    optimizer = getattr(optimizer, "optimizer", optimizer)  # the one in the wrapper of Accelerate
    try:
        one, two = (_updates(optimizer, size, gradient, (_STEPS,))[0] for gradient in (1.0, 2.0))
        if one == 0:
            return UNKNOWN_SIZE
        if two / one >= 1.5:
            return UpdateSize(normalized=False)
        early, late = _updates(optimizer, size, 1.0, _LATER)
    except Exception:  # its class may need more than parameters and options
        return UNKNOWN_SIZE
    shrinks = math.log(early / late) / math.log(_LATER[1] / _LATER[0]) if early > late > 0 else 0.0
    return UpdateSize(True, _LR * size / one, round(shrinks, 2))


def _updates(optimizer: torch.optim.Optimizer, size: float, gradient: float, at: Sequence[int]) -> list[float]:
    """Return the root mean square of the updates with these numbers, of weights of that size along a fixed gradient."""
    twin, weight = _twin(optimizer, size, gradient, weight_decay=0.0)
    sizes = []
    for number in range(1, at[-1] + 1):
        before = weight.detach().clone()
        twin.step()
        if number in at:
            sizes.append(float((weight.detach() - before).square().mean().sqrt()))
    return sizes


def keeps_still(optimizer: torch.optim.Optimizer) -> bool:
    """Tell whether an optimizer changes nothing, its state included, in a step without gradients.

    It is tried out, on a small matrix.

    Args:
        optimizer: Stays as it is.
    """
    optimizer = getattr(optimizer, "optimizer", optimizer)
    try:
        twin, weight = _twin(optimizer, 1.0, 1.0, weight_decay=0.1)
        for _ in range(3):
            twin.step()
        before = copy.deepcopy((weight.data, twin.state_dict()))
        weight.grad = None
        twin.step()
        pairs = zip(tree_leaves(before), tree_leaves((weight.data, twin.state_dict())), strict=True)
        return all(torch.equal(one, two) if isinstance(one, Tensor) else one == two for one, two in pairs)
    except Exception:  # its class may need more than parameters and options, or gradients
        return False


def _twin(
    optimizer: torch.optim.Optimizer, size: float, gradient: float, weight_decay: float
) -> tuple[torch.optim.Optimizer, nn.Parameter]:
    """Return an optimizer of the same class and options, and the matrix of that size and gradient that it trains."""
    weight = nn.Parameter(size * torch.linspace(0.5, 1.5, _SIDE**2).reshape(_SIDE, _SIDE))
    options: dict[str, Any] = {**optimizer.defaults, "lr": _LR, "weight_decay": weight_decay}
    known = inspect.signature(type(optimizer)).parameters
    twin = type(optimizer)([weight], **{name: value for name, value in options.items() if name in known})
    if callable(train := getattr(twin, "train", None)):
        train()  # schedule-free optimizers ask for it
    weight.grad = gradient * torch.linspace(-1.0, 2.0, _SIDE**2).reshape(_SIDE, _SIDE)
    return twin, weight
