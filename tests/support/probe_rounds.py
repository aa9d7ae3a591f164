"""Rounds of probes, and what the sweep before them said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from helpers import example_result

from lrfind.analysis.probe_result import Training
from lrfind.analysis.probe_round import ProbeRound
from lrfind.records.types import Analysis, Probe, Refusal, StopReason

STEPS = 8
HIGHEST = 10.0
TRAINING = Training("constant", STEPS, normalized=True, highest_lr=HIGHEST)


def probe(lr: float, end: float, steps: int = STEPS, held_out: Sequence[Sequence[float]] = ()) -> Probe:
    """Return a probe that falls at once from 1 to `end`; one that ends at infinity has blown up."""
    if math.isinf(end):
        return Probe(lr, steps, (1.0, 9.0), StopReason.DIVERGED)
    at = tuple(round(steps * look / max(1, len(held_out) - 1)) for look in range(len(held_out)))
    losses = (1.0, *(end,) * (steps - 1))
    return Probe(lr, steps, losses, StopReason.COMPLETED, at, tuple(map(tuple, held_out)))


def probes_at(ends: dict[float, float], steps: int = STEPS) -> tuple[Probe, ...]:
    """Return probes that ended with those losses, by learning rate."""
    return tuple(probe(lr, end, steps) for lr, end in ends.items())


def constant(lr: float, importance: float = 0.0) -> Probe:
    """Return a probe that has learned a constant prediction, and how little its inputs matter, on eight batches."""
    batches = [0.01 * batch for batch in range(8)]
    looks = [[level + each for each in batches] for level in (1.0, 0.7, 0.7)]
    shuffled = tuple(0.7 + each + importance * (1 + (index % 2) / 4) for index, each in enumerate(batches))
    return replace(probe(lr, 0.7, held_out=looks), shuffled=shuffled)


def round_of(*probes: Probe) -> ProbeRound:
    """Return a round where the loss without training is 1."""
    return ProbeRound(probes, plateau=1.0, noise=0.01, before=10)


def round_at(ends: dict[float, float]) -> ProbeRound:
    """Return a round that ended with those losses, by learning rate; 1 is the plateau."""
    return round_of(*probes_at(ends))


def valley(best: float) -> dict[float, float]:
    """Return end losses whose parabola is lowest at `best`."""
    return {best / 10**0.5: 0.5, best: 0.1, best * 10**0.5: 0.5}


def analysis_with(significance: float = 20.0, minimum_lr: float = 0.01, reason: Refusal | None = None) -> Analysis:
    """Return what a sweep said that blew up at 0.3; its plateau is 1."""
    analysis = example_result().analysis
    assert analysis.landmarks is not None
    landmarks = replace(
        analysis.landmarks,
        significance=significance,
        minimum_lr=minimum_lr,
        divergence_lr=0.3,
        plateau_loss=1.0,
        noise=0.01,
    )
    return replace(analysis, landmarks=landmarks, reason=reason)


def trained(lr: float) -> Probe:
    """Return a probe of a model that knew its data before the first update, and learns no more."""
    looks = [[0.01 * batch for batch in range(8)]] * 3
    shuffled = tuple(2.0 + 0.5 * (batch % 2) for batch in range(8))
    return replace(probe(lr, 1.0, held_out=looks), shuffled=shuffled)
