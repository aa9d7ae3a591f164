from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from helpers import example_sweep
from hypothesis import given
from hypothesis import strategies as st
from strategies import sweeps

from lrfind.analysis.suggest import Method, analyze, next_length
from lrfind.records.types import Refusal, Status, StopReason, Sweep

LRS = tuple(10 ** (-7 + 8 * index / 99) for index in range(100))


def response(log_lr: float) -> float:
    """Plateau at 2.3, steepest at 10^-3, floor at 0.3, explosion from 0.1 on."""
    return 2.3 - 2 / (1 + math.exp(-5 * (log_lr + 3))) + 30 * max(log_lr + 1, 0) ** 3


def sweep_of(
    loss: Callable[[float], float],
    noise: float = 0.03,
    seed: int = 0,
    lrs: tuple[float, ...] = LRS,
    stop: StopReason = StopReason.COMPLETED,
) -> Sweep:
    return example_sweep(lambda lr: loss(math.log10(lr)), noise, seed, lrs, stop)


@pytest.mark.parametrize("seed", range(5))
def test_the_end_of_the_descent_is_suggested(seed: int) -> None:
    analysis = analyze(sweep_of(response, seed=seed))
    assert analysis.status is Status.OK
    assert analysis.reason is None
    assert analysis.method == "descent_end"
    assert analysis.suggested_lr is not None
    # Two thirds of a logistic drop of steepness 5 lie 0.14 decades above its centre.
    assert math.log10(analysis.suggested_lr) == pytest.approx(-2.86, abs=0.25)
    assert analysis.confidence > 0.55
    assert analysis.safe_range is not None
    assert analysis.safe_range[0] < analysis.suggested_lr < analysis.safe_range[1] < 0.3
    assert next_length(analysis, 100, 800) is None


def test_every_method_is_a_candidate_and_can_be_chosen() -> None:
    sweep = sweep_of(response)
    candidates = {candidate.method: candidate.lr for candidate in analyze(sweep).candidates}
    assert set(candidates) == {"minimum", "valley", "steepest", "descent_end"}
    assert candidates["steepest"] == pytest.approx(1e-3, rel=0.5)
    methods: tuple[Method, ...] = ("minimum", "valley", "steepest", "descent_end")
    for method in methods:
        analysis = analyze(sweep, method)
        assert analysis.method == method
        assert analysis.suggested_lr == candidates[method]


@given(scale=st.floats(1e-3, 1e4), shift=st.floats(-100, 100), factor=st.floats(1e-3, 1e3))
def test_it_knows_no_scale_of_the_loss_and_no_zero_of_the_learning_rate(
    scale: float, shift: float, factor: float
) -> None:
    sweep = sweep_of(response)
    other = Sweep(
        0,
        tuple(factor * lr for lr in sweep.lrs),
        tuple(scale * (loss + shift) for loss in sweep.losses),
        sweep.stop_reason,
    )
    assert analyze(other).suggested_lr == pytest.approx(factor * (analyze(sweep).suggested_lr or 0), rel=1e-6)


@given(sweep=sweeps(), method=st.sampled_from(["auto", "steepest", "descent_end", "valley", "minimum"]))
def test_no_sweep_makes_it_raise_and_what_it_says_is_consistent(sweep: Sweep, method: Method) -> None:
    analysis = analyze(sweep, method)
    assert len(analysis.smoothed) == len(sweep.lrs)
    assert analysis.message
    if analysis.status is Status.OK:
        assert analysis.suggested_lr is not None
        assert analysis.safe_range is not None
        low, high = analysis.safe_range
        assert 0 < low <= analysis.suggested_lr <= high < math.inf
        assert 0 < analysis.confidence < 1
        assert analysis.reason is None
    else:
        assert analysis.reason is not None
        assert (analysis.suggested_lr, analysis.safe_range, analysis.confidence) == (None, None, 0)


def explosion(log_lr: float) -> float:
    return 2.3 + 30 * max(log_lr + 1, 0) ** 3


@pytest.mark.parametrize(
    ("sweep", "reason", "knob"),
    [
        (sweep_of(lambda log_lr: 2.3, noise=0), Refusal.FLAT, "$end_lr"),
        (sweep_of(lambda log_lr: 0.0, noise=0), Refusal.FLAT, "$end_lr"),
        (sweep_of(lambda log_lr: 2.3, noise=0.3), Refusal.NOISE, "$max_iter"),
        (sweep_of(explosion, stop=StopReason.DIVERGED), Refusal.NOISE, "larger batches"),
        (sweep_of(lambda log_lr: response(min(log_lr, -1)), lrs=LRS[:52]), Refusal.STILL_DESCENDING, "$end_lr"),
        (sweep_of(response, lrs=LRS[:52], stop=StopReason.DATA_ENDED), Refusal.STILL_DESCENDING, "give it more data"),
        (
            sweep_of(response, lrs=LRS[:52], stop=StopReason.INTERRUPTED),
            Refusal.STILL_DESCENDING,
            "let it run to its end",
        ),
        (
            sweep_of(
                lambda log_lr: 2.3 + (log_lr + 7) ** 2,
                lrs=tuple(10 ** (-7 + index / 30) for index in range(60)),
                stop=StopReason.DIVERGED,
            ),
            Refusal.DIVERGED_AT_ONCE,
            "lower $start_lr",
        ),
        (
            Sweep(0, LRS[:4], (2.3, 9.0, 1e9, math.nan), StopReason.NON_FINITE),
            Refusal.DIVERGED_AT_ONCE,
            "lower $start_lr",
        ),
        (Sweep(0, LRS[:1], (math.nan,), StopReason.NON_FINITE), Refusal.NON_FINITE_AT_START, "the data, the model"),
        (Sweep(0, LRS[:9], (2.3,) * 9, StopReason.DATA_ENDED), Refusal.TOO_FEW_POINTS, "more data"),
        (Sweep(0, (), (), StopReason.INTERRUPTED), Refusal.TOO_FEW_POINTS, "let it run"),
    ],
)
def test_a_curve_that_does_not_say_is_refused_with_the_knob_to_turn(sweep: Sweep, reason: Refusal, knob: str) -> None:
    analysis = analyze(sweep)
    assert analysis.status is Status.NO_SUGGESTION
    assert analysis.reason is reason
    assert knob in analysis.message


