"""From probes to a suggestion: for the length and the schedule of the training, with a safe range, or a refusal."""

from __future__ import annotations

import math
from dataclasses import replace

from lrfind.analysis.landmarks import DESCENT_SHARE
from lrfind.analysis.peak_lr import for_schedules, peak_lr
from lrfind.analysis.probe_round import ProbeRound, sweep_minimum
from lrfind.analysis.refusals import no_suggestion, refusal_of_probes
from lrfind.records.types import Analysis, Candidate, Status
from lrfind.settings import Schedule

DRIFT = 0.15
"""The longer the training, the lower its best constant learning rate (the short-horizon bias, Wu et al. 2018, arXiv
1803.02021): it falls like the number of steps to the power of -0.15, by a factor of 1.4 for ten times as many. So far
it fell between trainings of 25 and of 200 steps, on average over 35 tasks."""

LONG = 1000
"""Steps that a training is taken to have if `train.steps` does not say."""

CERTAIN = 0.99
"""More is never claimed."""

HIDDEN = 0.6
"""Confidence of a suggestion that rests on the probes alone: the share of such suggestions, where the sweep had shown
no descent, that were within 5 % of the best in brute-forced trainings."""

FAR = 3.0
"""A factor between probes and sweep that is more than their noise."""


def for_length(lr: float, steps: int, train_steps: int) -> float:
    """Return the constant learning rate for a training of `train_steps` from the best one for `steps`."""
    return lr * float(min(1.0, steps / train_steps) ** DRIFT)


def analysis_of_probes(
    analysis: Analysis,
    probed: ProbeRound,
    schedule: Schedule,
    highest_lr: float,
    *,
    sure: bool,
    train_steps: int | None = None,
) -> Analysis:
    """Return `analysis` with the suggestion that probes give, or the reason why they give none.

    Args:
        analysis: What the sweep says.
        probed: The longest probes.
        schedule: What the learning rate is for.
        highest_lr: No probe went beyond it.
        sure: Whether the answer had settled.
        train_steps: Updates of the real training, if known.
    """
    if refusal := refusal_of_probes(probed, highest_lr):
        return no_suggestion(*refusal, analysis.smoothed, analysis.landmarks, analysis.candidates)
    constant = for_length(probed.vertex, probed.steps, train_steps or LONG)
    lr = peak_lr(constant, schedule)
    low, high = _range(probed)
    low *= constant / probed.vertex  # what is too low for a short training may do for a long one, what is too high not
    return replace(
        analysis,
        status=Status.OK,
        reason=None,
        message=f"{len(probed.end_losses)} probes of {probed.steps} steps do best at {probed.vertex:.3g}, "
        f"{_beside(probed.vertex, analysis)}",
        method="probes",
        suggested_lr=lr,
        suggested_lrs=for_schedules(constant),
        safe_range=(min(low, constant) * lr / constant, max(high, constant) * lr / constant),
        confidence=round(_confidence(analysis) * (1.0 if sure else 0.5), 2),
        candidates=(*analysis.candidates, Candidate("probes", constant, _length(probed, train_steps))),
    )


def _length(probed: ProbeRound, train_steps: int | None) -> str:
    known = f"{train_steps} steps" if train_steps else f"about {LONG} steps; set $train_steps to its length"
    return f"where probes do best, for a training of {known}"


def _range(probed: ProbeRound) -> tuple[float, float]:
    """Return the learning rates between which probes make most of the best one's drop, interpolated in log(LR)."""
    ends = sorted((math.log10(lr), loss) for lr, loss in probed.end_losses.items() if math.isfinite(loss))
    lowest = min(loss for _, loss in ends)
    level = probed.plateau - DESCENT_SHARE * (probed.plateau - lowest)
    good = [index for index, (_, loss) in enumerate(ends) if loss <= level]
    first, last = good[0], good[-1]
    low = _crossing(ends[first - 1], ends[first], level) if first else ends[first][0]
    high = _crossing(ends[last + 1], ends[last], level) if last + 1 < len(ends) else ends[last][0]
    return 10**low, 10**high


def _crossing(outside: tuple[float, float], inside: tuple[float, float], level: float) -> float:
    share = (level - inside[1]) / (outside[1] - inside[1])
    return inside[0] + share * (outside[0] - inside[0])


def _confidence(analysis: Analysis) -> float:
    """Return s / (s + 2) for a descent of s standard errors: 0.71 for 5 of them, 0.91 for 20."""
    if analysis.landmarks is None or sweep_minimum(analysis) is None:
        return HIDDEN
    return min(analysis.landmarks.significance / (analysis.landmarks.significance + 2), CERTAIN)


def _beside(best: float, analysis: Analysis) -> str:
    minimum = sweep_minimum(analysis)
    if minimum is None:
        return "where the sweep passes too fast to show a descent."
    if best < minimum / FAR:
        return f"{minimum / best:.1f} times below the sweep, which warms up as it goes: a cold start needs less."
    if best > minimum * FAR:
        return f"{best / minimum:.1f} times above the minimum of the sweep, which spends only a few steps there."
    return "where the sweep does best as well."
