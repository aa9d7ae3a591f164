"""The learning rates of a sweep, as a pure function of its length."""

from __future__ import annotations

import math

from lrfind.settings import Mode


def ladder(start_lr: float, end_lr: float, num_iter: int, mode: Mode = "exponential") -> tuple[float, ...]:
    """Return the learning rates of all updates, strictly rising, shape `(num_iter,)`.

    Exponential (Gugger 2018, "How do you find a good learning rate"): `start_lr * (end_lr / start_lr) ** t`;
    linear (Smith 2015, arXiv 1506.01186, section 3.3): `start_lr + (end_lr - start_lr) * t`;
    both with `t = step / (num_iter - 1)`. The first update uses `start_lr` and the last `end_lr`, exactly.

    Args:
        start_lr: Learning rate of the first update; above 0.
        end_lr: Learning rate of the last update; above `start_lr`.
        num_iter: Number of updates; a single one uses `start_lr`.
        mode: Whether the steps are equal in log(LR) or in LR.
    """
    if num_iter == 1:
        return (start_lr,)
    times = [step / (num_iter - 1) for step in range(1, num_iter - 1)]
    if mode == "linear":
        return (start_lr, *(start_lr + (end_lr - start_lr) * t for t in times), end_lr)
    return (start_lr, *(math.pow(start_lr, 1 - t) * math.pow(end_lr, t) for t in times), end_lr)
