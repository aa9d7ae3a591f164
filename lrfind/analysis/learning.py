"""What a training has learned: from its losses on held-out batches."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence

import numpy as np

from lrfind.analysis.landmarks import SIGNIFICANT
from lrfind.analysis.scatter import standard_error, typical_size
from lrfind.analysis.smoothing import Array
from lrfind.records.types import Probe

HINT = 2.0
"""Standard errors that decide only where to look next."""

EVIDENT = 3.0
"""Standard errors that count where two signs have to agree: chance makes so much of eight batches once in a hundred
times."""

FEWEST = 4
"""Held-out batches of which a median says something."""

MEDIAN_ERROR = 1.25
"""Standard error of the median of normal values, over that of their mean."""


class Learning(enum.IntEnum):
    """What a training has learned; the higher, the better."""

    NOTHING = 0
    """Its loss has not fallen by more than chance."""
    CONSTANT = 1
    """A constant prediction, and no more comes: how frequent each class is, or the mean of the targets."""
    FALLING = 2
    """It is still on its way to a constant prediction."""
    TRACE = 3
    """Its predictions begin to depend on the inputs, but its loss does not show it yet."""
    INPUTS = 4
    """Something about the inputs."""


def learning(probe: Probe, fall: float) -> Learning:
    """Return what a probe has learned.

    Its predictions depend on the inputs if they fit the targets worse with the inputs of other samples: permutation
    importance (Breiman 2001, Random Forests, section 10), of all inputs at once. If that importance is small beside
    what batches differ by, the loss has fallen by a constant prediction, however far: for good, as in a dead network,
    if it falls no more in the second half. A model that learns its samples by heart does no better with the right
    inputs on other data; there its loss rises.

    Args:
        probe: Finished. Without `shuffled` losses, the fall of its loss is all that counts.
        fall: By how many standard errors its training loss has fallen.
    """
    significant = fall >= SIGNIFICANT or _falls(probe.held_out)
    if not probe.shuffled:
        return Learning.INPUTS if significant else Learning.NOTHING
    start, end, rise = np.array(probe.held_out[0]), np.array(probe.held_out[-1]), _rise(probe)
    if fall >= SIGNIFICANT and _is_positive(end - start):
        return Learning.INPUTS
    if float(rise.mean()) + EVIDENT * standard_error(rise) < float(end.std(ddof=1)) / 2:
        return _without_inputs(probe, significant=significant)
    falls = significant or (_is_positive(rise) and (fall >= EVIDENT or _is_positive(start - end)))
    return Learning.INPUTS if falls else Learning.NOTHING


def _without_inputs(probe: Probe, *, significant: bool) -> Learning:
    """Return what a probe has learned whose inputs matter little, if its loss has fallen significantly or not."""
    if _is_positive(_rise(probe), HINT):
        return Learning.TRACE
    if not significant:
        return Learning.NOTHING
    middle, end = np.array(probe.held_out[len(probe.held_out) // 2]), np.array(probe.held_out[-1])
    return Learning.FALLING if _is_positive(middle - end) else Learning.CONSTANT


def importance(probe: Probe) -> tuple[float, float]:
    """Return by how much the wrong inputs raise the held-out loss of a probe, and that in standard errors."""
    if not probe.shuffled:
        return 0.0, 0.0
    rise = _rise(probe)
    mean = float(rise.mean())
    return mean, mean / (standard_error(rise) + float(np.finfo(np.float64).tiny))


def _rise(probe: Probe) -> Array:
    """Return by how much the wrong inputs raise the loss on each held-out batch, shape `(batches,)`."""
    rise: Array = np.array(probe.shuffled) - np.array(probe.held_out[-1])
    return rise


def generalizes(probe: Probe) -> bool:
    """Tell whether the held-out loss of a probe ends below its start."""
    return float(np.mean(probe.held_out[-1])) < float(np.mean(probe.held_out[0]))


def _is_positive(differences: Array, errors: float = EVIDENT) -> bool:
    """Tell whether differences, one for each batch, are so many standard errors above 0.

    Their mean or their median has to say so: the mean sees more, but one wild batch hides it.
    """
    if len(differences) < FEWEST or not np.isfinite(differences).all():
        return False
    return _is_above_0(float(differences.mean()), standard_error(differences), errors) or _is_above_0(
        float(np.median(differences)), _error_of_median(differences), errors
    )


def _falls(held_out: Sequence[Sequence[float]]) -> bool:
    """Tell whether the held-out loss falls from its start, by more than chance and by half of what batches differ by.

    A network that learns nothing but how frequent the classes are falls, too, by the same little on every batch.
    Medians count, so that a few wild targets decide nothing.
    """
    if len(held_out) < 2 or len(held_out[0]) < FEWEST:
        return False
    start, later = np.array(held_out[0]), [np.array(look) for look in held_out[1:] if np.isfinite(look).all()]
    fall = start - min(later, key=np.mean, default=start)  # it may have risen again
    if not np.isfinite(fall).all():
        return False
    median = float(np.median(fall))
    scatter = typical_size(start - np.median(start))
    return median >= scatter / 2 and _is_above_0(median, _error_of_median(fall), SIGNIFICANT)


def _error_of_median(values: Array) -> float:
    return MEDIAN_ERROR * typical_size(values - np.median(values)) / math.sqrt(len(values))


def _is_above_0(value: float, error: float, errors: float) -> bool:
    return value > 0 and value >= errors * error


def knew_before(probe: Probe) -> bool:
    """Tell whether the model of a probe knew its data before the first update.

    Its loss then lies far below that with the inputs of other samples from the start, and still does at the end: on
    every batch, and by more than batches differ.
    """
    if not probe.shuffled or len(probe.held_out) < 2:
        return False
    others = np.asarray(probe.shuffled)
    for losses in (np.asarray(probe.held_out[0]), np.asarray(probe.held_out[-1])):
        gaps = others - losses
        scatter = max(losses.std(), gaps.std() / math.sqrt(len(gaps)))
        if len(gaps) < FEWEST or not (gaps > 0).all() or gaps.mean() < EVIDENT * scatter:
            return False
    return True
