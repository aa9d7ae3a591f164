"""Hypothesis strategies that several test modules share."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from lrfind.records.types import StopReason, Sweep
from lrfind.training.ladder import ladder

any_loss = st.floats(allow_nan=True, allow_infinity=True, width=32)


@st.composite
def sweeps(draw: st.DrawFn) -> Sweep:
    """Return any sweep that a run could record, of 0 to 60 steps."""
    count = draw(st.integers(0, 60))
    start = draw(st.floats(1e-9, 1e-2))
    lrs = ladder(start, start * draw(st.floats(1.5, 1e9)), max(count, 2))[:count]
    losses = draw(st.lists(any_loss, min_size=count, max_size=count))
    ended = next((index for index, loss in enumerate(losses) if not math.isfinite(loss)), count - 1) + 1
    return Sweep(draw(st.integers(0, 9)), lrs[:ended], tuple(losses[:ended]), draw(st.sampled_from(StopReason)))
