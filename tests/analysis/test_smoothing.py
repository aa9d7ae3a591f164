from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrfind.analysis.smoothing import BANDWIDTH_DECADES, MAX_BANDWIDTH_SHARE, MIN_BANDWIDTH_STEPS, per_decade, smoother

LOG_LRS = np.linspace(-7, 1, 100)


@given(level=st.floats(-1e6, 1e6), slope=st.floats(-1e3, 1e3), n=st.integers(2, 200))
def test_a_straight_line_stays_as_it_is_up_to_its_ends(level: float, slope: float, n: int) -> None:
    x = np.linspace(-7, 1, n)
    line = level + slope * x
    smoothing = smoother(x)
    scale = abs(level) + 10 * abs(slope) + 1
    assert np.allclose(smoothing.level @ line, line, atol=1e-8 * scale)
    assert np.allclose(per_decade(smoothing.slope @ line, x), slope, atol=1e-6 * scale)


def test_it_does_not_lag() -> None:
    """The steepest point of a symmetric descent stays where it is; a moving average shifts it up."""
    descent = -1 / (1 + np.exp(-6 * (LOG_LRS + 3)))
    slope = per_decade(smoother(LOG_LRS).slope @ descent, LOG_LRS)
    assert LOG_LRS[np.argmin(slope)] == pytest.approx(-3, abs=0.05)


def test_it_reduces_noise_as_its_kernel_promises() -> None:
    noise = np.random.default_rng(0).normal(size=(4000, 100))
    smoothing = smoother(LOG_LRS)
    # In the middle the local line is the kernel mean: the variance factor is 1 / (2 h sqrt(pi)).
    expected = 1 / np.sqrt(2 * smoothing.bandwidth * np.sqrt(np.pi))
    assert np.std(noise @ smoothing.level[50]) == pytest.approx(expected, rel=0.05)


def test_the_bandwidth_is_a_stretch_of_learning_rates_not_of_steps() -> None:
    assert smoother(LOG_LRS).bandwidth == pytest.approx(BANDWIDTH_DECADES * 99 / 8)
    assert smoother(np.linspace(-7, 1, 400)).bandwidth == pytest.approx(BANDWIDTH_DECADES * 399 / 8)
    assert smoother(np.linspace(-7, 1, 10)).bandwidth == MIN_BANDWIDTH_STEPS
    assert smoother(np.linspace(-3, -2, 400)).bandwidth == MAX_BANDWIDTH_SHARE * 400


@given(n=st.integers(2, 100))
def test_the_plain_mean_never_leaves_the_range_of_its_values(n: int) -> None:
    average = smoother(np.linspace(-7, 1, n)).average
    assert np.all(average >= 0)
    assert np.allclose(average.sum(axis=1), 1)


def test_slopes_per_decade_know_a_linear_ladder() -> None:
    log_lrs = np.log10(np.linspace(0.01, 1, 400))
    loss = -2 * log_lrs
    slope = per_decade(np.gradient(loss), log_lrs)
    assert np.allclose(slope, -2)
