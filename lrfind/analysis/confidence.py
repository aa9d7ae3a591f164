"""How sure a suggestion is: would other batch noise have given another one, and is all in sight that decides it?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lrfind.analysis.landmarks import Curve, Fit, fit_all
from lrfind.analysis.pace import certainty
from lrfind.analysis.reading import Reading

RESAMPLES = 100
"""The share below is then known to within 5 points (one standard error)."""

SAME_FACTOR = 2.0
"""Learning rates within this factor count as the same: trainings do not tell them apart."""

UNSEEN = 0.8
"""Of the curves of tuning trainings that show no rise, so many times fewer gave a learning rate within 5 % of the best
as of those that show one (9 of 17, 85 of 134). A plateau that is not seen counts as much, and so does a number of
updates that is not known."""

TWO_VALLEYS = 0.5
"""The better one of two valleys can be either."""


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
    curves = [Curve(curve.log_lrs, response, curve.smoother) for response in resampled]
    picks = np.array([read(each) for each in fit_all(curves)])
    same = np.abs(np.log(picks / suggested_lr)) <= np.log(SAME_FACTOR)
    return float((np.sum(same) + 1) / (RESAMPLES + 2))  # rule of succession: 100 out of 100 is not certainty


def in_sight(reading: Reading) -> float:
    """Return what share of the confidence is left by what a curve does not show, from 0 to 1.

    It is a property of the curve, whatever the method that reads it.
    """
    end = reading.landmarks.descent_end_lr
    spacing = float(np.ptp(reading.whole.curve.log_lrs)) / (len(reading.whole.curve.log_lrs) - 1)
    shares = (
        UNSEEN if reading.rise_lr is None and reading.landmarks.divergence_lr is None else 1.0,
        UNSEEN if not reading.shows_plateau else 1.0,
        UNSEEN if not reading.counted else 1.0,
        TWO_VALLEYS if reading.valleys.hump is not None else 1.0,
        min(1.0, float(np.log10(SAME_FACTOR)) / spacing),  # between two points nothing is seen
        certainty(reading.usual(end) / end),
    )
    return float(np.prod(shares))
