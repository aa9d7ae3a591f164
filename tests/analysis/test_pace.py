from __future__ import annotations

import math

import numpy as np
import pytest
from helpers import example_sweep
from hypothesis import given
from hypothesis import strategies as st

from lrfind.analysis.landmarks import curve
from lrfind.analysis.pace import TOLERANCE, USUAL, certainty, slowdown
from lrfind.analysis.suggest import analyze
from lrfind.records.types import StopReason, Sweep
from lrfind.training.ladder import ladder

pytestmark = pytest.mark.slow


def factor(lrs: tuple[float, ...], updates_per_point: float = 1.0) -> np.ndarray:
    seen = curve(example_sweep(lrs=lrs))
    assert seen is not None
    return slowdown(seen, updates_per_point)


def flow(lrs: tuple[float, ...], distance: float, updates: float = 1.0, unstable: float = 10.0) -> Sweep:
    """Return the sweep of a training whose loss falls with the sum of the learning rates, and rises where unstable."""
    travelled, losses = 0.0, [2.3]
    for lr in lrs[:-1]:
        travelled += updates * lr
        losses.append(0.3 + 2 * math.exp(-travelled / distance) + (lr / unstable) ** 2)
    return Sweep(0, lrs, tuple(losses), StopReason.COMPLETED, updates_per_point=updates)


def test_the_usual_sweep_is_read_as_it_is() -> None:
    assert factor(ladder(USUAL.start_lr, USUAL.end_lr, USUAL.num_iter)) == pytest.approx(1)


def test_a_faster_sweep_counts_as_the_usual_one() -> None:
    assert factor(ladder(USUAL.start_lr, USUAL.end_lr, 25)) == pytest.approx(1)


@given(times=st.integers(2, 12), updates=st.floats(1, 1e4))
def test_it_is_the_ratio_of_the_updates_in_a_decade(times: int, updates: float) -> None:
    slow = factor(ladder(1e-7, 10, 1 + 99 * times), updates)
    # Behind its first decades a geometric series has lost its beginning; `times` is the ratio for small steps.
    assert slow[-1] == pytest.approx(times * updates, rel=0.1)


def test_a_linear_ladder_is_measured_where_it_stands() -> None:
    lrs = ladder(1e-4, 1, 1000, "linear")
    assert factor(lrs)[-1] == pytest.approx(sum(lrs[:-1]) / lrs[-2] / 5.9, rel=0.01)


@given(
    times=st.integers(1, 12),
    updates=st.sampled_from([1.0, 10.0, 100.0]),
    distance=st.floats(0.1, 1),
    shift=st.floats(-50, 50),
    scale=st.floats(1e-2, 1e3),
)
def test_the_same_training_swept_at_another_pace_gives_the_same(
    times: int, updates: float, distance: float, shift: float, scale: float
) -> None:
    usual = analyze(flow(ladder(1e-7, 10, 100), distance)).suggested_lr
    slow = flow(ladder(1e-7, 10, 1 + 99 * times), distance, updates)
    losses = tuple(scale * (loss + shift) for loss in slow.losses)
    found = analyze(Sweep(0, slow.lrs, losses, slow.stop_reason, updates_per_point=updates)).suggested_lr
    assert usual is not None
    assert found is not None
    assert 1 / 2 < found / usual < 2


def test_no_pace_moves_the_suggestion_up_to_the_rise() -> None:
    analysis = analyze(flow(ladder(1e-7, 10, 100), distance=50.0, updates=1e6, unstable=1e-3))
    assert analysis.suggested_lr is not None
    assert analysis.suggested_lr < 1e-3
    assert "as far as the rise allows" in analysis.message


def test_certainty_falls_with_the_factor_and_is_that_of_a_normal_error() -> None:
    assert certainty(1) == 1
    assert 1 > certainty(4) > certainty(64) > certainty(1000) > 0.3
    # Where the standard deviation of log(LR) is half the tolerance, 95.4 % lie within two of them.
    assert certainty(math.exp(math.log(TOLERANCE) / 2 / 0.3)) == pytest.approx(0.9545, abs=1e-4)
