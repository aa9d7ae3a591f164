from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from probe_rounds import HIGHEST, STEPS, analysis_with, constant, probe, probes_at, round_at, round_of, valley

from lrfind.analysis.probe_round import COARSE, ProbeRound, rounds
from lrfind.records.types import Probe, StopReason

ROOT_10 = math.sqrt(10)
LOSSES = st.lists(st.floats(0.1, 3.0), min_size=16, max_size=16)


def noisy(lr: float, losses: list[float], held_out: float) -> Probe:
    looks = ((1.0, 1.1, 0.9, 1.0), (held_out, held_out + 0.1, held_out - 0.1, held_out))
    return Probe(lr, 16, tuple(losses), StopReason.COMPLETED, (0, 16), looks)


def test_probes_of_one_length_make_a_round() -> None:
    landmarks = analysis_with().landmarks
    assert landmarks is not None
    short, long = probes_at(valley(0.1)), probes_at(valley(0.1), 20)
    made = rounds([*long, *short], landmarks, sweep_steps=80)
    assert [(each.steps, each.probes, each.before) for each in made] == [(STEPS, short, 10), (20, long, 10)]


def test_a_probe_that_blew_up_is_not_the_best() -> None:
    made = round_at({0.1: 0.6, 1.0: math.inf})
    assert list(made.finished) == [0.1]
    assert made.best == 0.1
    assert round_at({1.0: math.inf}).best is None
    assert round_at({1.0: math.inf}).vertex is None


def test_a_probe_that_ends_above_its_start_blew_up() -> None:
    assert list(round_at({0.1: 0.6, 1.0: 1e30}).finished) == [0.1]


def test_a_constant_prediction_is_worse_than_a_trace_of_the_inputs_whatever_the_loss() -> None:
    made = round_of(constant(0.1), constant(0.3, 1e-3), constant(1.0, 2e-3))
    assert made.best == 1.0
    assert made.descends
    assert not round_of(constant(0.1)).descends


def test_a_lower_learning_rate_that_soon_catches_up_is_the_best() -> None:
    falling = [2.0 - 0.1 * step for step in range(16)]
    behind = [loss + 0.02 for loss in falling]
    far_behind = [loss + 0.3 for loss in falling]
    held_out = 0.5
    assert round_of(noisy(0.1, behind, held_out), noisy(0.3, falling, held_out)).best == 0.1
    assert round_of(noisy(0.1, far_behind, held_out), noisy(0.3, falling, held_out)).best == 0.3


def test_a_probe_that_has_learned_nothing_is_not_as_good_as_one_that_has() -> None:
    start = (2.30, 2.31, 2.29, 2.30)
    still = Probe(0.1, 16, (1.0,) * 16, StopReason.COMPLETED, (0, 16), (start, start))
    learns = Probe(0.3, 16, (1.0,) * 16, StopReason.COMPLETED, (0, 16), (start, (2.1, 2.12, 2.09, 2.1)))
    assert round_of(still, learns).best == 0.3
    assert round_of(still).best == 0.1


def test_a_difference_that_is_only_scatter_leaves_the_lower_one_best() -> None:
    scatter = [1.0, 1.0] * 6 + [0.2, 0.8, 0.2, 0.8]
    other = [1.0, 1.0] * 6 + [0.8, 0.2, 0.7, 0.2]
    assert round_of(noisy(0.1, scatter, 0.5), noisy(0.3, other, 0.5)).best == 0.1


def test_a_held_out_loss_that_is_clearly_higher_rules_a_learning_rate_out() -> None:
    slower, faster = [0.5] * 16, [0.1] * 16
    assert round_of(noisy(0.1, slower, 0.5), noisy(0.3, faster, 0.5)).best == 0.3
    assert round_of(noisy(0.1, slower, 0.5), noisy(0.3, faster, 0.8)).best == 0.1


@given(
    losses=st.lists(LOSSES, min_size=3, max_size=3),
    held_out=st.lists(st.floats(0.5, 2.0), min_size=3, max_size=3),
    offset=st.sampled_from([0.0, 64.0, -1000.0]),
    unit=st.sampled_from([1.0, 2.0**10, 2.0**-10]),
)
def test_neither_the_level_nor_the_unit_of_the_loss_decides(
    losses: list[list[float]], held_out: list[float], offset: float, unit: float
) -> None:
    """A loss plus a constant, or times one, has the same best learning rate and the same vertex."""

    def grain(values: list[float]) -> list[float]:
        return [round(value * 64) / 64 for value in values]  # exact in other units, too

    lrs = (0.1, 0.1 * ROOT_10, 1.0)
    plain = [noisy(lr, grain(each), held) for lr, each, held in zip(lrs, losses, grain(held_out), strict=True)]
    other = [
        Probe(
            each.lr,
            each.steps,
            tuple(unit * (loss + offset) for loss in each.losses),
            each.stop_reason,
            each.held_out_steps,
            tuple(tuple(unit * (loss + offset) for loss in look) for look in each.held_out),
        )
        for each in plain
    ]
    one = round_of(*plain)
    two = ProbeRound(tuple(other), unit * (1.0 + offset), unit * 0.01, before=10)
    assert one.best == two.best
    assert one.vertex == (two.vertex and pytest.approx(two.vertex, rel=1e-3))


def test_the_vertex_is_exact_for_a_parabola() -> None:
    ends = {10**x: (x + 1.1) ** 2 for x in (-1.5, -1.0, -0.5)}
    vertex = round_at(ends).vertex
    assert vertex is not None
    assert math.log10(vertex) == pytest.approx(-1.1)


@pytest.mark.parametrize("beside", [{}, {ROOT_10: math.inf}, {ROOT_10: 0.5}])
def test_a_best_without_two_neighbours_is_taken_as_it_is(beside: dict[float, float]) -> None:
    assert round_at({1.0: 0.1, **beside}).vertex == 1.0


def test_neighbours_that_were_probed_or_lie_too_high_are_not_named_again() -> None:
    made = round_at({1.0: 0.1, ROOT_10: 0.5})
    assert made.neighbour(-COARSE, HIGHEST) == pytest.approx(1 / ROOT_10)
    assert made.neighbour(COARSE, HIGHEST) is None
    assert made.neighbour(2 * COARSE, 5.0) == 5.0
    assert made.neighbour(2 * COARSE, 1.0) is None


def test_a_descent_is_deeper_than_chance() -> None:
    assert round_at({0.1: 0.9}).descends
    assert not round_at({0.1: 0.99, 0.3: math.inf}).descends


def test_a_descent_under_noise_shows_in_the_held_out_loss() -> None:
    start, end = (3.0, 2.6, 9.0, 3.2, 2.9, 3.1), (2.0, 1.7, 8.0, 2.2, 2.0, 2.1)
    learned = probe(0.1, 1.0, held_out=[start, end])
    assert round_of(learned).descends
    barely = probe(0.1, 1.0, held_out=[start, [loss - 0.01 for loss in start]])
    assert not round_of(barely).descends


def test_where_the_best_lies() -> None:
    made = round_at({0.1: 0.1, 1.0: 0.5})
    assert made.is_lowest
    assert not made.is_highest
    assert not round_at({0.01: math.inf, 0.1: 0.1}).is_lowest
    assert np.isfinite(made.probes[0].end_loss)
