"""How large the updates of an optimizer are: whether they grow with the gradient, and when they replace the weights."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from lrfind.records.facts import UNKNOWN_SIZE, UpdateSize

_LR = 1e-3
_SIDE = 4
"""Rows and columns of the matrix that is trained: optimizers of matrices take nothing else."""

_STEPS = 50
"""Updates until the last is measured: RAdam starts like SGD, and the updates of Adagrad shrink as it goes."""


def update_size(optimizer: torch.optim.Optimizer, weights: Iterable[Tensor]) -> UpdateSize:
    """Return the size of the updates of an optimizer.

    It is measured, not looked up: two optimizers of the same class and options train a small matrix, one with twice the
    gradient of the other.

    Args:
        optimizer: Stays as it is.
        weights: What it trains. Vectors, such as biases, do not count.
    """
    squares = [float(weight.detach().float().square().mean()) for weight in weights if weight.ndim > 1]
    size = math.sqrt(sum(squares) / len(squares)) if squares else 0.0
    if size == 0 or not math.isfinite(size):
        size = 1.0
    optimizer = getattr(optimizer, "optimizer", optimizer)  # the one in the wrapper of Accelerate
    try:
        one, two = (_last_update(optimizer, size, gradient) for gradient in (1.0, 2.0))
    except Exception:  # its class may need more than parameters and options
        return UNKNOWN_SIZE
    if one == 0:
        return UNKNOWN_SIZE
    normalized = two / one < 1.5
    return UpdateSize(normalized, _LR * size / one if normalized else None)


def _last_update(optimizer: torch.optim.Optimizer, size: float, gradient: float) -> float:
    """Return the root mean square of the last of some updates of weights of that size along a fixed gradient."""
    weight = nn.Parameter(size * torch.linspace(0.5, 1.5, _SIDE**2).reshape(_SIDE, _SIDE))
    options: dict[str, Any] = {**optimizer.defaults, "lr": _LR, "weight_decay": 0.0}
    known = inspect.signature(type(optimizer)).parameters
    twin = type(optimizer)([weight], **{name: value for name, value in options.items() if name in known})
    if callable(train := getattr(twin, "train", None)):
        train()  # schedule-free optimizers ask for it
    weight.grad = gradient * torch.linspace(-1.0, 2.0, _SIDE**2).reshape(_SIDE, _SIDE)
    for _ in range(_STEPS):
        before = weight.detach().clone()
        twin.step()
    return float((weight.detach() - before).square().mean().sqrt())
