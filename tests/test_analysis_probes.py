from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from helpers import example_result
from hypothesis import given
from hypothesis import strategies as st

from lrfind.analysis.probes import (
    DRIFT,
    ENOUGH,
    HIDDEN,
    LONG,
    Round,
    conclude,
    finer_lrs,
    for_length,
    next_lr,
    round_of,
    settled,
    starting_lr,
)
from lrfind.record import Analysis, Landmarks, Probe, Refusal, Status, StopReason

STEPS = 8
HIGHEST = 10.0
ROOT_10 = math.sqrt(10)


def parabola(best: float) -> Callable[[float], float]:
    """Return a loss that is lowest, 0, at 10^best, 1 where nothing is learned, and infinite a decade above."""
    return lambda lr: math.inf if math.log10(lr) > best + 1 else min(1.0, (math.log10(lr) - best) ** 2)


def round_at(ends: dict[float, float], noise: float = 0.01) -> Round:
    return Round(ends, STEPS, plateau=1.0, noise=noise)


def search(loss: Callable[[float], float], start_lr: float, most: int = 30) -> Round:
    ends: dict[float, float] = {}
    while (lr := next_lr(round_at(ends) if ends else None, start_lr, HIGHEST, most)) is not None:
        ends[lr] = loss(lr)
    return round_at(ends)


def analysis_with(significance: float = 20.0, minimum_lr: float = 0.01, reason: Refusal | None = None) -> Analysis:
    analysis = example_result().analysis
    assert analysis.landmarks is not None
    landmarks = replace(analysis.landmarks, significance=significance, minimum_lr=minimum_lr, divergence_lr=0.3)
    return replace(analysis, landmarks=landmarks, reason=reason)


def landmarks_of(analysis: Analysis) -> Landmarks:
    assert analysis.landmarks is not None
    return analysis.landmarks


def test_a_round_takes_the_mean_of_the_last_quarter_of_its_steps() -> None:
    whole = Probe(0.1, 8, (2.0,) * 6 + (0.5, 0.7), StopReason.COMPLETED)
    blown = Probe(1.0, 8, (2.0, 2.0, 2.0, 1.0, 9.0, math.nan), StopReason.NON_FINITE)
    landmarks = landmarks_of(analysis_with())
    made = round_of([whole, blown], 8, landmarks, sweep_steps=100)
    assert made.end_losses == {0.1: pytest.approx(0.6), 1.0: math.inf}
    assert round_of([whole, blown], 4, landmarks, sweep_steps=100).end_losses == {0.1: 2.0, 1.0: 1.0}


def test_the_noise_of_a_round_is_that_of_two_means() -> None:
    landmarks = landmarks_of(analysis_with())
    probe = Probe(0.1, 8, (2.0,) * 8, StopReason.COMPLETED)
    made = round_of([probe], 8, landmarks, sweep_steps=80)
    assert made.noise == pytest.approx(landmarks.noise * math.sqrt(1 / 2 + 1 / 10))


def test_the_first_probe_is_at_the_minimum_of_the_sweep() -> None:
    assert starting_lr(analysis_with(), HIGHEST) == 0.01


def test_without_a_descent_the_first_probe_is_below_where_the_sweep_blew_up() -> None:
    assert starting_lr(analysis_with(significance=1.0, reason=Refusal.NOISE), HIGHEST) == pytest.approx(0.1)


@pytest.mark.parametrize("reason", [Refusal.FLAT, Refusal.DIVERGED_AT_ONCE, Refusal.TOO_FEW_POINTS])
def test_a_curve_that_ends_the_matter_is_not_probed(reason: Refusal) -> None:
    assert starting_lr(analysis_with(reason=reason), HIGHEST) is None
    assert starting_lr(replace(analysis_with(), landmarks=None), HIGHEST) is None


@given(best=st.floats(-5, 0), off=st.floats(-0.9, 0.9))
def test_the_minimum_is_found_from_wherever_the_search_starts(best: float, off: float) -> None:
    made = search(parabola(best), 10 ** (best + off))
    assert math.log10(made.vertex) == pytest.approx(best, abs=0.26)  # within half the distance of two probes
    assert len(made.end_losses) <= 6


def test_a_start_that_diverges_leads_downwards() -> None:
    tried = list(search(parabola(-3), 1e-1).end_losses)
    assert [math.log10(lr) for lr in tried[:4]] == pytest.approx([-1, -1.5, -2, -2.5])


def test_no_probe_goes_beyond_the_highest_learning_rate() -> None:
    made = search(lambda lr: 1 / (1 + lr), HIGHEST / 2)
    assert max(made.end_losses) == HIGHEST


def test_probes_that_stand_still_are_given_up() -> None:
    assert len(search(lambda lr: 1.0, 0.1).end_losses) == ENOUGH


def test_the_search_ends_when_enough_are_made() -> None:
    assert len(search(lambda lr: math.inf, 0.1, most=5).end_losses) == 5


def test_of_equals_the_lowest_learning_rate_is_the_best() -> None:
    made = round_at({0.1: 0.30, 0.3: 0.019, 1.0: 0.01, 3.0: 0.0})
    assert made.best == 0.3


