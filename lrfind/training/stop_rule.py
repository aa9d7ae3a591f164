"""When a sweep has diverged."""

from __future__ import annotations

import math
import statistics
from collections import deque


class StopRule:
    """Tells from the raw losses, one after the other, whether the training has diverged.

    It has if the median of the last five losses lies above `start + RISE * range`: `start` is the median of the first
    losses, or the very first, which precedes any update, if that is lower; `range` is the larger of the descent so far
    and what the noise from batch to batch would span.
    Levels enter as differences only, so that losses below or at zero work, and no single spike stops a sweep.
    """

    RISE = 3.0
    """A rise of three times the observed range is no longer descent or noise; a smaller factor stops sweeps whose
    descent has not begun, a larger one changes little, as a loss that has come so far grows by factors."""
    NOISE_SPAN = 4.0
    """The span of batch noise in mean absolute differences of successive losses, about 4 standard deviations
    (for normal noise the mean absolute difference is 1.13 standard deviations)."""
    START = 5
    """Losses that make up the start level, before which no sweep is stopped."""

    def __init__(self) -> None:
        self._first: list[float] = []
        self._recent: deque[float] = deque(maxlen=5)
        self._start = math.nan
        self._lowest = math.inf
        self._differences = 0.0
        self._count = 0

    def diverged(self, loss: float) -> bool:
        """Take the next loss, a finite one, and tell whether the training has diverged."""
        before = self._recent[-1] if self._recent else loss
        self._recent.append(loss)
        level = sorted(self._recent)[len(self._recent) // 2]
        difference = abs(loss - before)
        if len(self._first) < self.START:
            self._first.append(loss)
            self._start = min(self._first[0], statistics.median(self._first))
        else:
            threshold = self._threshold()
            if level > threshold:
                return True
            # Clipped, so that an explosion does not widen the range at once; noise with heavy tails still does, slowly.
            difference = min(difference, threshold - self._start)
        self._lowest = min(self._lowest, level)
        self._differences += difference
        self._count += 1
        return False

    def _threshold(self) -> float:
        descent = max(self._start - self._lowest, 0.0)
        noise = self.NOISE_SPAN * self._differences / self._count
        rounding = 1e-6 * abs(self._start)  # of a float32 loss that does not change
        return self._start + self.RISE * max(descent, noise, rounding)
