from __future__ import annotations

import pytest
import torch
from torch.optim import lr_scheduler

from lrfind.analysis.peak_lr import MEAN_SHARE, for_schedules, peak_lr

STEPS = 2000


def mean_share(make: type[lr_scheduler.LRScheduler], **arguments: float) -> float:
    """Return the mean learning rate over the peak of a scheduler of PyTorch's."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer, **arguments)
    rates = []
    for _ in range(STEPS - 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return sum(rates) / len(rates) / max(rates)


@pytest.mark.parametrize(
    ("schedule", "make", "arguments"),
    [
        ("onecycle", lr_scheduler.OneCycleLR, {"max_lr": 1.0, "total_steps": STEPS}),
        ("cosine", lr_scheduler.CosineAnnealingLR, {"T_max": STEPS}),
        ("linear", lr_scheduler.LinearLR, {"start_factor": 1.0, "end_factor": 0.0, "total_iters": STEPS}),
        ("constant", lr_scheduler.ConstantLR, {"factor": 1.0}),
    ],
)
def test_the_mean_is_that_of_pytorchs_scheduler(
    schedule: str, make: type[lr_scheduler.LRScheduler], arguments: dict[str, float]
) -> None:
    assert MEAN_SHARE[schedule] == pytest.approx(mean_share(make, **arguments), rel=2e-3)  # type: ignore[index]


def test_a_peak_has_the_mean_of_the_constant_learning_rate() -> None:
    assert peak_lr(0.1, "constant") == 0.1
    assert peak_lr(0.1, "cosine") == pytest.approx(0.2)
    assert for_schedules(0.1)["onecycle"] == pytest.approx(0.1 / 0.506)
