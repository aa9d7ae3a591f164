"""The learning rates of a sweep, as a pure function of the step."""

from __future__ import annotations

import math
from typing import Literal

Mode = Literal["exponential", "linear"]


def learning_rate(step: int, start_lr: float, end_lr: float, num_iter: int, mode: Mode) -> float:
    """Return the learning rate of update `step` (counted from 0).

    Exponential (Gugger 2018, "How do you find a good learning rate"): `start_lr * (end_lr / start_lr) ** t`;
    linear (Smith 2015, arXiv 1506.01186, section 3.3): `start_lr + (end_lr - start_lr) * t`;
    both with `t = step / (num_iter - 1)`, so that the first update uses `start_lr` and the last `end_lr`, exactly.
    """
    if step == 0:
        return start_lr
    if step == num_iter - 1:
        return end_lr
    t = step / (num_iter - 1)
    if mode == "linear":
        return start_lr + (end_lr - start_lr) * t
    return math.pow(start_lr, 1 - t) * math.pow(end_lr, t)


def ladder(start_lr: float, end_lr: float, num_iter: int, mode: Mode = "exponential") -> tuple[float, ...]:
    """Return the learning rates of all updates, strictly rising, shape `(num_iter,)`.

    Args:
        start_lr: Learning rate of the first update; above 0.
        end_lr: Learning rate of the last update; above `start_lr`.
        num_iter: Number of updates; a single one uses `start_lr`.
        mode: Whether the steps are equal in log(LR) or in LR.
    """
    return tuple(learning_rate(step, start_lr, end_lr, num_iter, mode) for step in range(num_iter))
