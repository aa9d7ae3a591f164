"""Every refusal: a curve or a round of probes that causes it, and the setting that its text says to change."""

from __future__ import annotations

import math

import pytest
from helpers import example_sweep
from probe_rounds import HIGHEST, STEPS, constant, round_at, round_of, trained, valley

from lrfind.analysis.probe_round import ProbeRound
from lrfind.analysis.refusals import MIN_POINTS, refusal_of_probes
from lrfind.analysis.suggest import analyze
from lrfind.errors import CONFIG, PYTHON, Words
from lrfind.records.types import Refusal, Status, StopReason, Sweep

NAN = math.nan


def ladder(first: float, last: float, points: int = 100) -> tuple[float, ...]:
    """Return learning rates from 10^first to 10^last."""
    return tuple(10 ** (first + (last - first) * index / (points - 1)) for index in range(points))


def descent(lr: float) -> float:
    """Return a plateau of 2.3 that falls to 0.3 around 1e-3."""
    return 2.3 - 2 / (1 + math.exp(-5 * (math.log10(lr) + 3)))


WHOLE = ladder(-7, 1)
HIGH, LOW = ladder(-2.5, 0), ladder(-7, -2.9)
FEW = WHOLE[: MIN_POINTS - 1]
BLOWN = example_sweep(lambda lr: 800 - 395 * (2.3 - descent(lr)), 50, 0, WHOLE)

SWEEPS: dict[str, tuple[Sweep, Refusal, str]] = {
    "flat": (example_sweep(lambda lr: 2.3, 0, 0, WHOLE), Refusal.FLAT, "raise $end_lr"),
    "noise": (example_sweep(lambda lr: 2.3, 0.3, 0, WHOLE), Refusal.NOISE, "raise $max_iter"),
    "low": (example_sweep(descent, 0.03, 0, LOW, StopReason.COMPLETED), Refusal.STILL_DESCENDING, "raise $end_lr"),
    "low, cut short": (
        example_sweep(descent, 0.03, 0, LOW, StopReason.DATA_ENDED),
        Refusal.STILL_DESCENDING,
        "give it more data, or a loader that can be read again",
    ),
    "high": (example_sweep(descent, 0.03, 0, HIGH), Refusal.NO_PLATEAU, "lower $start_lr, for example to 3e-05"),
    "rises at once": (
        example_sweep(lambda lr: 2.3 + 5 * math.log10(lr / 1e-3) ** 2, 0.03, 0, ladder(-3, 0), StopReason.DIVERGED),
        Refusal.DIVERGED_AT_ONCE,
        "lower $start_lr, for example to 1e-06",
    ),
    "blown up by the first update": (
        Sweep(0, BLOWN.lrs, (2.3, *BLOWN.losses[1:]), BLOWN.stop_reason),
        Refusal.DIVERGED_AT_ONCE,
        "lower $start_lr, for example to 1e-10",
    ),
    "blown up within a few updates": (
        Sweep(0, WHOLE[:4], (2.3, 9.0, 1e9, NAN), StopReason.NON_FINITE),
        Refusal.DIVERGED_AT_ONCE,
        "lower $start_lr",
    ),
    "not finite": (
        Sweep(0, WHOLE[:1], (NAN,), StopReason.NON_FINITE),
        Refusal.NON_FINITE_AT_START,
        "Look for the cause in the data, the model or the loss",
    ),
    "few points": (Sweep(0, FEW, (2.3,) * len(FEW), StopReason.DATA_ENDED), Refusal.TOO_FEW_POINTS, "more data"),
    "no point": (Sweep(0, (), (), StopReason.INTERRUPTED), Refusal.TOO_FEW_POINTS, "let it run to its end"),
    "failed before the descent": (
        example_sweep(lambda lr: 2.3, 0.3, 0, WHOLE[:30], StopReason.FAILED),
        Refusal.TOO_FEW_POINTS,
        "The sweep failed after 30 steps, before any descent: let it run to its end",
    ),
    "few points in noise": (
        example_sweep(descent, 0.5, 15, ladder(-7, 1, 12), StopReason.COMPLETED),
        Refusal.UNSURE,
        "raise $num_iter or $max_iter, or use larger batches",
    ),
}
PROBES: dict[str, tuple[ProbeRound, Refusal, str]] = {
    "no descent": (round_at({0.1: 1.0, 1.0: 1.001}), Refusal.NOISE, "raise $budget, use larger batches"),
    "trained already": (round_of(trained(0.03), trained(0.1)), Refusal.NOISE, "The model knows this data already"),
    "only a constant": (round_of(constant(0.03), constant(0.1)), Refusal.NOISE, "check the scale of the inputs"),
    "best at the highest": (round_at({1.0: 0.5, HIGHEST: 0.1}), Refusal.STILL_DESCENDING, "raise $end_lr"),
    "all blew up": (
        round_at({0.1: math.inf, 1.0: math.inf}),
        Refusal.UNSURE,
        "raise $max_probes, or lower $start_lr and $end_lr",
    ),
}


@pytest.mark.parametrize(("sweep", "reason", "way_out"), SWEEPS.values(), ids=SWEEPS)
def test_a_curve_that_shows_no_learning_rate_is_refused_with_what_to_change(
    sweep: Sweep, reason: Refusal, way_out: str
) -> None:
    analysis = analyze(sweep)
    assert (analysis.status, analysis.reason) == (Status.NO_SUGGESTION, reason)
    assert way_out in analysis.message


@pytest.mark.parametrize(("probed", "reason", "way_out"), PROBES.values(), ids=PROBES)
def test_probes_that_show_no_learning_rate_are_refused_with_what_to_change(
    probed: ProbeRound, reason: Refusal, way_out: str
) -> None:
    refusal = refusal_of_probes(probed, HIGHEST, sweep_turns=False)
    assert refusal is not None
    assert refusal[0] is reason
    assert way_out in refusal[1]
    assert f"of {STEPS} steps" in refusal[1]


def test_probes_around_their_best_are_not_refused() -> None:
    assert refusal_of_probes(round_at(valley(0.1)), HIGHEST, sweep_turns=False) is None


def test_a_best_at_the_highest_is_near_enough_to_the_minimum_of_the_sweep() -> None:
    assert refusal_of_probes(round_at({1.0: 0.5, HIGHEST: 0.1}), HIGHEST, sweep_turns=True) is None


def test_every_refusal_has_a_curve_here() -> None:
    assert {reason for _, reason, _ in SWEEPS.values()} == set(Refusal)


@pytest.mark.parametrize(("words", "end_lr"), [(CONFIG, "sweep.end_lr"), (PYTHON, "end_lr")])
def test_the_settings_in_a_refusal_are_named_in_the_words_of_the_reader(words: Words, end_lr: str) -> None:
    assert f"raise {end_lr}, or" in words.fill(analyze(SWEEPS["flat"][0]).message)
