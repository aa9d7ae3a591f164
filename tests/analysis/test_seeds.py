from __future__ import annotations

import math
from dataclasses import replace

import pytest
from helpers import example_result, refused_result

from lrfind.analysis.seeds import median_run, pooled
from lrfind.records.types import Analysis, Refusal, Status


def suggesting(lr: float, confidence: float = 0.9) -> Analysis:
    analysis = example_result().analysis
    return replace(
        analysis,
        suggested_lr=lr,
        suggested_lrs={"constant": lr, "cosine": 2 * lr},
        safe_range=(lr / 3, 3 * lr),
        confidence=confidence,
    )


REFUSED = refused_result().analysis


def test_the_median_run_speaks_for_all() -> None:
    analyses = [suggesting(0.3, 0.9), suggesting(0.1, 0.6), suggesting(0.2, 0.9)]
    assert median_run(analyses) == 2
    found = pooled(analyses)
    assert found.suggested_lr == pytest.approx(0.2)
    assert found.confidence == 0.8
    assert "Median of 3 seeds: 0.1 to 0.3, spread 0.24 decades." in found.message


def test_of_an_even_number_the_geometric_mean_of_the_middle_two_is_taken() -> None:
    found = pooled([suggesting(0.1), suggesting(0.4)])
    assert found.suggested_lr == pytest.approx(0.2)
    assert found.suggested_lrs == pytest.approx({"constant": 0.2, "cosine": 0.4})
    assert found.safe_range == pytest.approx((0.2 / 3, 0.6))


def test_a_seed_without_a_suggestion_costs_confidence() -> None:
    found = pooled([suggesting(0.1), REFUSED, suggesting(0.1)])
    assert found.suggested_lr == pytest.approx(0.1)
    assert found.confidence == 0.6
    assert "1 gave none" in found.message


def test_half_of_the_seeds_without_a_suggestion_are_too_many() -> None:
    found = pooled([suggesting(0.1), REFUSED])
    assert (found.status, found.reason, found.suggested_lr) == (Status.NO_SUGGESTION, Refusal.UNSURE, None)
    assert found.message.startswith("1 of 2 seeds give no learning rate")


def test_when_all_refuse_the_last_reason_stands() -> None:
    assert pooled([REFUSED, REFUSED]) == REFUSED
    assert median_run([REFUSED, REFUSED]) == 1


def test_a_spread_needs_two_suggestions() -> None:
    result = example_result()
    assert result.spread is None
    assert math.isclose(pooled([suggesting(0.1)]).suggested_lr or 0.0, 0.1)
