from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch

from lrfind.scripts.apply import Applier
from lrfind.scripts.hooks import Seen, watch_steps
from lrfind.scripts.job import Job, Script


class Flaky(torch.optim.SGD):
    """Fails at every third step, and notes the learning rates that it steps with."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.lrs: list[float] = []

    def step(self, closure: Any = None) -> Any:
        self.lrs.append(self.param_groups[0]["lr"])
        if len(self.lrs) % 3 == 0:
            raise RuntimeError("try again")
        return super().step(closure)


def test_a_step_that_fails_changes_no_learning_rate_of_those_that_follow() -> None:
    seen = Seen()
    optimizer = Flaky([torch.zeros(1, requires_grad=True)], lr=0.1)
    handles = watch_steps(Applier(Job(Script("train.py"), "apply", lr=0.2), seen))
    try:
        for _ in range(8):
            with contextlib.suppress(RuntimeError):
                optimizer.step()
    finally:
        for handle in handles:
            handle.remove()
    assert optimizer.lrs == pytest.approx([0.2] * 8)
    assert optimizer.param_groups[0]["lr"] == 0.1
