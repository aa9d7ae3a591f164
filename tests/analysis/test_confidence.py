from __future__ import annotations

import math

import numpy as np
from helpers import example_sweep

from lrfind.analysis.confidence import confidence
from lrfind.analysis.landmarks import Fit, curve, find_landmarks, fit


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
