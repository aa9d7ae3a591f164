from __future__ import annotations

import math

import pytest
from helpers import MINIMUM_LR, example_sweep
from hypothesis import given
from hypothesis import strategies as st

from lrfind.analysis.landmarks import curve, fit
from lrfind.analysis.suggest import analyze
from lrfind.analysis.valleys import Valleys, find_valleys, until
from lrfind.records.types import Status, StopReason, Sweep
from lrfind.training.ladder import ladder

LRS = ladder(1e-7, 10, 100)


def step(x: float, centre: float, steepness: float = 8) -> float:
    return 1 / (1 + math.exp(-steepness * (x - centre)))


def two_valleys(lr: float, height: float = 0.8, second: float = 1.5) -> float:
    """Fall by 1.2 at 1e-4, rise by `height` at 1e-3, fall by `second` at 1e-2."""
    x = math.log10(lr)
    return 2.3 - 1.2 * step(x, -4) + height * step(x, -3) - second * step(x, -2) + 20 * max(x, 0) ** 2


def turned(sweep: Sweep) -> Valleys:
    seen = curve(sweep)
    assert seen is not None
    return find_valleys(fit(seen))


def sweep_of(noise: float = 0.02, seed: int = 0, height: float = 0.8, second: float = 1.5) -> Sweep:
    return example_sweep(lambda lr: two_valleys(lr, height, second), noise, seed, LRS, StopReason.COMPLETED)


def lr_at(index: int | None) -> float:
    assert index is not None
    return LRS[index]


@pytest.mark.parametrize("second", [0.5, 1.5], ids=["the first is deeper", "the second is deeper"])
def test_a_hump_and_its_valleys_are_found_where_they_are(second: float) -> None:
    found = turned(sweep_of(second=second))
    assert lr_at(found.floor) == pytest.approx(10**-3.5, rel=0.5)
    assert lr_at(found.hump) == pytest.approx(10**-2.5, rel=0.5)
    assert 1e-2 < lr_at(found.second) < 1
    assert found.rise is not None
    assert found.floor < found.rise <= (found.hump or 0)


def test_one_valley_has_its_rise_and_no_hump() -> None:
    found = turned(example_sweep())
    assert (found.hump, found.second) == (None, None)
    assert example_sweep().lrs[found.floor] == pytest.approx(MINIMUM_LR, rel=1)
    assert found.rise is not None


def test_a_descent_alone_has_no_rise() -> None:
    assert turned(example_sweep(lambda lr: 2.3 - 2 * step(math.log10(lr), -3), lrs=LRS)).rise is None


def test_the_lower_valley_is_suggested_and_both_are_named() -> None:
    analysis = analyze(sweep_of())
    assert analysis.status is Status.OK
    assert analysis.suggested_lr == pytest.approx(1e-4, rel=1)
    assert analysis.safe_range is not None
    assert analysis.safe_range[1] < 1e-3
    assert "two valleys, at 0.000" in analysis.message
    assert analysis.landmarks is not None
    assert analysis.landmarks.minimum_lr > 1e-2  # what was measured; probes start there


def test_two_valleys_halve_the_confidence() -> None:
    assert analyze(sweep_of()).confidence < 0.6 * analyze(example_sweep()).confidence


@given(seed=st.integers(0, 2**20), noise=st.floats(0, 0.5), scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
def test_a_wiggle_is_no_hump(seed: int, noise: float, scale: float, shift: float) -> None:
    calm = example_sweep(lambda lr: 2.3 - 2 * step(math.log10(lr), -3), noise, seed, LRS)
    losses = tuple(scale * (loss + shift) for loss in calm.losses)
    assert turned(Sweep(0, calm.lrs, losses, calm.stop_reason)).hump is None


def test_noise_alone_makes_a_hump_in_one_of_a_thousand_curves_at_most() -> None:
    ragged = [example_sweep(lambda lr: 2.3, 0.3 * (1 + seed % 5), seed, LRS) for seed in range(1000)]
    assert sum(turned(sweep).hump is not None for sweep in ragged) <= 1


@given(height=st.floats(0.7, 1.0), seed=st.integers(0, 2**20), scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
def test_a_hump_is_found_in_any_unit(height: float, seed: int, scale: float, shift: float) -> None:
    plain = sweep_of(0.02, seed, height)
    losses = tuple(scale * (loss + shift) for loss in plain.losses)
    assert turned(Sweep(0, plain.lrs, losses, plain.stop_reason)) == turned(plain)
    assert turned(plain).hump is not None


def test_the_part_before_a_point_keeps_how_it_was_smoothed() -> None:
    seen = curve(sweep_of())
    assert seen is not None
    whole = fit(seen)
    part = until(whole, 40)
    assert part.smoothed.tolist() == whole.smoothed[:40].tolist()
    assert len(part.curve.log_lrs) == len(part.cautious) == len(part.slope) == len(part.error) == 40
