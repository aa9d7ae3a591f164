"""How much values scatter: estimates that a few outliers do not decide."""

from __future__ import annotations

import math

import numpy as np

from lrfind.analysis.smoothing import Array

MEDIAN_OF_NORMAL = 0.6745
"""Median absolute value of a normal variable, over its standard deviation (Rousseeuw & Croux 1993)."""


def typical_size(values: Array) -> float:
    """Return the standard deviation of normal values around 0, from their median absolute value."""
    return float(np.median(np.abs(values))) / MEDIAN_OF_NORMAL


def standard_error(values: Array) -> float:
    """Return the standard error of the mean; infinite for a single value, which tells nothing of its scatter."""
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf
