"""The curve read without probes, of real trainings whose best learning rate is known by brute force."""

from __future__ import annotations

from functools import cache

import pytest
from accuracy.regret import read_truths
from accuracy.tasks import TASKS

from lrfind.config.schema import Config
from lrfind.pipeline import run
from lrfind.records.types import Analysis

pytestmark = pytest.mark.slow

GOOD = 0.05
"""Share of what the best learning rate gains that a suggestion may throw away."""
TASK_NAMES = ("mlp_sgd", "mlp_adam", "mlp_momentum")


@cache
def read(name: str, num_iter: int) -> Analysis:
    """Return what a sweep of so many updates says, without a longer one and without probes."""
    alone = {"sweep": {"num_iter": num_iter, "max_iter": num_iter}, "probes": {"enabled": False}}
    return run(Config.model_validate({**TASKS[name].document(0), **alone}), name).analysis


@pytest.mark.parametrize(
    ("name", "num_iter"), [*((name, steps) for name in TASK_NAMES for steps in (400, 1600)), ("mlp_adam", 6400)]
)
def test_a_longer_sweep_gives_the_same_learning_rate_and_a_good_one(name: str, num_iter: int) -> None:
    usual, longer = read(name, 100), read(name, num_iter)
    assert usual.suggested_lr is not None
    assert longer.suggested_lr is not None
    assert 1 / 2 < longer.suggested_lr / usual.suggested_lr < 2
    truths = read_truths(name)
    assert truths is not None
    assert truths["constant"].regret(longer.suggested_lr) <= GOOD
    assert longer.landmarks is not None
    assert longer.landmarks.divergence_lr is not None
    assert longer.suggested_lr < longer.landmarks.divergence_lr / 2


@pytest.mark.parametrize("name", TASK_NAMES)
def test_what_was_measured_stays_in_the_landmarks(name: str) -> None:
    landmarks = [read(name, num_iter).landmarks for num_iter in (100, 1600)]
    ends = [each.descent_end_lr for each in landmarks if each is not None]
    assert ends[1] < ends[0] / 3


def test_the_confidence_falls_where_much_is_moved() -> None:
    assert read("mlp_adam", 6400).confidence < read("mlp_adam", 400).confidence <= read("mlp_adam", 100).confidence
