"""The learning rate for a training whose schedule does not keep it constant."""

from __future__ import annotations

from lrfind.settings import Schedule

MEAN_SHARE: dict[Schedule, float] = {
    "constant": 1.0,
    "cosine": 1 / 2,
    "linear": 1 / 2,
    # 30 % of the way up from 1/25 of the peak, then down to nothing, both along half a cosine.
    "onecycle": 0.3 * (1 + 1 / 25) / 2 + 0.7 / 2,
}
"""The mean learning rate of a training over its peak, with the defaults of `torch.optim.lr_scheduler`."""


def peak_lr(constant_lr: float, schedule: Schedule) -> float:
    """Return the peak at which a schedule has the mean learning rate `constant_lr`.

    The distance that the weights can travel is the sum of the learning rates. So a decaying schedule takes about
    twice the learning rate of a constant one, as trainings at every scale show (Haegele et al. 2024, arXiv 2405.18392;
    Schaipp et al. 2025, arXiv 2501.18965).
    """
    return constant_lr / MEAN_SHARE[schedule]


def for_schedules(constant_lr: float) -> dict[str, float]:
    """Return the suggestion for each schedule."""
    return {schedule: peak_lr(constant_lr, schedule) for schedule in MEAN_SHARE}
