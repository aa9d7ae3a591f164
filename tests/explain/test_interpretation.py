"""What trainings around a learning rate are said to show."""

from __future__ import annotations

from dataclasses import replace

import pytest
from explained import ALPHA, GOOD, SLOW, Loss, bouncing, decay, example_explanation, exploding, probe, still
from helpers import example_result

from lrfind.explain.interpretation import interpret
from lrfind.records.types import StopReason

LOW, HIGH = ALPHA / 10, ALPHA * 10


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (SLOW, bouncing, "0.1 is the best of the 3 in these 100 steps; 0.01 crawls, 1 overshoots."),
        (SLOW, GOOD, "1 is about as good as 0.1 in these 100 steps; 0.01 crawls."),
        (GOOD, GOOD, "0.01 or 1 is about as good as 0.1 in these 100 steps."),
        (SLOW, decay(0.4, 0.0), "1 is better than 0.1 in these 100 steps; 0.01 crawls."),
        (decay(0.1, 0.0), still, "0.01 is better than 0.1 in these 100 steps; 1 stalls."),
    ],
)
def test_the_finding(low: Loss, high: Loss, message: str) -> None:
    assert example_explanation(probe(LOW, low), probe(HIGH, high)).message == message


def test_a_rate_that_is_too_large_is_said_to_be() -> None:
    rising = probe(ALPHA, lambda step: 2.3 + 0.1 * step)
    said = example_explanation(probe(LOW, GOOD), probe(HIGH, exploding, 5, StopReason.DIVERGED), alpha=rising)
    assert said.message == "0.1 diverges; 0.01 descends."
    assert [run.note.split(",")[0] for run in said.runs][:2] == ["falls from 2.3 to 0.0977", "rises from 2.3 to 12"]


def test_nothing_that_descends_is_said() -> None:
    said = example_explanation(probe(LOW, still), probe(HIGH, still), alpha=probe(ALPHA, still))
    assert said.message == "0.1 does not descend in 100 steps; none of the others descends."


def test_notes_hold_what_was_measured() -> None:
    slow, good, bad = example_explanation().runs
    assert slow.note == f"ends at {slow.probe.end_loss:.3g}, where 0.1 was after {slow.alpha_steps} of 100 steps"
    assert good.note == f"falls from 2.3 to {good.probe.end_loss:.3g}, 90% of the way in {good.most_steps} steps"
    assert bad.note == f"rises from 2.3 to {bad.peak_loss:.3g}, and was stopped at step 9 of 100"


def test_a_training_that_is_cut_short_is_not_judged() -> None:
    cut = probe(HIGH, GOOD, 7, StopReason.INTERRUPTED)
    said = example_explanation(probe(LOW, SLOW), cut)
    assert said.message == "0.1 descends; not all of the others got to their end."
    assert (said.interrupted, said.runs[2].note) == (True, "was interrupted after 7 of 100 steps")
    alone = example_explanation(probe(LOW, SLOW), probe(HIGH, GOOD), alpha=replace(cut, lr=ALPHA))
    assert "nothing to compare" in alone.message


@pytest.mark.parametrize(
    ("factor", "roles"),
    [
        (10, ["a tenth", "suggested", "ten times"]),
        (2, ["half", "suggested", "twice"]),
        (3, ["a third", "suggested", "three times"]),
        (1.5, ["0.667 times", "suggested", "1.5 times"]),
        (7, ["0.143 times", "suggested", "7 times"]),
    ],
)
def test_roles_are_words(factor: float, roles: list[str]) -> None:
    said = example_explanation(probe(ALPHA / factor, GOOD), probe(ALPHA * factor, GOOD))
    assert [run.role for run in said.runs] == roles
    assert said.of_alpha.role == "suggested"


def test_a_schedule_of_the_record_is_told_apart() -> None:
    result = replace(
        example_result(suggested_lr=0.2, suggested_lrs={"constant": 0.1, "cosine": 0.2}),
        config={"train": {"schedule": "cosine"}},
    )
    trained = [(probe(ALPHA, GOOD), None)]
    assert (
        "(As the peak of cosine the record suggests 0.2;" in interpret(result, 0.1, trained, "t", given=False).message
    )
    assert "cosine" not in interpret(result, 0.1, trained, "t", given=True).message
