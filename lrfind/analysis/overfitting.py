"""When a training has learned all that holds for other data: from the held-out losses of probes."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from lrfind.analysis.scatter import standard_error, typical_size
from lrfind.analysis.smoothing import Array
from lrfind.records.types import Probe

CLEAR = 3.0
"""Standard deviations between successive looks that the held-out loss must rise by."""

GAP = 0.1
"""Share of what a probe has gained that its held-out loss may lie above its training loss."""

LOOKS = 5
"""Fewer looks at the held-out loss do not show where it is lowest."""


def highest_lasting_lr(probes: Iterable[Probe], train_steps: int) -> float | None:
    """Return the constant learning rate with which a training of `train_steps` does not overfit.

    A probe whose held-out loss is lowest after k of its updates, and rises clearly from there, has travelled as far as
    helps: a distance of k times its learning rate, as small updates follow the same path whatever their size (gradient
    flow). A training of T updates goes as far with k / T of that learning rate. The lowest learning rate that overfits
    shows that place best.

    Args:
        probes: With the losses on held-out data.
        train_steps: Updates of the real training.

    Returns:
        None if no probe overfits.
    """
    turns = {probe.lr: turn for probe in probes if (turn := turning_point(probe)) is not None}
    return min(turns) * turns[min(turns)] / train_steps if turns else None


def turning_point(probe: Probe) -> int | None:
    """Return the updates after which the held-out loss of a probe is lowest; None if it does not rise from there."""
    looks = np.array(probe.held_out[1:])
    if len(looks) < LOOKS or not np.isfinite(looks).all():
        return None
    level = looks.mean(axis=1)
    smoothed = np.array([level[max(0, index - 1) : index + 2].mean() for index in range(len(level))])
    lowest = int(np.argmin(smoothed))
    if lowest >= len(level) - 2:
        return None
    if smoothed[lowest] >= np.mean(probe.held_out[0]):
        return None  # what it learns does not carry over to other data at all, so that no length of it is best
    last = len(level) - 2 + int(np.argmin(level[-2:]))  # a single spike is an unstable training, not an overfitting one
    rise = looks[last] - looks[lowest]
    if level[last] - smoothed[lowest] <= CLEAR * _scatter(level) or rise.mean() <= standard_error(rise):
        return None
    return probe.held_out_steps[1:][lowest]


def memorizes(probe: Probe, gain: float) -> bool:
    """Tell whether a probe has learned a good deal that does not hold for other data.

    Args:
        probe: Finished.
        gain: By how much its training loss has fallen.
    """
    return bool(probe.held_out) and float(np.mean(probe.held_out[-1])) - probe.end_loss > GAP * gain


def _scatter(level: Array) -> float:
    """Return the standard deviation of the looks around their trend.

    Second differences do not see a straight trend, and have six times the variance.
    """
    return typical_size(np.diff(level, 2)) / math.sqrt(6)
