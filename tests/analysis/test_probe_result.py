from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from probe_rounds import STEPS, TRAINING, analysis_with, probe, probes_at, valley

from lrfind.analysis.probe_result import (
    ABOVE,
    BELOW,
    DOUBTFUL,
    DRIFT_NORMALIZED,
    DRIFT_PROPORTIONAL,
    LONG,
    SHARES,
    UNKNOWN,
    Training,
    analysis_of_probes,
)
from lrfind.records.types import Analysis, Probe, Refusal, Status, StopReason

FLAT = {0.03: 1.0, 0.1: 0.999, 0.3: 1.001}


def said(ends: dict[float, float], training: Training = TRAINING, analysis: Analysis | None = None) -> Analysis:
    return analysis_of_probes(analysis or analysis_with(), probes_at(ends), training)


def suggested(training: Training, probes: Sequence[Probe] = probes_at(valley(0.01))) -> float:
    lr = analysis_of_probes(analysis_with(), probes, training).suggested_lr
    assert lr is not None
    return lr


@pytest.mark.parametrize(
    ("normalized", "drift"), [(True, DRIFT_NORMALIZED), (False, DRIFT_PROPORTIONAL), (None, DRIFT_PROPORTIONAL)]
)
def test_the_longer_the_training_the_lower_its_learning_rate(normalized: bool | None, drift: float) -> None:
    training = replace(TRAINING, normalized=normalized)
    assert suggested(training) == pytest.approx(0.01)
    assert suggested(replace(training, steps=100 * STEPS)) == pytest.approx(0.01 / 100**drift)
    assert suggested(replace(training, steps=STEPS // 2)) == pytest.approx(0.01)  # nothing is known of shorter ones
    assert suggested(replace(training, steps=None)) == pytest.approx(0.01 * (STEPS / LONG) ** drift)


def test_updates_that_shrink_by_themselves_need_no_lower_learning_rate() -> None:
    training = replace(TRAINING, normalized=True, steps=100 * STEPS)
    assert suggested(replace(training, shrinks=DRIFT_NORMALIZED)) == pytest.approx(0.01)
    assert suggested(replace(training, shrinks=0.3)) == pytest.approx(0.01 / 100 ** (DRIFT_NORMALIZED - 0.3))


def test_a_peak_is_twice_the_constant() -> None:
    found = said(valley(0.01), replace(TRAINING, schedule="cosine"))
    assert found.method == "probes"
    assert found.suggested_lrs["constant"] == pytest.approx(0.01)
    assert found.suggested_lr == found.suggested_lrs["cosine"] == pytest.approx(0.02)
    assert found.candidates[-1].method == "probes"
    assert "as well" in found.message


def test_the_safe_range_lies_around_the_suggestion() -> None:
    found = said(valley(0.01))
    assert found.safe_range == pytest.approx((0.01 / BELOW, 0.01 * ABOVE))


@pytest.mark.parametrize(
    ("best", "words"), [(0.001, "a cold start needs less"), (0.01, "best as well"), (0.1, ", 10 times above")]
)
def test_the_message_says_where_the_probes_are_beside_the_sweep(best: float, words: str) -> None:
    assert words in said(valley(best)).message


def looked_at(probes: Sequence[Probe]) -> list[Probe]:
    """Return the probes with held-out losses that fall as their training losses do."""
    return [
        replace(each, held_out_steps=(0, each.steps), held_out=((1.0,) * 4, (each.end_loss,) * 4)) for each in probes
    ]


def test_without_held_out_losses_it_is_never_sure() -> None:
    assert said(valley(0.01)).confidence == UNKNOWN < SHARES[True][0]


def test_losses_on_samples_not_seen_before_are_held_out_losses() -> None:
    assert said(valley(0.01), replace(TRAINING, unseen_steps=STEPS)).confidence == SHARES[True][0]
    assert said(valley(0.01), replace(TRAINING, unseen_steps=STEPS - 1)).confidence == UNKNOWN


@pytest.mark.parametrize(("times", "reach"), [(1, 0), (2, 0), (8, 1), (20, 2)])
def test_confidence_is_lower_the_less_the_probes_saw_of_the_training(times: int, reach: int) -> None:
    training = replace(TRAINING, steps=times * STEPS)
    at, above = looked_at(probes_at(valley(0.01))), looked_at(probes_at(valley(0.1)))
    assert analysis_of_probes(analysis_with(), at, training).confidence == SHARES[True][reach]
    assert analysis_of_probes(analysis_with(), above, training).confidence == SHARES[False][reach]
    unclear = analysis_with(reason=Refusal.NOISE)
    assert analysis_of_probes(unclear, at, training).confidence == SHARES[False][reach]


def test_an_unknown_length_is_never_sure() -> None:
    longer = looked_at(probes_at(valley(0.01), LONG))
    unknown = analysis_of_probes(analysis_with(), longer, replace(TRAINING, steps=None))
    assert unknown.confidence == UNKNOWN
    assert analysis_of_probes(analysis_with(), longer, replace(TRAINING, steps=LONG)).confidence == SHARES[True][0]


def test_a_best_that_does_worse_on_held_out_data_is_doubtful() -> None:
    low, best, high = probes_at(valley(0.01), 80)
    looks = [[1.0] * 8, [0.3 + 0.01 * batch for batch in range(8)]]
    worse = probe(0.01, best.end_loss, 80, looks)
    assert analysis_of_probes(analysis_with(), [low, worse, high], TRAINING).confidence == DOUBTFUL


def overfitting() -> list[Probe]:
    """Return probes the best of which has its lowest held-out loss in the middle."""
    looks = [[abs(look - 4) / 10 + 0.5 + 0.001 * batch for batch in range(4)] for look in range(9)]
    low, _, high = probes_at(valley(0.01), 80)
    return [low, probe(0.01, 0.1, 80, looks), high]


def test_a_training_that_would_overfit_gets_a_lower_learning_rate() -> None:
    found = analysis_of_probes(analysis_with(), overfitting(), replace(TRAINING, steps=400))
    assert found.suggested_lr == pytest.approx(0.01 * 40 / 400)
    assert found.confidence == DOUBTFUL
    assert "held-out loss rises" in found.message
    assert "overfit" in found.candidates[-1].note
    short = analysis_of_probes(analysis_with(), overfitting(), replace(TRAINING, steps=40))
    assert short.suggested_lr == pytest.approx(0.01)


def test_the_longest_round_counts() -> None:
    short, long = probes_at(valley(0.1), 20), probes_at(valley(0.01), 80)
    for probes in ([*short, *long], [*long, *short]):
        assert suggested(replace(TRAINING, steps=80), probes) == pytest.approx(0.01)


def test_a_round_that_was_cut_short_leaves_what_the_one_before_says() -> None:
    short = probes_at(valley(0.1), 20)
    cut = [*probes_at({0.1: 0.4}, 80), Probe(0.03, 80, (1.0, 0.9), StopReason.INTERRUPTED)]
    assert suggested(replace(TRAINING, steps=20), [*short, *cut]) == pytest.approx(0.1)


def test_too_few_probes_leave_what_the_sweep_says() -> None:
    analysis = analysis_with()
    assert analysis_of_probes(analysis, (), TRAINING) is analysis
    assert analysis_of_probes(analysis, probes_at({0.1: 0.4, 0.3: 0.5}), TRAINING) is analysis


def test_no_descent_in_the_probes_is_a_refusal() -> None:
    found = said(FLAT, analysis=analysis_with(1.0, reason=Refusal.NOISE))
    assert (found.status, found.reason, found.suggested_lr) == (Status.NO_SUGGESTION, Refusal.NOISE, None)


def test_probes_answer_where_the_sweep_alone_does_not() -> None:
    found = said(valley(0.01), analysis=analysis_with(reason=Refusal.NO_PLATEAU))
    assert (found.status, found.reason) == (Status.OK, None)
