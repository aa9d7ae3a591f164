"""The outcome of trainings whose losses are closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from explained import ALPHA, FAST, GOOD, SLOW, START, STEPS, Loss, bouncing, decay, exploding, outcomes, probe, still
from helpers import example_landmarks
from hypothesis import given
from hypothesis import strategies as st

from lrfind.explain.trajectories import courses, smooth, start_of
from lrfind.explain.types import Outcome, Start
from lrfind.records.types import Probe, StopReason

LOW, HIGH = ALPHA / 10, ALPHA * 10


@pytest.mark.parametrize(
    ("lr", "loss", "outcome"),
    [
        (LOW, SLOW, Outcome.CRAWLS),
        (LOW, still, Outcome.CRAWLS),
        (LOW, GOOD, Outcome.AS_WELL),
        (LOW, decay(0.09), Outcome.AS_WELL),
        (LOW, decay(0.1, floor=0.0), Outcome.FASTER),
        (LOW, bouncing, Outcome.CRAWLS),
        (HIGH, GOOD, Outcome.AS_WELL),
        (HIGH, FAST, Outcome.AS_WELL),
        (HIGH, decay(0.4, floor=0.0), Outcome.FASTER),
        (HIGH, SLOW, Outcome.LAGS),
        (HIGH, bouncing, Outcome.OVERSHOOTS),
        (HIGH, still, Outcome.STALLS),
        (HIGH, lambda step: 2.3 + 0.1 * step, Outcome.DIVERGES),
        (HIGH, lambda step: 2.3 + 20 * math.exp(-step / 5), Outcome.DIVERGES),
        (HIGH, lambda step: 30.0 if step == 50 else GOOD(step), Outcome.AS_WELL),
    ],
)
def test_outcomes_beside_a_training_that_descends(lr: float, loss: Loss, outcome: Outcome) -> None:
    assert outcomes(probe(ALPHA, GOOD), probe(lr, loss)) == [Outcome.DESCENDS, outcome]


@pytest.mark.parametrize(
    ("alpha", "low", "expected"),
    [
        (still, still, [Outcome.STALLS, Outcome.STALLS]),
        (still, GOOD, [Outcome.STALLS, Outcome.DESCENDS]),
        (lambda step: 2.3 + 0.1 * step, GOOD, [Outcome.DIVERGES, Outcome.DESCENDS]),
        (lambda step: 2.3 + 0.1 * step, still, [Outcome.DIVERGES, Outcome.STALLS]),
    ],
)
def test_outcomes_where_alpha_does_not_descend(alpha: Loss, low: Loss, expected: list[Outcome]) -> None:
    made = courses([probe(ALPHA, alpha), probe(LOW, low)], ALPHA, START)
    assert [course.outcome for course in made] == expected
    assert [(course.drop_share, course.most_steps, course.alpha_steps) for course in made] == [(None, None, None)] * 2


@pytest.mark.parametrize(
    ("stop", "outcome"),
    [
        (StopReason.DIVERGED, Outcome.DIVERGES),
        (StopReason.NON_FINITE, Outcome.DIVERGES),
        (StopReason.FAILED, Outcome.FAILS),
        (StopReason.INTERRUPTED, Outcome.UNFINISHED),
        (StopReason.DATA_ENDED, Outcome.UNFINISHED),
    ],
)
@pytest.mark.parametrize("made", [0, 1, 9])
def test_outcomes_of_trainings_that_ended_early(stop: StopReason, outcome: Outcome, made: int) -> None:
    early = probe(HIGH, exploding, made, stop)
    assert outcomes(probe(ALPHA, GOOD), early) == [Outcome.DESCENDS, outcome]
    assert outcomes(replace(early, lr=ALPHA), probe(LOW, GOOD)) == [outcome, Outcome.DESCENDS]


def test_a_loss_that_is_not_finite_is_cut_off() -> None:
    nan = probe(HIGH, lambda step: math.nan if step == 3 else 2.3, 4, StopReason.NON_FINITE)
    good, bad = courses([probe(ALPHA, GOOD), nan], ALPHA, START)
    assert (good.outcome, bad.outcome, len(bad.smoothed)) == (Outcome.DESCENDS, Outcome.DIVERGES, 3)


def test_numbers_are_those_of_the_closed_form() -> None:
    slow, good = courses([probe(LOW, SLOW, noise=0), probe(ALPHA, GOOD, noise=0)], ALPHA, START)
    assert good.drop_share == 1
    assert good.most_steps == pytest.approx(math.log(10) / 0.1, abs=2)
    last = [SLOW(step) for step in range(75, 100)]
    assert slow.probe.end_loss == pytest.approx(sum(last) / 25)
    assert slow.drop_share == pytest.approx((2.3 - slow.probe.end_loss) / (2.3 - good.probe.end_loss))
    assert slow.most_steps is None
    assert slow.alpha_steps == pytest.approx(0.01 * 87 / 0.1, abs=2)  # 87: the middle of its last quarter


def test_a_rise_is_its_median_of_five() -> None:
    _, spike, bounce = courses(
        [probe(ALPHA, GOOD), probe(2 * ALPHA, lambda step: 9.0 * (step == 5) + GOOD(step)), probe(HIGH, bouncing)],
        ALPHA,
        START,
    )
    assert spike.peak_loss is None
    assert bounce.peak_loss == pytest.approx(bouncing(2), abs=0.1)


def test_an_explosion_does_not_leak_into_a_smoothed_descent() -> None:
    def breaks(step: int) -> float:
        return GOOD(step) if step < 60 else 1e30

    good, bad = courses([probe(ALPHA, GOOD), probe(HIGH, breaks)], ALPHA, START)
    assert bad.smoothed[:50] == pytest.approx(good.smoothed[:50], abs=0.05)
    assert max(bad.smoothed) < 10


@given(
    st.lists(st.sampled_from([SLOW, GOOD, FAST, bouncing, still, exploding]), min_size=3, max_size=3),
    st.floats(1e-3, 1e3),
    st.floats(-50, 50),
)
def test_scale_and_shift_change_no_outcome(losses: list[Loss], scale: float, shift: float) -> None:
    plain = [probe(lr, loss, 30) for lr, loss in zip((LOW, ALPHA, HIGH), losses, strict=True)]
    plain = [replace(each, steps=30) for each in plain]
    moved = [replace(each, losses=tuple(scale * (loss + shift) for loss in each.losses)) for each in plain]
    start = Start(scale * (START.loss + shift), scale * START.noise, scale * START.error)
    before, after = courses(plain, ALPHA, START), courses(moved, ALPHA, start)
    assert [course.outcome for course in before] == [course.outcome for course in after]
    assert [course.alpha_steps for course in before] == [course.alpha_steps for course in after]


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=30), st.sampled_from(StopReason))
def test_any_losses_have_an_outcome(losses: list[float], stop: StopReason) -> None:
    short = Probe(HIGH, 30, tuple(losses), stop)
    made = courses([replace(probe(ALPHA, GOOD, 30), steps=30), short], ALPHA, START)
    assert made[1].outcome in Outcome
    assert all(math.isfinite(loss) for loss in made[1].smoothed)


@given(st.floats(-5, 5), st.floats(-5, 5), st.integers(2, 120))
def test_smoothing_keeps_a_straight_line(level: float, slope: float, count: int) -> None:
    line = [level + slope * step for step in range(count)]
    assert smooth(line, STEPS) == pytest.approx(np.array(line), abs=1e-6)


def test_the_start_is_the_plateau_of_the_sweep_or_the_first_loss() -> None:
    marks = example_landmarks()
    assert start_of(marks, 96, []) == Start(marks.plateau_loss, marks.noise, pytest.approx(marks.noise / math.sqrt(12)))
    made = [probe(ALPHA, lambda step: 2.0 - step, noise=0), probe(LOW, lambda step: 2.0, noise=0)]
    assert start_of(None, 0, made) == Start(2.0, 0.0, 0.0)
