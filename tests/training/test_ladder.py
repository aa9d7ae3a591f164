from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrfind.settings import Mode
from lrfind.training.ladder import ladder

lrs = st.floats(1e-12, 1e3)


def test_the_exponential_ladder_of_eight_decades() -> None:
    assert ladder(1e-7, 10, 9) == pytest.approx([1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10])


def test_the_linear_ladder() -> None:
    assert ladder(1, 3, 5, "linear") == pytest.approx([1, 1.5, 2, 2.5, 3])


@given(start=lrs, factor=st.floats(1.01, 1e9), num_iter=st.integers(2, 500))
def test_both_ends_are_hit_exactly_and_it_rises(start: float, factor: float, num_iter: int) -> None:
    modes: tuple[Mode, Mode] = ("exponential", "linear")
    for mode in modes:
        steps = ladder(start, start * factor, num_iter, mode)
        assert len(steps) == num_iter
        assert steps[0] == start
        assert steps[-1] == start * factor
        assert all(below < above for below, above in itertools.pairwise(steps))


@given(start=lrs, factor=st.floats(1.01, 1e9), num_iter=st.integers(3, 500))
def test_exponential_steps_have_one_ratio(start: float, factor: float, num_iter: int) -> None:
    steps = ladder(start, start * factor, num_iter)
    ratio = factor ** (1 / (num_iter - 1))
    for below, above in itertools.pairwise(steps):
        assert math.isclose(above / below, ratio, rel_tol=1e-9)


def test_a_single_step_uses_the_start() -> None:
    assert ladder(1e-5, 1, 1) == (1e-5,)
