from __future__ import annotations

import math

import numpy as np
import pytest
from helpers import example_sweep

from lrfind.analysis.landmarks import Fit, curve, find_landmarks, fit, plateau_points
from lrfind.records.types import StopReason, Sweep


def logistic(log_lr: float, centre: float, steepness: float) -> float:
    return 1 / (1 + math.exp(-steepness * (log_lr - centre)))


def known(lr: float) -> float:
    """Plateau at 2, steepest at 1e-3, two thirds of the way down at 10^-2.88, 1 at the bottom, up again from 0.1."""
    log_lr = math.log10(lr)
    return 2 - logistic(log_lr, -3, 6) + 20 * max(log_lr + 1, 0) ** 2


LRS = tuple(10 ** (-7 + 8 * index / 99) for index in range(100))


def fitted(sweep: Sweep) -> Fit:
    seen = curve(sweep)
    assert seen is not None
    return fit(seen)


def test_the_landmarks_of_a_curve_with_known_ones() -> None:
    landmarks = find_landmarks(fitted(example_sweep(known, noise=0, lrs=LRS)), blew_up=True)
    assert landmarks.plateau_loss == pytest.approx(2, abs=1e-4)
    assert math.log10(landmarks.steepest_lr) == pytest.approx(-3, abs=0.1)
    assert landmarks.minimum_loss == pytest.approx(1, abs=0.05)
    assert -2 < math.log10(landmarks.minimum_lr) < -0.9
    assert math.log10(landmarks.descent_end_lr) == pytest.approx(-2.88, abs=0.15)
    assert landmarks.divergence_lr is not None
    assert -1 < math.log10(landmarks.divergence_lr) < -0.5


def test_noise_moves_them_little() -> None:
    ends = [
        math.log10(find_landmarks(fitted(example_sweep(known, 0.05, seed, LRS)), blew_up=True).descent_end_lr)
        for seed in range(40)
    ]
    assert np.mean(ends) == pytest.approx(-2.85, abs=0.2)
    assert np.std(ends) < 0.12


def test_noise_is_the_standard_deviation_from_batch_to_batch() -> None:
    noise = [fitted(example_sweep(known, 0.2, seed, LRS)).noise for seed in range(40)]
    assert np.mean(noise) == pytest.approx(0.2, rel=0.1)


def test_the_loss_of_a_batch_belongs_to_the_update_before_it() -> None:
    sweep = Sweep(0, (1e-3, 1e-2, 1e-1), (5.0, 4.0, 3.0), StopReason.COMPLETED)
    seen = curve(sweep)
    assert seen is not None
    assert seen.response.tolist() == [4.0, 3.0]
    assert seen.log_lrs.tolist() == pytest.approx([-3, -2])


def test_it_is_read_up_to_the_first_loss_that_is_not_finite() -> None:
    sweep = Sweep(0, (1e-3, 1e-2, 1e-1, 1), (5.0, 4.0, 3.0, math.nan), StopReason.NON_FINITE)
    seen = curve(sweep)
    assert seen is not None
    assert seen.response.tolist() == [4.0, 3.0]
    assert curve(Sweep(0, (1e-3, 1e-2), (5.0, math.nan), StopReason.NON_FINITE)) is None


def test_the_explosion_does_not_leak_into_the_descent() -> None:
    calm = example_sweep(lambda lr: min(known(lr), 2.2), noise=0, lrs=LRS)
    wild = example_sweep(lambda lr: known(lr) if lr < 0.3 else 1e30, noise=0, lrs=LRS)
    before = find_landmarks(fitted(calm), blew_up=True)
    after = find_landmarks(fitted(wild), blew_up=True)
    assert after.descent_end_lr == pytest.approx(before.descent_end_lr, rel=0.05)
    assert after.minimum_lr == pytest.approx(before.minimum_lr, rel=0.3)


def test_a_lucky_dip_where_the_loss_is_ragged_is_not_the_minimum() -> None:
    """At a high LR the loss scatters between 0 and 2; its mean lies lower than the floor of the descent, by luck."""
    ragged = example_sweep(known, noise=0.02, lrs=LRS)
    losses = [
        loss if lr < 0.2 else (0.0 if index % 3 else 2.0)
        for index, (lr, loss) in enumerate(zip(ragged.lrs, ragged.losses, strict=True))
    ]
    landmarks = find_landmarks(fitted(Sweep(0, LRS, tuple(losses), StopReason.COMPLETED)), blew_up=False)
    assert landmarks.minimum_lr < 0.2


def test_the_plateau_is_a_stretch_of_learning_rates_not_of_steps() -> None:
    def points(lrs: tuple[float, ...]) -> int:
        seen = curve(Sweep(0, lrs, (1.0,) * len(lrs), StopReason.COMPLETED))
        assert seen is not None
        return plateau_points(seen)

    assert points(LRS) == pytest.approx(99 / 8, abs=1)
    assert points(tuple(0.01 + 0.01 * index for index in range(100))) == 1


def test_significance_counts_standard_errors() -> None:
    sweeps = [example_sweep(known, 0.1, seed, LRS) for seed in range(20)]
    depths = [find_landmarks(fitted(sweep), blew_up=True).significance for sweep in sweeps]
    # A drop of 1 with noise of 0.1: a plateau of 12 points and a kernel of 3.7 steps leave an error of about 0.04.
    assert np.mean(depths) == pytest.approx(1 / 0.04, rel=0.25)
    flat = [example_sweep(lambda lr: 2.0, 0.1, seed, LRS) for seed in range(300)]
    assert np.mean([find_landmarks(fitted(sweep), blew_up=False).significance > 5 for sweep in flat]) < 0.01
