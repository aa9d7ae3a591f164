from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from probe_rounds import HIGHEST, analysis_with, round_at

from lrfind.analysis.probe_round import (
    ENOUGH,
    ProbeRound,
    finer_lrs,
    next_lr,
    probe_round,
    settled,
    starting_lr,
)
from lrfind.records.types import Analysis, Landmarks, Probe, Refusal, StopReason

ROOT_10 = math.sqrt(10)


def parabola(best: float) -> Callable[[float], float]:
    """Return a loss that is lowest, 0, at 10^best, 1 where nothing is learned, and infinite a decade above."""
    return lambda lr: math.inf if math.log10(lr) > best + 1 else min(1.0, (math.log10(lr) - best) ** 2)


def search(loss: Callable[[float], float], start_lr: float, most: int = 30) -> ProbeRound:
    ends: dict[float, float] = {}
    while (lr := next_lr(round_at(ends) if ends else None, start_lr, HIGHEST, most)) is not None:
        ends[lr] = loss(lr)
    return round_at(ends)


def landmarks_of(analysis: Analysis) -> Landmarks:
    assert analysis.landmarks is not None
    return analysis.landmarks


def test_a_round_takes_the_mean_of_the_last_quarter_of_its_steps() -> None:
    whole = Probe(0.1, 8, (2.0,) * 6 + (0.5, 0.7), StopReason.COMPLETED)
    blown = Probe(1.0, 8, (2.0, 2.0, 2.0, 1.0, 9.0, math.nan), StopReason.NON_FINITE)
    landmarks = landmarks_of(analysis_with())
    made = probe_round([whole, blown], 8, landmarks, sweep_steps=100)
    assert made.end_losses == {0.1: pytest.approx(0.6), 1.0: math.inf}
    assert probe_round([whole, blown], 4, landmarks, sweep_steps=100).end_losses == {0.1: 2.0, 1.0: 1.0}


def test_the_noise_of_a_round_is_that_of_two_means() -> None:
    landmarks = landmarks_of(analysis_with())
    probe = Probe(0.1, 8, (2.0,) * 8, StopReason.COMPLETED)
    made = probe_round([probe], 8, landmarks, sweep_steps=80)
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
    flat = round_at({10**-0.5: 1.0, 1.0: 0.99, ROOT_10: 1.0})
    assert settled(made, made, analysis_with())
    assert not settled(made, elsewhere, analysis_with())
    assert not settled(made, flat, analysis_with(significance=1.0, minimum_lr=1.0))
    assert settled(made, elsewhere, analysis_with(minimum_lr=2.0))
    assert not settled(flat, flat, analysis_with(minimum_lr=1.0))


@pytest.mark.parametrize("ends", [{1.0: 0.1, ROOT_10: 0.5}, {10**-0.5: 0.5, 1.0: 0.1}])
def test_a_best_probe_at_an_edge_does_not_settle_it(ends: dict[float, float]) -> None:
    made = round_at(ends)
    assert not settled(made, made, analysis_with(minimum_lr=1.0))
