from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from helpers import example_sweep

from lrfind.analysis.confidence import confidence
from lrfind.analysis.landmarks import Fit, curve, find_landmarks, fit
from lrfind.analysis.suggest import analyze
from lrfind.records.types import Status, StopReason
from lrfind.settings import Method
from lrfind.training.ladder import ladder


def read(fitted: Fit) -> float:
    return find_landmarks(fitted, blew_up=False).descent_end_lr


def sure(noise: float, seed: int = 0, off_by: float = 1.0) -> float:
    seen = curve(example_sweep(noise=noise, seed=seed))
    assert seen is not None
    fitted = fit(seen)
    return confidence(fitted, off_by * read(fitted), read)


def test_a_clear_curve_is_sure_but_never_certain() -> None:
    assert 0.95 < sure(0.01) < 1


def test_it_falls_with_the_noise() -> None:
    means = [np.mean([sure(noise, seed) for seed in range(8)]) for noise in (0.02, 0.3, 1.0)]
    assert means[0] > means[1] > means[2]


def test_a_suggestion_that_the_curve_does_not_give_has_none() -> None:
    assert sure(0.01, off_by=10) < 0.05


def test_the_same_curve_gives_the_same_confidence() -> None:
    assert sure(0.3) == sure(0.3)
    assert math.isfinite(sure(0.3))


# What a curve does not show

LRS = ladder(1e-7, 10, 100)


def descent(lr: float) -> float:
    return 2.3 - 2 / (1 + (1e-3 / lr) ** 2)


def with_rise(lr: float) -> float:
    return descent(lr) + 3 * lr


def worth(loss: Callable[[float], float] = with_rise, lrs: Sequence[float] = LRS, updates: float | None = 1) -> float:
    sweep = example_sweep(loss, 0.02, 0, lrs, StopReason.COMPLETED)
    analysis = analyze(replace(sweep, updates_per_point=updates))
    assert analysis.status is Status.OK
    return analysis.confidence


@pytest.mark.parametrize(
    "less",
    [
        worth(descent),
        worth(lrs=LRS[50:]),
        worth(lrs=ladder(1e-7, 10, 16)),
        worth(updates=10),
        worth(updates=None),
    ],
    ids=["no rise", "no plateau", "few points", "many updates for each point", "updates unknown"],
)
def test_it_falls_with_what_the_curve_does_not_show(less: float) -> None:
    assert 0 < less < 0.9 * worth()


@pytest.mark.parametrize("method", get_args(Method))
def test_a_curve_is_worth_the_same_however_it_is_read(method: Method) -> None:
    for sweep in (example_sweep(), example_sweep(noise=0.3), example_sweep(descent, lrs=LRS)):
        assert analyze(sweep, method).confidence == analyze(sweep).confidence
