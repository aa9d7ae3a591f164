from __future__ import annotations

import math

import pytest
from probe_rounds import HIGHEST, STEPS, analysis_with, round_at, valley

from lrfind.analysis.probe_result import CERTAIN, DRIFT, HIDDEN, LONG, analysis_of_probes, for_length
from lrfind.records.types import Refusal, Status


def test_the_longer_the_training_the_lower_its_learning_rate() -> None:
    assert for_length(0.01, 25, 25) == 0.01
    assert for_length(0.01, 25, 250) == pytest.approx(0.01 / 10**DRIFT)
    assert for_length(0.01, 400, 100) == 0.01  # nothing is known of shorter ones


def test_a_peak_is_twice_the_constant_for_the_length_of_the_training() -> None:
    made = round_at({10**-2.5: 0.5, 0.01: 0.1, 10**-1.5: 0.5})
    found = analysis_of_probes(analysis_with(), made, "cosine", HIGHEST, sure=True, train_steps=10 * STEPS)
    assert found.method == "probes"
    assert found.suggested_lrs["constant"] == pytest.approx(0.01 / 10**DRIFT)
    assert found.suggested_lr == found.suggested_lrs["cosine"] == pytest.approx(0.02 / 10**DRIFT)
    assert found.safe_range is not None
    assert found.safe_range[0] < found.suggested_lr < found.safe_range[1]
    assert found.candidates[-1].method == "probes"
    assert "as well" in found.message
    unknown = analysis_of_probes(analysis_with(), made, "cosine", HIGHEST, sure=True)
    assert unknown.suggested_lr == pytest.approx(2 * for_length(0.01, STEPS, LONG))


def test_the_range_is_where_probes_make_two_thirds_of_the_drop() -> None:
    ends = {0.001: 1.0, 0.01: 0.0, 0.1: 1.0}
    found = analysis_of_probes(analysis_with(), round_at(ends), "constant", HIGHEST, sure=True, train_steps=STEPS)
    assert found.safe_range is not None
    low, high = found.safe_range
    assert math.log10(low) == pytest.approx(-2 - 1 / 3)
    assert math.log10(high) == pytest.approx(-2 + 1 / 3)


@pytest.mark.parametrize(
    ("best", "said"), [(0.001, "a cold start needs less"), (0.01, "best as well"), (0.1, "10.0 times above")]
)
def test_the_message_says_where_the_probes_are_beside_the_sweep(best: float, said: str) -> None:
    assert said in analysis_of_probes(analysis_with(), valley(best), "constant", HIGHEST, sure=True).message


def test_confidence_grows_with_the_descent_and_falls_without_one() -> None:
    def confidence(significance: float, *, sure: bool = True) -> float:
        return analysis_of_probes(analysis_with(significance), valley(0.01), "constant", HIGHEST, sure=sure).confidence

    assert confidence(1.0) == HIDDEN < confidence(5.0) < 0.9 < confidence(20.0) < 1.0
    assert confidence(1e6) == CERTAIN
    assert confidence(20.0, sure=False) == pytest.approx(confidence(20.0) / 2, abs=0.01)


def test_no_descent_in_the_probes_is_a_refusal() -> None:
    found = analysis_of_probes(
        analysis_with(1.0, reason=Refusal.NOISE), round_at({0.1: 0.99}), "constant", HIGHEST, sure=False
    )
    assert (found.status, found.reason, found.suggested_lr) == (Status.NO_SUGGESTION, Refusal.NOISE, None)
    assert "$max_probe_steps" in found.message


def test_a_best_probe_at_the_end_of_the_range_is_still_descending() -> None:
    at_the_end = round_at({HIGHEST / 3: 0.5, HIGHEST: 0.1})
    found = analysis_of_probes(analysis_with(), at_the_end, "constant", HIGHEST, sure=False)
    assert (found.reason, found.suggested_lr) == (Refusal.STILL_DESCENDING, None)
    assert "raise $end_lr" in found.message


def test_a_best_probe_below_all_others_is_not_trusted() -> None:
    found = analysis_of_probes(analysis_with(), round_at({0.1: 0.1, 0.3: 0.5}), "constant", HIGHEST, sure=False)
    assert (found.reason, found.suggested_lr) == (Refusal.UNSURE, None)
    assert "lower $start_lr" in found.message


def test_probes_answer_where_the_sweep_alone_does_not() -> None:
    refused = analysis_with(reason=Refusal.NO_PLATEAU)
    found = analysis_of_probes(refused, valley(0.01), "constant", HIGHEST, sure=True)
    assert (found.status, found.reason) == (Status.OK, None)
