from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from helpers import example_result
from hypothesis import given
from hypothesis import strategies as st

from lrfind.analysis.probes import Plan, best_lr, next_lr, refine
from lrfind.record import Probe, StopReason

STEPS = 8


def probe(lr: float, level: float) -> Probe:
    if math.isfinite(level):
        return Probe(lr, (2.0,) * 6 + (level,) * 2, StopReason.COMPLETED)
    return Probe(lr, (2.0, 9.0, math.nan), StopReason.NON_FINITE)


def parabola(best: float) -> Callable[[float], float]:
    """Return a loss with its minimum at 10^best, which diverges a decade above."""
    return lambda lr: math.inf if math.log10(lr) > best + 1 else (math.log10(lr) - best) ** 2


def search(loss: Callable[[float], float], start_lr: float, limit: int = 30) -> list[Probe]:
    probes: list[Probe] = []
    while (lr := next_lr(probes, Plan((start_lr,), STEPS, limit))) is not None:
        probes.append(probe(lr, loss(lr)))
    return probes


def test_the_score_is_the_mean_of_the_last_quarter() -> None:
    assert probe(0.1, 0.5).end_loss == 0.5
    assert probe(0.1, math.inf).end_loss == math.inf
    assert Probe(0.1, (1.0,) * 5, StopReason.DIVERGED).end_loss == math.inf


def test_the_first_probe_is_where_the_sweep_points() -> None:
    assert next_lr([], Plan((0.03,), STEPS, 8)) == 0.03


@given(best=st.floats(-5, 0), off=st.floats(-2, 1.5))
def test_the_minimum_is_found_from_wherever_the_search_starts(best: float, off: float) -> None:
    probes = search(parabola(best), 10 ** (best + off))
    found = best_lr(probes)
    assert found is not None
    assert math.log10(found) == pytest.approx(best, abs=0.01)
    assert len({probe.lr for probe in probes}) == len(probes) <= 12


def test_a_start_that_diverges_leads_downwards() -> None:
    probes = search(parabola(-3), 1e-1)
    assert [math.log10(probe.lr) for probe in probes[:4]] == pytest.approx([-1, -1.5, -2, -2.5])


def test_all_diverged_gives_nothing() -> None:
    probes = search(lambda lr: math.inf, 1.0, limit=4)
    assert best_lr(probes) is None
    analysis = example_result().analysis
    assert refine(analysis, probes, STEPS, "constant") == analysis


def test_the_best_at_an_edge_is_taken_as_it_is() -> None:
    assert best_lr([probe(0.1, 1.0), probe(0.3, 2.0)]) == 0.1


def test_refining_moves_the_suggestion_and_its_range_with_it() -> None:
    analysis = example_result().analysis
    refined = refine(analysis, search(parabola(-3), 2e-3), STEPS, "onecycle")
    assert refined.method == "probes"
    assert refined.suggested_lrs["cosine"] == pytest.approx(1e-3, rel=0.05)
    assert refined.suggested_lrs["constant"] == pytest.approx(0.5e-3, rel=0.05)
    assert refined.suggested_lr == pytest.approx(0.5e-3 / 0.506, rel=0.05)
    assert refined.safe_range is not None
    assert refined.safe_range[0] < refined.suggested_lr < refined.safe_range[1]
    assert [candidate.method for candidate in refined.candidates][-1] == "probes"
    assert "a cold start takes less" in refined.message
