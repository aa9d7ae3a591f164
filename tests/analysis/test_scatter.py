from __future__ import annotations

import math

import numpy as np
import pytest

from lrfind.analysis.scatter import standard_error, typical_size

NORMAL = np.random.default_rng(0).normal(0.0, 3.0, 20_000)


def test_the_typical_size_of_normal_values_is_their_standard_deviation() -> None:
    assert typical_size(NORMAL) == pytest.approx(3.0, rel=0.03)


def test_outliers_do_not_decide_the_typical_size() -> None:
    wild = NORMAL.copy()
    wild[:200] = 1e6
    assert typical_size(wild) == pytest.approx(3.0, rel=0.05)


def test_the_standard_error_falls_with_the_square_root_of_the_count() -> None:
    assert standard_error(NORMAL) == pytest.approx(3.0 / math.sqrt(len(NORMAL)), rel=0.03)
    assert math.isinf(standard_error(np.array([1.0])))
