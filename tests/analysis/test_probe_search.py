"""Which probe comes next, how long it is, and that the budget is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from probe_rounds import HIGHEST, STEPS, analysis_with, constant, probe

from lrfind.analysis.probe_search import ProbeLimits, next_probe, starting_lr
from lrfind.records.types import Analysis, Probe, Refusal, StopReason

LIMITS = ProbeLimits(budget=200, first_round=200, steps=None, max_probes=6, highest_lr=HIGHEST, train_steps=None)
MINIMUM = 0.01

End = Callable[[float, int], float]
"""The loss at the end of a probe, by its learning rate and its updates."""


def lowest_at(best: float) -> End:
    """Return a loss that is lowest, 0, at `best`, 1 where nothing is learned, and infinite a decade above."""
    return lambda lr, steps: math.inf if lr > 10 * best else min(1.0, math.log10(lr / best) ** 2)


def probed(end: End, limits: ProbeLimits = LIMITS, analysis: Analysis | None = None) -> list[Probe]:
    """Return the probes of a search, in their order."""
    made: list[Probe] = []
    while (following := next_probe(analysis or analysis_with(), made, limits)) is not None:
        lr, steps = following
        held_out = [[1.0, 1.0]] * (limits.look_updates(steps) > 0)
        made.append(probe(lr, end(lr, steps), steps, held_out))
    return made


def decades(probes: list[Probe]) -> list[float]:
    return [math.log10(each.lr / MINIMUM) for each in probes]


def test_the_first_probe_is_at_the_minimum_of_the_sweep_and_its_neighbours_follow() -> None:
    made = probed(lowest_at(MINIMUM))
    assert decades(made) == pytest.approx([0, -0.5, 0.5])
    assert [each.steps for each in made] == [66] * 3


def test_probes_go_on_to_where_the_trainings_are_best() -> None:
    limits = replace(LIMITS, steps=33)
    assert decades(probed(lowest_at(8 * MINIMUM), limits)) == pytest.approx([0, -0.5, 0.5, 1, 1.5])


def test_a_start_that_diverges_leads_downwards() -> None:
    made = probed(lowest_at(MINIMUM / 100), replace(LIMITS, steps=20))
    assert decades(made)[:4] == pytest.approx([0, -0.5, -1.5, -2])


def test_looks_at_held_out_samples_take_their_updates_from_the_probes() -> None:
    looking = replace(LIMITS, look_updates=lambda steps: 14 if steps > 30 else 0)
    assert [each.steps for each in probed(lowest_at(MINIMUM), looking)] == [66 - 14] * 3
    assert [each.steps for each in probed(lowest_at(MINIMUM), replace(looking, train_steps=60))] == [60 - 14] * 3
    assert [each.steps for each in probed(lowest_at(MINIMUM), replace(looking, train_steps=30))] == [30] * 3


def test_what_the_budget_leaves_goes_into_longer_probes_around_the_best() -> None:
    made = probed(lowest_at(MINIMUM), replace(LIMITS, budget=900))
    assert [each.steps for each in made] == [66] * 3 + [234] * 3
    assert decades(made)[3:] == pytest.approx([0, -0.5, 0.5])


def test_a_budget_too_small_for_a_second_round_goes_into_the_first() -> None:
    assert [each.steps for each in probed(lowest_at(MINIMUM), replace(LIMITS, budget=400))] == [133] * 3


def test_a_best_that_moves_with_the_length_is_followed() -> None:
    def end(lr: float, steps: int) -> float:
        return lowest_at(MINIMUM if steps < 100 else MINIMUM / 10)(lr, steps)

    made = probed(end, replace(LIMITS, budget=1500))
    assert min(decades(made)) <= -1


def test_no_probe_is_longer_than_the_training() -> None:
    made = probed(lowest_at(MINIMUM), replace(LIMITS, budget=900, train_steps=100))
    assert [each.steps for each in made] == [66] * 3 + [100] * 3


def test_probes_without_a_descent_grow_longer_at_the_highest_that_does_not_rise() -> None:
    made = probed(lambda lr, steps: 0.1 if steps > 100 else 1.0, replace(LIMITS, budget=900))
    assert [each.steps for each in made[:4]] == [66] * 3 + [234]
    assert made[3].lr == max(each.lr for each in made[:3])


def searched(importance: Callable[[float], float]) -> list[float]:
    """Return where probes are made that learn no more than a constant prediction, in decades from the first."""
    made: list[Probe] = []
    while (following := next_probe(analysis_with(), made, replace(LIMITS, budget=40, steps=STEPS))) is not None:
        made.append(constant(following[0], importance(following[0])))
    return decades(made)


def test_where_the_network_dies_at_once_lower_learning_rates_are_tried_in_growing_steps() -> None:
    assert searched(lambda lr: 0.0)[:4] == pytest.approx([0, -0.5, -1.5, -3.0])


def test_where_a_trace_is_learned_higher_learning_rates_are_tried() -> None:
    assert searched(lambda lr: 0.01 * lr)[:4] == pytest.approx([0, 0.5, 1.0, 1.5])


def test_no_probe_goes_beyond_the_highest_learning_rate() -> None:
    made = probed(lambda lr, steps: 1 / (1 + lr), replace(LIMITS, steps=20), analysis_with(minimum_lr=HIGHEST / 2))
    assert max(each.lr for each in made) == HIGHEST


@given(
    budget=st.integers(0, 3000),
    first=st.integers(0, 600),
    steps=st.none() | st.integers(10, 100),
    train_steps=st.none() | st.integers(20, 5000),
    looks=st.integers(0, 40),
    ends=st.dictionaries(st.integers(-20, 8), st.floats(0, 2) | st.just(math.inf)),
)
def test_the_price_is_kept(
    budget: int, first: int, steps: int | None, train_steps: int | None, looks: int, ends: dict[int, float]
) -> None:
    """However probes end, they cost no more than their budget, and no learning rate is probed twice at one length."""
    limits = ProbeLimits(budget, first, steps, 6, HIGHEST, train_steps, look_updates=lambda steps: looks)
    made = probed(lambda lr, steps: ends.get(round(2 * math.log10(lr)), 1.0), limits)
    assert sum(len(each.losses) + (looks if each.held_out else 0) for each in made) <= max(budget, 0)
    assert len({(each.lr, each.steps) for each in made}) == len(made)


def test_a_budget_that_leaves_no_room_makes_no_probe() -> None:
    assert probed(lowest_at(MINIMUM), replace(LIMITS, budget=20)) == []


def test_the_first_probe_is_below_where_a_sweep_without_a_descent_blew_up() -> None:
    assert starting_lr(analysis_with(), LIMITS) == MINIMUM
    assert starting_lr(analysis_with(significance=1.0, reason=Refusal.NOISE), LIMITS) == pytest.approx(0.1)


def test_the_first_probe_does_not_replace_the_weights() -> None:
    limits = replace(LIMITS, replacing_lr=0.05)
    assert starting_lr(analysis_with(minimum_lr=3.0), limits) == pytest.approx(0.005)
    assert starting_lr(analysis_with(), limits) == MINIMUM


@pytest.mark.parametrize("reason", [Refusal.FLAT, Refusal.DIVERGED_AT_ONCE, Refusal.TOO_FEW_POINTS])
def test_a_curve_that_ends_the_matter_is_not_probed(reason: Refusal) -> None:
    assert probed(lowest_at(MINIMUM), analysis=analysis_with(reason=reason)) == []
    assert probed(lowest_at(MINIMUM), analysis=replace(analysis_with(), landmarks=None)) == []


def test_probes_that_blew_up_early_leave_their_updates_to_others() -> None:
    made = probed(lowest_at(MINIMUM / 100))
    blown = [each for each in made if each.stop_reason is StopReason.DIVERGED]
    assert len(blown) >= 2
    assert len(made) - len(blown) >= 2
