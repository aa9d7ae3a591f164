"""How sure a suggestion is: would the same curve with other batch noise have given the same learning rate?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lrfind.analysis.landmarks import Curve, Fit, fit

RESAMPLES = 100
"""The share below is then known to within 5 points (one standard error)."""

SAME_FACTOR = 2.0
"""Learning rates within this factor count as the same: trainings do not tell them apart."""


def confidence(fitted: Fit, suggested_lr: float, read: Callable[[Fit], float]) -> float:
    """Return the share of resampled curves that give the suggested learning rate again, within a factor of 2.

    The curves come from the wild bootstrap (Wu 1986; Rademacher weights, Liu 1988): the smoothed curve plus its own
    residuals with random signs, which keeps the noise of each stretch of the curve where it is.

    Args:
        fitted: The smoothed curve that the suggestion was read from.
        suggested_lr: The suggestion.
        read: Reads a suggestion from a smoothed curve.
    """
    generator = np.random.default_rng(0)  # the same record is to give the same confidence
    curve = fitted.curve
    signs = generator.choice((-1.0, 1.0), size=(RESAMPLES, len(fitted.residual)))
    resampled = fitted.smoothed + signs * fitted.residual
    picks = np.array([read(fit(Curve(curve.log_lrs, response, curve.smoother))) for response in resampled])
    same = np.abs(np.log(picks / suggested_lr)) <= np.log(SAME_FACTOR)
    return float((np.sum(same) + 1) / (RESAMPLES + 2))  # rule of succession: 100 out of 100 is not certainty
