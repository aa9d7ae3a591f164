"""Curves with an epoch for each learning rate, and others that show only a part of what a sweep shows."""

from __future__ import annotations

import math

import pytest
from helpers import example_sweep
from hypothesis import given
from hypothesis import strategies as st

from lrfind.analysis.suggest import analyze
from lrfind.records.types import Analysis, Status, StopReason, Sweep

EPOCHS = tuple(10 ** (-8 + 5 * index / 99) for index in range(100))
"""An epoch at each of 100 learning rates."""
BATCHES = 500
UNSTABLE = 1e-3
"""Where the curvature makes the loss rise, however many updates a point has."""


def epochs(distance: float, updates: float | None = None, scale: float = 1.0, shift: float = 0.0) -> Sweep:
    """Return a curve with an epoch of `BATCHES` updates per point, whose loss falls over a sum of learning rates."""
    travelled, losses = 0.0, [80.0]
    for index, lr in enumerate(EPOCHS[:-1]):
        travelled += BATCHES * lr
        ragged = 1 + 0.01 * math.sin(7 * index)
        losses.append((20 + 60 / (1 + travelled / distance)) * ragged + 300 * (lr / UNSTABLE) ** 2)
    measured = tuple(scale * (loss + shift) for loss in losses)
    return Sweep(0, EPOCHS, measured, StopReason.COMPLETED, updates_per_point=updates)


def suggestion(analysis: Analysis) -> float:
    assert analysis.status is Status.OK, analysis.message
    assert analysis.suggested_lr is not None
    return analysis.suggested_lr


@pytest.mark.parametrize("distance", [1e-5, 1e-4], ids=["no plateau", "a plateau"])
def test_an_epoch_for_each_learning_rate_is_read_by_its_updates(distance: float) -> None:
    analysis = analyze(epochs(distance, BATCHES))
    measured = analysis.landmarks.descent_end_lr if analysis.landmarks else math.nan
    assert suggestion(analysis) > 10 * measured
    assert suggestion(analysis) < UNSTABLE / 3
    assert "as far as the rise allows" in analysis.message or "by as much" in analysis.message


@pytest.mark.parametrize("distance", [1e-5, 3e-5], ids=["no plateau", "a long floor"])
def test_without_the_updates_the_rise_is_read_and_the_setting_named(distance: float) -> None:
    analysis = analyze(epochs(distance))
    assert UNSTABLE / 1000 < suggestion(analysis) < UNSTABLE / 3
    assert "$updates_per_point" in analysis.message
    assert analysis.confidence < analyze(example_sweep()).confidence


def test_a_rise_that_is_seen_is_the_upper_edge() -> None:
    analysis = analyze(epochs(1e-5, BATCHES))
    assert analysis.safe_range is not None
    assert analysis.safe_range[1] < UNSTABLE / 3
    assert "does not show how far above" not in analysis.message


def test_the_plateau_that_is_missing_is_said() -> None:
    analysis = analyze(epochs(1e-5, BATCHES))
    assert "It falls from the first learning rate (1e-08) on" in analysis.message
    assert "Lower $start_lr" in analysis.message


@pytest.mark.slow
@given(distance=st.floats(1e-5, 3e-4), scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
def test_neither_the_level_nor_the_unit_of_the_loss_counts(distance: float, scale: float, shift: float) -> None:
    plain, other = analyze(epochs(distance, BATCHES)), analyze(epochs(distance, BATCHES, scale, shift))
    assert suggestion(other) == pytest.approx(suggestion(plain), rel=1e-3)


@pytest.mark.slow
@given(updates=st.floats(1, 1e6))
def test_more_updates_for_a_point_never_lower_the_suggestion_and_never_pass_the_rise(updates: float) -> None:
    some, more = (suggestion(analyze(epochs(1e-4, number))) for number in (updates, 3 * updates))
    assert some <= more * (1 + 1e-9)
    assert more < UNSTABLE / 3