@pytest.mark.parametrize("seed", range(30))
def test_pure_noise_is_always_refused(seed: int) -> None:
    analysis = analyze(sweep_of(lambda log_lr: 2.3, noise=0.3, seed=seed))
    assert analysis.reason is Refusal.NOISE
    assert next_length(analysis, 100, 800) == 400


def test_only_noise_asks_for_a_longer_sweep() -> None:
    thin = analyze(sweep_of(response, noise=0.6))
    assert thin.status is Status.OK
    assert "raise $max_iter" in thin.message
    assert next_length(thin, 100, 800) == 200
    assert next_length(analyze(sweep_of(response, noise=0.2)), 100, 800) is None
    assert next_length(analyze(sweep_of(lambda log_lr: 2.3, noise=0)), 100, 800) is None


def test_no_sweep_is_longer_than_the_user_allows() -> None:
    hidden = analyze(sweep_of(lambda log_lr: 2.3, noise=0.3))
    assert next_length(hidden, 100, 800) == 400
    assert next_length(hidden, 400, 800) == 800
    assert next_length(hidden, 800, 800) is None
    assert next_length(hidden, 100, 10) is None


@pytest.mark.parametrize("start", [-3.2, -2.5, -1.5])
def test_a_sweep_that_starts_in_the_descent_and_shows_no_rise_is_refused(start: float) -> None:
    lrs = tuple(10 ** (start + 2.5 * index / 99) for index in range(100))
    analysis = analyze(sweep_of(lambda log_lr: response(min(log_lr, -1)), lrs=lrs))
    assert analysis.status is Status.NO_SUGGESTION
    assert analysis.reason in (Refusal.NO_PLATEAU, Refusal.NOISE, Refusal.DIVERGED_AT_ONCE)
    assert "$start_lr" in analysis.message or analysis.reason is Refusal.NOISE


def test_a_plateau_of_losses_that_have_blown_up_is_none() -> None:
    """With Adam, far too high a learning rate throws the weights away once, and from there they find their way back."""
    blown = sweep_of(lambda x: 800 - 790 / (1 + math.exp(-5 * (x + 3))), noise=50)
    analysis = analyze(Sweep(0, blown.lrs, (2.3, *blown.losses[1:]), blown.stop_reason))
    assert analysis.reason is Refusal.DIVERGED_AT_ONCE
    assert analyze(blown).reason is not Refusal.DIVERGED_AT_ONCE


def test_a_sweep_that_blows_up_in_its_descent_stays_below() -> None:
    whole = sweep_of(response)
    cut = Sweep(0, whole.lrs[:52], (*whole.losses[:51], math.nan), StopReason.NON_FINITE)
    analysis = analyze(cut)
    assert analysis.suggested_lr is not None
    assert analysis.safe_range is not None
    assert analysis.suggested_lr <= analysis.safe_range[1] <= cut.lrs[-2] / 2.9


def test_rounding_is_no_descent() -> None:
    losses = (0.7,) * 40 + (0.7 - 1e-8,) * 40 + tuple(0.7 + 0.1 * 2**index for index in range(20))
    assert analyze(Sweep(0, LRS, losses, StopReason.DIVERGED)).status is Status.NO_SUGGESTION


def test_a_linear_ladder_is_read_too() -> None:
    lrs = tuple(1e-5 + (0.05 - 1e-5) * index / 199 for index in range(200))
    analysis = analyze(sweep_of(response, lrs=lrs))
    assert analysis.status is Status.NO_SUGGESTION or 3e-4 < (analysis.suggested_lr or 0) < 3e-2


def test_a_few_points_that_agree_on_nothing_are_refused() -> None:
    analysis = analyze(sweep_of(response, noise=0.3, lrs=LRS[::8]))
    assert analysis.status is Status.NO_SUGGESTION or analysis.confidence < 0.9


def test_a_single_spike_moves_nothing() -> None:
    sweep = sweep_of(response)
    losses = list(sweep.losses)
    losses[12] = 40.0
    spiked = analyze(Sweep(0, sweep.lrs, tuple(losses), sweep.stop_reason))
    assert spiked.suggested_lr == pytest.approx(analyze(sweep).suggested_lr, rel=0.3)


def test_negative_losses_are_read_like_any_other() -> None:
    below = analyze(sweep_of(lambda log_lr: response(log_lr) - 50))
    assert below.suggested_lr == pytest.approx(analyze(sweep_of(response)).suggested_lr, rel=1e-6)
