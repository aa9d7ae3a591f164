"""Judging a learning rate: inside, too high, too low, drifted, or nothing to judge by."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers import END_LR, example_result, refused_result

from lrfind.check.verdict import Finding, judge
from lrfind.errors import ExitCode, RecordError
from lrfind.records.types import Probe, StopReason

LOW, HIGH = 2e-3, 4e-2  # of the example


@pytest.mark.parametrize(
    ("lr", "finding", "factor", "words"),
    [
        (END_LR, Finding.OK, None, "LR 0.0063 lies in the safe range 0.002 to 0.04."),
        (LOW, Finding.OK, None, "lies in"),
        (HIGH, Finding.OK, None, "lies in"),
        (0.1, Finding.TOO_HIGH, 2.5, "2.5 times above the safe range 0.002 to 0.04; use 0.0063."),
        (1e-4, Finding.TOO_LOW, 20.0, "20 times below the safe range 0.002 to 0.04; use 0.0063."),
        (None, Finding.OK, None, ""),
    ],
)
def test_a_learning_rate_is_judged_by_the_safe_range(
    lr: float | None, finding: Finding, factor: float | None, words: str
) -> None:
    verdict = judge(example_result(), lr, None, 2.0)
    assert verdict.finding is finding
    assert verdict.factor == (None if factor is None else pytest.approx(factor))
    assert words in verdict.message
    assert verdict.exit_code is (ExitCode.OUTSIDE if finding is Finding.TOO_HIGH else ExitCode.OK)


@pytest.mark.parametrize(("train_steps", "code"), [(None, ExitCode.OK), (1000, ExitCode.OK), (100, ExitCode.OUTSIDE)])
def test_too_low_fails_only_if_the_probes_saw_trainings_of_that_length(train_steps: int | None, code: ExitCode) -> None:
    probe = Probe(0.01, 66, (1.0,) * 66, StopReason.COMPLETED)
    result = replace(example_result(), probes=(probe,), settings={"train": {"steps": train_steps}})
    verdict = judge(result, 1e-4, None, 2.0)
    assert (verdict.finding, verdict.exit_code) == (Finding.TOO_LOW, code)
    assert ("only a warning" in verdict.message) == (code is ExitCode.OK)


@pytest.mark.parametrize(
    ("baseline", "finding", "words"),
    [
        (END_LR, Finding.OK, "is that of the baseline"),
        (END_LR / 1.9, Finding.OK, "1.9 times as high as the baseline's 0.00332, within the tolerance of 2."),
        (END_LR * 1.9, Finding.OK, "1.9 times lower than"),
        (END_LR / 2.1, Finding.DRIFTED, "more than the tolerance of 2: look for what changed"),
        (END_LR * 2.1, Finding.DRIFTED, "2.1 times lower than"),
    ],
)
def test_a_drift_beyond_the_tolerance_fails(baseline: float, finding: Finding, words: str) -> None:
    before = example_result(suggested_lr=baseline, suggested_lrs={"constant": baseline})
    verdict = judge(example_result(), None, before, 2.0)
    assert verdict.finding is finding
    assert words in verdict.message
    assert verdict.drift == pytest.approx(END_LR / baseline)


def test_a_rate_outside_counts_before_a_drift_and_both_are_said() -> None:
    before = example_result(suggested_lr=1.0, suggested_lrs={"constant": 1.0})
    verdict = judge(example_result(), 1.0, before, 2.0)
    assert verdict.finding is Finding.TOO_HIGH
    assert "too high" in verdict.message
    assert "look for what changed" in verdict.message


def test_a_baseline_for_another_schedule_is_compared_by_the_same_one() -> None:
    cosine = example_result(suggested_lr=2 * END_LR)
    assert judge(example_result(), None, cosine, 1.0).finding is Finding.OK
    assert judge(cosine, None, example_result(), 1.0).finding is Finding.OK


def test_without_a_suggestion_nothing_can_be_judged() -> None:
    verdict = judge(refused_result(), 0.01, None, 2.0)
    assert (verdict.finding, verdict.exit_code) == (Finding.NO_SUGGESTION, ExitCode.NO_SUGGESTION)
    assert verdict.message == refused_result().analysis.message


def test_a_run_that_was_cut_short_is_not_judged() -> None:
    interrupted = judge(replace(example_result(), interrupted=True), END_LR, None, 2.0)
    assert (interrupted.finding, interrupted.exit_code) == (Finding.CUT_SHORT, ExitCode.INTERRUPTED)
    failed = judge(replace(example_result(), error="step 7: no memory"), END_LR, None, 2.0)
    assert (failed.finding, failed.exit_code) == (Finding.CUT_SHORT, ExitCode.FAILED)
    assert "step 7: no memory" in failed.message


def test_a_baseline_without_a_suggestion_is_said() -> None:
    with pytest.raises(RecordError, match="--against: expected a record that suggests"):
        judge(example_result(), None, refused_result(), 2.0)
