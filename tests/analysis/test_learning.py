"""What a training has learned: nothing, a constant prediction, a trace of its inputs, or something about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from probe_rounds import probe

from lrfind.analysis.learning import Learning, generalizes, importance, learning
from lrfind.records.types import Probe

BATCHES = 8
FAR, STILL = 20.0, 0.0
"""Standard errors that the training loss has fallen by."""


def seen(start: float, end: float, wrong: float | None, *, scatter: float = 0.01, wild: float = 0.0) -> Probe:
    """Return a probe by its mean held-out loss before and after, and after with the inputs of other samples.

    Args:
        start: Before.
        end: After.
        wrong: With other inputs; None if that is unknown.
        scatter: Standard deviation between batches; a tenth of it is left in differences on the same batch.
        wild: Added to all losses of the first batch, which targets far out do.
    """
    draw = np.random.default_rng(0).normal(size=(4, BATCHES)) * scatter
    level = draw[0] + wild * (np.arange(BATCHES) == 0)
    before, after = ((mean + level + each / 10).tolist() for mean, each in zip((start, end), draw[1:3], strict=True))
    made = probe(0.1, end, held_out=(before, after, after))
    return made if wrong is None else replace(made, shuffled=tuple((wrong + level + draw[3] / 10).tolist()))


def falling(probed: Probe) -> Probe:
    """Return a probe whose held-out loss falls evenly."""
    start, end = np.array(probed.held_out[0]), np.array(probed.held_out[-1])
    looks = [(start + (end - start) * look / 8).tolist() for look in range(9)]
    return replace(probed, held_out=tuple(map(tuple, looks)))


@pytest.mark.parametrize(
    ("probed", "fall", "expected"),
    [
        (seen(2.3, 1.2, 4.0), FAR, Learning.INPUTS),
        (seen(2.3, 2.3, 2.3), STILL, Learning.NOTHING),
        (seen(20.0, 1.39, 1.39), FAR, Learning.CONSTANT),
        (seen(3.0, 2.0, 2.0, scatter=0.02, wild=5.0), FAR, Learning.CONSTANT),
        (falling(seen(64.0, 8.0, 8.0)), FAR, Learning.FALLING),
        (seen(2.4, 2.3, 2.302), STILL, Learning.TRACE),
        (seen(3.0, 5.0, 5.0), FAR, Learning.INPUTS),
        (seen(3.1, 2.9, 4.5, scatter=0.1), STILL, Learning.INPUTS),
        (seen(3.1, 3.1, 4.5), STILL, Learning.NOTHING),
        (seen(20.0, 1.39, None), FAR, Learning.INPUTS),
        (seen(2.3, 2.3, None), STILL, Learning.NOTHING),
    ],
    ids=[
        "learns",
        "does nothing",
        "a dead network",
        "a constant, beside a wild batch",
        "on its way to a constant",
        "has just begun",
        "learns by heart",
        "fine-tuned, under noise",
        "was trained before",
        "unknown inputs, falls",
        "unknown inputs, still",
    ],
)
def test_what_a_probe_has_learned(probed: Probe, fall: float, expected: Learning) -> None:
    assert learning(probed, fall) is expected


@given(
    end=st.sampled_from([0.5, 1.0, 2.3]),
    wrong=st.sampled_from([0.0, 0.002, 2.0]),
    fall=st.sampled_from([STILL, FAR]),
    offset=st.sampled_from([0.0, 100.0, -1000.0]),
    unit=st.sampled_from([1e-3, 1.0, 1e4]),
)
def test_neither_the_level_nor_the_unit_of_the_loss_counts(
    end: float, wrong: float, fall: float, offset: float, unit: float
) -> None:
    plain = seen(2.5, end, end + wrong)

    def other(losses: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(unit * (loss + offset) for loss in losses)

    scaled = replace(plain, held_out=tuple(map(other, plain.held_out)), shuffled=other(plain.shuffled))
    assert learning(scaled, fall) is learning(plain, fall)


def test_the_importance_of_the_inputs_is_what_wrong_ones_cost() -> None:
    mean, errors = importance(seen(2.0, 1.0, 1.5))
    assert mean == pytest.approx(0.5, abs=0.01)
    assert errors > 50
    assert importance(seen(2.0, 1.0, None)) == (0.0, 0.0)


def test_what_is_learned_carries_over_if_the_held_out_loss_ends_lower() -> None:
    assert generalizes(seen(2.0, 1.0, None))
    assert not generalizes(seen(2.0, 2.5, None))
