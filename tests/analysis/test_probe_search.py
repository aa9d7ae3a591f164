"""The order of the probes: which are asked for, how they grow, and what is left where they are cut short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from probe_rounds import HIGHEST, analysis_with

from lrfind.analysis.probe_result import for_length
from lrfind.analysis.probe_search import ProbeBudget, analysis_with_probes
from lrfind.records.types import Probe, Refusal, StopReason

PLAN = ProbeBudget(
    steps=20, max_steps=80, max_probes=6, refine=False, highest_lr=HIGHEST, schedule="constant", train_steps=None
)
MINIMUM = 0.01


class Trainer:
    """Makes probes that end lowest at a learning rate which may depend on their length, and counts them."""

    def __init__(self, best: Callable[[int], float], ends_after: int = 100) -> None:
        self._best = best
        self._ends_after = ends_after
        self.asked: list[tuple[float, int]] = []

    def __call__(self, lr: float, steps: int) -> Probe:
        self.asked.append((lr, steps))
        losses = tuple(2.3 - 2 / (1 + (lr / self._best(step + 1) - 1) ** 2) for step in range(steps))
        cut = len(self.asked) > self._ends_after
        return Probe(lr, steps, losses, StopReason.INTERRUPTED if cut else StopReason.COMPLETED)


def test_the_first_probe_is_at_the_minimum_of_the_sweep_and_its_neighbours_follow() -> None:
    train = Trainer(lambda steps: MINIMUM)
    found = analysis_with_probes(analysis_with(minimum_lr=MINIMUM), PLAN, train)
    assert [lr for lr, _ in train.asked] == pytest.approx([MINIMUM, MINIMUM / 10**0.5, MINIMUM * 10**0.5])
    assert {steps for _, steps in train.asked} == {20}
    assert found.method == "probes"
    assert found.suggested_lr is not None
    assert for_length(MINIMUM, 20, 1000) / 1.5 < found.suggested_lr < for_length(MINIMUM, 20, 1000) * 1.5


def test_probes_go_on_to_where_the_trainings_are_best() -> None:
    train = Trainer(lambda steps: 10 * MINIMUM)
    analysis_with_probes(analysis_with(minimum_lr=MINIMUM), PLAN, train)
    assert max(lr for lr, _ in train.asked) > 10 * MINIMUM > min(lr for lr, _ in train.asked)


def test_they_double_as_long_as_the_answer_moves_with_their_length() -> None:
    train = Trainer(lambda steps: 1.0 if steps <= 10 else 0.1 if steps <= 20 else 1e-4 if steps <= 40 else 1e-6)
    found = analysis_with_probes(analysis_with(minimum_lr=MINIMUM), PLAN, train)
    lengths = [steps for _, steps in train.asked]
    assert lengths == sorted(lengths)
    assert set(lengths) == {20, 40, 80}
    assert found.confidence <= 0.5 or found.reason is not None


@pytest.mark.parametrize(
    ("plan", "significance", "steps"),
    [
        (PLAN, 20.0, 20),
        (PLAN, 1.0, 40),
        (replace(PLAN, refine=True), 20.0, 40),
        (replace(PLAN, refine=True), 1.0, 80),
        (replace(PLAN, refine=True, max_steps=30), 1.0, 30),
    ],
    ids=["plain", "no descent in the sweep", "refine", "both", "capped"],
)
def test_the_length_of_the_first_probes(plan: ProbeBudget, significance: float, steps: int) -> None:
    train = Trainer(lambda steps: MINIMUM)
    analysis_with_probes(analysis_with(significance, MINIMUM), plan, train)
    assert train.asked[0][1] == steps


def test_refining_adds_the_learning_rates_in_between() -> None:
    coarse, fine = Trainer(lambda steps: MINIMUM), Trainer(lambda steps: MINIMUM)
    analysis_with_probes(analysis_with(minimum_lr=MINIMUM), replace(PLAN, steps=40), coarse)
    analysis_with_probes(analysis_with(minimum_lr=MINIMUM), replace(PLAN, refine=True), fine)
    assert fine.asked[: len(coarse.asked)] == coarse.asked
    added = [lr for lr, _ in fine.asked[len(coarse.asked) :]]
    assert added == pytest.approx([MINIMUM / 10**0.25, MINIMUM * 10**0.25])


def test_refining_that_is_cut_short_leaves_what_the_coarse_ones_say() -> None:
    plan = replace(PLAN, refine=True)
    whole = analysis_with_probes(analysis_with(), replace(PLAN, steps=40), Trainer(lambda steps: MINIMUM))
    assert analysis_with_probes(analysis_with(), plan, Trainer(lambda steps: MINIMUM, ends_after=4)) == whole


@pytest.mark.parametrize("ends_after", [0, 1, 2])
def test_probes_that_are_cut_short_say_nothing_and_are_the_last(ends_after: int) -> None:
    analysis, train = analysis_with(), Trainer(lambda steps: MINIMUM, ends_after)
    assert analysis_with_probes(analysis, PLAN, train) is analysis
    assert len(train.asked) == ends_after + 1
    assert analysis_with_probes(analysis, PLAN, lambda lr, steps: None) is analysis


@pytest.mark.parametrize("reason", [Refusal.FLAT, Refusal.DIVERGED_AT_ONCE, Refusal.NON_FINITE_AT_START])
def test_a_sweep_that_leaves_nothing_to_probe_is_not_probed(reason: Refusal) -> None:
    analysis, train = analysis_with(reason=reason), Trainer(lambda steps: MINIMUM)
    assert analysis_with_probes(analysis, PLAN, train) is analysis
    assert not train.asked
