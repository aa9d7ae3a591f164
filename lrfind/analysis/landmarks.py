"""The landmarks of a loss-vs-LR curve: plateau, steepest descent, its end, minimum, divergence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrfind.analysis.scatter import typical_size
from lrfind.analysis.smoothing import Array, Smoother, per_decade, smoother
from lrfind.records.types import Landmarks, Sweep
from lrfind.records.values import MOST_LOSS

PLATEAU_SHARE = 1 / 8
"""Share of the decades of a sweep that is taken as its plateau: one decade of the default eight, where a start at 1e-7
leaves any common optimizer still."""

NOISE_POINTS = 16
"""The noise is not estimated from fewer losses."""

ROUNDING = 1e-6
"""What rounding may move a float32 loss by, relative to its level."""

MARGIN = 3.0
"""A sweep that blew up in the middle of its descent never saw the end of it. What is suggested stays this factor below:
the best learning rate lies within a factor of 2 of the largest one that does not diverge (Bengio 2012, arXiv
1206.5533, section 3.1.1), and a sweep passes that one before it shows."""

SIGNIFICANT = 5.0
"""Standard errors that a descent must be deep to be more than chance. The dip of a sweep of normal noise alone is this
deep in 1.7 of 1000 sweeps of 100 steps and 0.3 of 1000 of 400 (6000 simulated of each)."""

DESCENT_SHARE = 2 / 3
"""The descent ends where this share of the drop from plateau to minimum is made: the rule of thumb of half to two
thirds of the way down, on a curve without lag. From half to 85 % the regret of brute-forced tasks is about as low."""


@dataclass(frozen=True)
class Curve:
    """The readable part of a sweep: the response of the loss to each learning rate.

    Attributes:
        log_lrs: log10 of the learning rates, shape `(n,)`.
        response: Loss of the batch after the update at that rate, finite, shape `(n,)`.
        smoother: The smoother for these learning rates.
    """

    log_lrs: Array
    response: Array
    smoother: Smoother


def curve(sweep: Sweep) -> Curve | None:
    """Return the readable part of `sweep`: up to the first loss that is not finite; None below 2 points.

    The loss of a batch is measured before the update of its step, so what `lrs[i]` did is read from
    `losses[i + 1]`.
    """
    response = np.asarray(sweep.losses[1:], dtype=np.float64)
    log_lrs = np.log10(np.asarray(sweep.lrs[: len(response)], dtype=np.float64))
    finite = np.abs(response) < MOST_LOSS
    end = len(response) if finite.all() else int(np.argmin(finite))
    if end < 2:
        return None
    return Curve(log_lrs[:end], response[:end], smoother(log_lrs[:end]))


@dataclass(frozen=True)
class Fit:
    """A curve with its smoothed form.

    Attributes:
        curve: What was smoothed.
        plateau: Median loss of the first points.
        noise: Standard deviation from batch to batch there.
        smoothed: Smoothed loss, shape `(n,)`.
        residual: What smoothing left over, the explosion aside, shape `(n,)`.
        cautious: Smoothed loss plus one local standard deviation, shape `(n,)`. Where a high learning rate makes
            the loss ragged, its level alone can dip by luck; this does not.
        jitter: Standard deviation from batch to batch around each learning rate, without any trend, shape `(n,)`.
        slope: Slope of the smoothed loss, per decade of learning rate, shape `(n,)`.
        error: Standard error of the plateau minus the smoothed loss, from the noise, shape `(n,)`.
    """

    curve: Curve
    plateau: float
    noise: float
    smoothed: Array
    residual: Array
    cautious: Array
    jitter: Array
    slope: Array
    error: Array


def fit(curve: Curve) -> Fit:
    """Smooth `curve`, the explosion at its end clipped so that it cannot leak into the descent."""
    return fit_all([curve])[0]


def fit_all(curves: Sequence[Curve]) -> list[Fit]:
    """Smooth curves of the same learning rates, with one smoother for all."""
    smoother, log_lrs = curves[0].smoother, curves[0].log_lrs
    points = plateau_points(curves[0])
    plateaus = [float(np.median(curve.response[:points])) for curve in curves]
    noises = [_noise(curve.response[: max(NOISE_POINTS, 2 * points)]) for curve in curves]
    ceilings = [_ceiling(*each) for each in zip((curve.response for curve in curves), plateaus, noises, strict=True)]
    clipped = np.minimum(np.stack([curve.response for curve in curves], axis=1), ceilings)
    smoothed = smoother.level @ clipped
    residual = clipped - smoothed
    cautious = smoothed + np.sqrt(smoother.average @ residual**2)
    jitter = np.sqrt(smoother.average @ _second_differences(clipped) ** 2)
    slope = per_decade((smoother.slope @ clipped).T, log_lrs).T
    return [
        Fit(
            curve,
            plateau=plateaus[index],
            noise=noises[index],
            smoothed=smoothed[:, index],
            residual=residual[:, index],
            cautious=cautious[:, index],
            jitter=jitter[:, index],
            slope=slope[:, index],
            error=_error(smoother, plateaus[index], noises[index], points),
        )
        for index, curve in enumerate(curves)
    ]


def _second_differences(losses: Array) -> Array:
    """Return those of each column, which have the variance of the noise and see no slope; 0 for fewer than 3 losses."""
    if len(losses) < 3:
        return np.zeros_like(losses)
    inner = np.diff(losses, n=2, axis=0) / math.sqrt(6)
    return np.concatenate((inner[:1], inner, inner[-1:]))


def _error(smoother: Smoother, plateau: float, noise: float, points: int) -> Array:
    """Return the standard error of the plateau minus the smoothed loss, shape `(n,)`."""
    least = float(np.finfo(np.float64).tiny)  # a loss that is 0 and stays there has no other scale
    error: Array = noise * np.sqrt(smoother.spread**2 + 1 / points) + ROUNDING * abs(plateau) + least
    return error


def plateau_points(curve: Curve) -> int:
    """Return the number of points at the start of a curve that make up its plateau; at least 1."""
    end = curve.log_lrs[0] + PLATEAU_SHARE * (curve.log_lrs[-1] - curve.log_lrs[0])
    return int(np.searchsorted(curve.log_lrs, end, side="right"))


def _noise(losses: Array) -> float:
    """Return the standard deviation from batch to batch, with the trend of the losses removed.

    Successive differences do not see the trend, and have twice the variance (von Neumann 1941); their median
    absolute value does not see a spike.
    """
    differences = np.diff(losses)
    typical = typical_size(differences)
    return (typical or float(np.sqrt(np.mean(differences**2)))) / math.sqrt(2)


def _ceiling(response: Array, plateau: float, noise: float) -> float:
    """Return a loss that neither noise nor descent reaches: above it only divergence is left."""
    of_three = np.median(np.lib.stride_tricks.sliding_window_view(response, min(3, len(response))), axis=1)
    descent = max(plateau - float(of_three.min()), 0.0)
    return plateau + max(4 * noise, descent / 4)


def find_landmarks(fit: Fit, *, blew_up: bool) -> Landmarks:
    """Return the landmarks of a smoothed curve.

    Args:
        fit: The smoothed curve.
        blew_up: Whether the sweep ended because the loss diverged or was not finite.
    """
    log_lrs, plateau = fit.curve.log_lrs, fit.plateau + fit.noise
    lowest = int(np.argmin(fit.cautious))
    steepest = int(np.argmin(fit.slope[: lowest + 1]))
    level = plateau - DESCENT_SHARE * (plateau - fit.cautious[lowest])
    return Landmarks(
        plateau_loss=fit.plateau,
        noise=fit.noise,
        significance=(fit.plateau - float(fit.smoothed[lowest])) / float(fit.error[lowest]),
        steepest_lr=_lr(log_lrs[steepest]),
        steepest_slope=float(fit.slope[steepest]),
        descent_end_lr=_lr(_crossing(fit.cautious[: lowest + 1], log_lrs, level, start=steepest)),
        minimum_lr=_lr(log_lrs[lowest]),
        minimum_loss=float(fit.smoothed[lowest]),
        divergence_lr=_divergence(fit, lowest, blew_up=blew_up),
    )


def _crossing(values: Array, log_lrs: Array, level: float, start: int) -> float:
    """Return log10 of the first LR from `start` on at which `values` falls to `level`, interpolated."""
    below = np.flatnonzero(values[start:] <= level)
    index = start + int(below[0]) if len(below) else len(values) - 1
    if index == start or values[index - 1] <= level:
        return float(log_lrs[index])
    share = (values[index - 1] - level) / (values[index - 1] - values[index])
    return float(log_lrs[index - 1] + min(share, 1.0) * (log_lrs[index] - log_lrs[index - 1]))


def _divergence(fit: Fit, lowest: int, *, blew_up: bool) -> float | None:
    """Return the LR behind the minimum at which the smoothed loss is clear above its plateau, or the sweep ended."""
    back = np.flatnonzero(fit.smoothed[lowest:] > fit.plateau + 3 * fit.noise)
    if len(back):
        return _lr(fit.curve.log_lrs[lowest + int(back[0])])
    return _lr(fit.curve.log_lrs[-1]) if blew_up else None


def _lr(log_lr: float) -> float:
    return math.pow(10.0, float(log_lr))
