from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from probe_rounds import probe

from lrfind.analysis.overfitting import highest_lasting_lr, turning_point
from lrfind.records.types import Probe

STEPS = 80


def looked(loss: Callable[[float], float], lr: float = 0.1, scatter: float = 0.01) -> Probe:
    """Return a probe whose held-out loss, on four batches, is a function of the share of its updates."""
    looks = [[loss(look / 8) + scatter * batch * (-1) ** look for batch in (-1, 0, 1, 2)] for look in range(9)]
    return probe(lr, 0.1, STEPS, looks)


def turning(share: float) -> Callable[[float], float]:
    """Return a loss that is lowest after that share of the updates."""
    return lambda done: abs(done - share) + 0.5


def test_the_turning_point_is_where_the_held_out_loss_is_lowest() -> None:
    assert turning_point(looked(turning(0.5))) == STEPS // 2


@pytest.mark.parametrize(
    "loss",
    [lambda done: 1 - done, turning(0.9), lambda done: 1.0, lambda done: 1 - done if done < 0.5 else 0.5],
    ids=["still falling", "too late to tell", "flat", "levelled off"],
)
def test_a_loss_that_does_not_rise_has_no_turning_point(loss: Callable[[float], float]) -> None:
    assert turning_point(looked(loss)) is None


def test_a_rise_that_is_scatter_is_no_turning_point() -> None:
    assert turning_point(looked(lambda done: 1.0, scatter=0.5)) is None
    jagged = [1.0, 0.5, 0.9, 0.4, 0.8, 0.5, 0.9, 0.6, 0.8]
    assert turning_point(looked(lambda done: jagged[round(8 * done)])) is None


def test_what_never_carried_over_to_other_data_does_not_turn() -> None:
    assert turning_point(looked(lambda done: 1 + done)) is None


def test_a_single_spike_is_no_overfitting() -> None:
    spiky = [59.0, 1.92, 1.25, 1.14, 0.91, 0.44, 0.38, 3.27, 0.27]
    assert turning_point(looked(lambda done: spiky[round(8 * done)])) is None


@pytest.mark.parametrize("held_out", [[], [[1.0] * 4] * 3, [[1.0] * 4] * 8 + [[math.nan] * 4]])
def test_too_few_looks_say_nothing(held_out: list[list[float]]) -> None:
    assert turning_point(probe(0.1, 0.1, STEPS, held_out)) is None


def test_a_longer_training_goes_as_far_at_a_lower_learning_rate() -> None:
    """Gradient flow: 40 updates at 0.1 go as far as 4000 at 0.001."""
    assert highest_lasting_lr([looked(turning(0.5), 0.1)], 4000) == pytest.approx(0.001)


def test_the_lowest_learning_rate_that_overfits_shows_it_best() -> None:
    probes = [looked(turning(0.25), 0.3), looked(turning(0.5), 0.1), looked(lambda done: 1 - done, 0.03)]
    assert highest_lasting_lr(probes, 400) == pytest.approx(0.1 * 40 / 400)


def test_without_overfitting_no_learning_rate_is_the_highest() -> None:
    assert highest_lasting_lr([looked(lambda done: 1 - done)], 400) is None
