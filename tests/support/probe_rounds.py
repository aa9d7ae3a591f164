"""Rounds of probes, and what the sweep before them said."""

from __future__ import annotations

from dataclasses import replace

from helpers import example_result

from lrfind.analysis.probe_round import ProbeRound
from lrfind.records.types import Analysis, Refusal

STEPS = 8
HIGHEST = 10.0


def round_at(ends: dict[float, float]) -> ProbeRound:
    """Return probes that ended with those losses, by learning rate; 1 is the plateau."""
    return ProbeRound(ends, STEPS, plateau=1.0, noise=0.01)


def valley(best: float) -> ProbeRound:
    """Return a round whose parabola is lowest at `best`."""
    return round_at({best / 10**0.5: 0.5, best: 0.1, best * 10**0.5: 0.5})


def analysis_with(significance: float = 20.0, minimum_lr: float = 0.01, reason: Refusal | None = None) -> Analysis:
    """Return what a sweep said that blew up at 0.3."""
    analysis = example_result().analysis
    assert analysis.landmarks is not None
    landmarks = replace(analysis.landmarks, significance=significance, minimum_lr=minimum_lr, divergence_lr=0.3)
    return replace(analysis, landmarks=landmarks, reason=reason)