def test_the_vertex_is_exact_for_a_parabola() -> None:
    ends = {10**x: (x + 1.1) ** 2 for x in (-1.5, -1.0, -0.5)}
    assert math.log10(round_at(ends).vertex) == pytest.approx(-1.1)
    finer = {**ends, **{10**x: (x + 1.1) ** 2 for x in (-1.25, -0.75)}}
    assert math.log10(round_at(finer).vertex) == pytest.approx(-1.1)


@pytest.mark.parametrize("beside", [{}, {ROOT_10: math.inf}, {ROOT_10: 0.5}])
def test_a_best_without_two_neighbours_is_taken_as_it_is(beside: dict[float, float]) -> None:
    assert round_at({1.0: 0.1, **beside}).vertex == 1.0


def test_refining_adds_what_lies_half_way() -> None:
    made = round_at({10**-0.5: 0.5, 1.0: 0.1, ROOT_10: 0.6})
    assert [math.log10(lr) for lr in finer_lrs(made, HIGHEST)] == pytest.approx([-0.25, 0.25])


def test_an_answer_is_settled_when_two_looks_agree() -> None:
    made = round_at({10**-0.5: 0.5, 1.0: 0.1, ROOT_10: 0.5})
    elsewhere = round_at({0.01: 0.1})
    flat = round_at({1.0: 0.99})
    assert settled(made, made, analysis_with())
    assert not settled(made, elsewhere, analysis_with())
    assert not settled(made, flat, analysis_with(significance=1.0, minimum_lr=1.0))
    assert settled(made, elsewhere, analysis_with(minimum_lr=2.0))
    assert not settled(flat, flat, analysis_with(minimum_lr=1.0))


def test_the_longer_the_training_the_lower_its_learning_rate() -> None:
    assert for_length(0.01, 25, 25) == 0.01
    assert for_length(0.01, 25, 250) == pytest.approx(0.01 / 10**DRIFT)
    assert for_length(0.01, 400, 100) == 0.01  # nothing is known of shorter ones


def test_a_peak_is_twice_the_constant_for_the_length_of_the_training() -> None:
    made = round_at({10**-2.5: 0.5, 0.01: 0.1, 10**-1.5: 0.5})
    found = conclude(analysis_with(), made, "cosine", HIGHEST, sure=True, train_steps=10 * STEPS)
    assert found.method == "probes"
    assert found.suggested_lrs["constant"] == pytest.approx(0.01 / 10**DRIFT)
    assert found.suggested_lr == found.suggested_lrs["cosine"] == pytest.approx(0.02 / 10**DRIFT)
    assert found.safe_range is not None
    assert found.safe_range[0] < found.suggested_lr < found.safe_range[1]
    assert found.candidates[-1].method == "probes"
    assert "as well" in found.message
    unknown = conclude(analysis_with(), made, "cosine", HIGHEST, sure=True)
    assert unknown.suggested_lr == pytest.approx(2 * for_length(0.01, STEPS, LONG))


def test_the_range_is_where_probes_make_two_thirds_of_the_drop() -> None:
    ends = {0.001: 1.0, 0.01: 0.0, 0.1: 1.0}
    found = conclude(analysis_with(), round_at(ends), "constant", HIGHEST, sure=True, train_steps=STEPS)
    assert found.safe_range is not None
    low, high = found.safe_range
    assert math.log10(low) == pytest.approx(-2 - 1 / 3)
    assert math.log10(high) == pytest.approx(-2 + 1 / 3)


@pytest.mark.parametrize(
    ("best", "said"), [(0.001, "a cold start takes less"), (0.01, "best as well"), (0.1, "10.0 times above")]
)
def test_the_message_says_where_the_probes_are_beside_the_sweep(best: float, said: str) -> None:
    assert said in conclude(analysis_with(), round_at({best: 0.1}), "constant", HIGHEST, sure=True).message


def test_confidence_grows_with_the_descent_and_falls_without_one() -> None:
    made = round_at({0.01: 0.1})

    def confidence(significance: float, *, sure: bool = True) -> float:
        return conclude(analysis_with(significance), made, "constant", HIGHEST, sure=sure).confidence

    assert confidence(1.0) == HIDDEN < confidence(5.0) < 0.9 < confidence(20.0) < 1.0
    assert confidence(20.0, sure=False) == pytest.approx(confidence(20.0) / 2, abs=0.01)


def test_no_descent_in_the_probes_is_a_refusal() -> None:
    found = conclude(analysis_with(1.0, reason=Refusal.NOISE), round_at({0.1: 0.99}), "constant", HIGHEST, sure=False)
    assert (found.status, found.reason, found.suggested_lr) == (Status.NO_SUGGESTION, Refusal.NOISE, None)
    assert "probes.max_steps" in found.message


def test_a_best_at_the_end_of_the_range_is_still_descending() -> None:
    refused = analysis_with(reason=Refusal.STILL_DESCENDING)
    at_the_end = round_at({HIGHEST / ROOT_10: 0.5, HIGHEST: 0.1})
    assert conclude(refused, at_the_end, "constant", HIGHEST, sure=True) == refused
    below = round_at({0.1: 0.5, 0.1 * ROOT_10: 0.1, 1.0: 0.5})
    assert conclude(refused, below, "constant", HIGHEST, sure=True).status is Status.OK
