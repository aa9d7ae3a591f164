"""From a curve to a suggestion: the choice, the safe range and the confidence, or an honest refusal."""

from __future__ import annotations

import math

from lrfind.analysis.confidence import confidence, in_sight
from lrfind.analysis.finding import EVIDENT, finding
from lrfind.analysis.landmarks import Fit, curve, find_landmarks, fit
from lrfind.analysis.peak_lr import for_schedules, peak_lr
from lrfind.analysis.reading import Reading, read
from lrfind.analysis.refusals import BLOWN_UP, MIN_POINTS, no_suggestion, refusal_of_sweep, too_short, unsure
from lrfind.records.types import Analysis, Landmarks, Refusal, Status, Sweep
from lrfind.settings import Method, Schedule

CLEAR = 0.7
"""Share of resampled curves with the same answer from which no longer sweep is wanted."""

SURE = 0.2
"""That share below which no learning rate is suggested: four in five resampled curves give another one."""

ALONE = 0.68
"""What the confidence of a curve without probes is at most. With other noise a clear curve gives the same answer, but
it has seen each learning rate for a few updates: in the tuning trainings 68 % of such answers were within 5 %."""

LEAST = 0.01
"""What it is at least: 0 stands for no suggestion."""

SLOWER = 5.0
"""The safe range reaches this factor below the suggestion. The sweep cannot see a lower edge: a smaller learning rate
reaches the same loss in as many times more steps."""


def analyze(sweep: Sweep, method: Method = "auto", schedule: Schedule = "constant") -> Analysis:
    """Read the learning rate from a sweep.

    Args:
        sweep: At least the losses up to where it ended.
        method: The candidate to suggest; `auto` is the end of the descent.
        schedule: What the learning rate is for.

    Returns:
        An `Analysis` whose status says whether a learning rate can be trusted. No curve makes this raise.
    """
    seen = curve(sweep)
    if seen is None or len(seen.response) + 1 < MIN_POINTS:
        return no_suggestion(*too_short(sweep), _smoothed(sweep))
    fitted, blew_up = fit(seen), sweep.stop_reason in BLOWN_UP
    reading = read(fitted, blew_up=blew_up, updates_per_point=sweep.updates_per_point)
    smoothed, landmarks = _smoothed(sweep, fitted), find_landmarks(fitted, blew_up=blew_up)
    candidates = reading.candidates
    refusal = refusal_of_sweep(sweep, reading)
    if refusal is not None:
        return no_suggestion(*refusal, smoothed, landmarks, candidates)
    chosen = "descent_end" if method == "auto" else method
    lr = reading.lr(chosen)
    if lr is None:
        return no_suggestion(
            Refusal.NOISE, f"The method {method} finds nothing on this curve: use $method=auto.", _smoothed(sweep)
        )
    sure = _stability(reading)
    if sure < SURE:
        return no_suggestion(Refusal.UNSURE, unsure(sure), smoothed, landmarks, candidates)
    lr = min(lr, reading.edge)
    return Analysis(
        status=Status.OK,
        reason=None,
        message=finding(reading),
        method=chosen,
        suggested_lr=peak_lr(lr, schedule),
        suggested_lrs=for_schedules(lr),
        safe_range=(peak_lr(lr / SLOWER, schedule), peak_lr(max(lr, reading.highest), schedule)),
        confidence=max(round(ALONE * sure * in_sight(reading), 2), LEAST),
        candidates=candidates,
        landmarks=landmarks,
        smoothed=smoothed,
    )


def _stability(reading: Reading) -> float:
    """Return how likely the end of the descent would be the same with other noise, however the curve is read."""

    def suggested(landmarks: Landmarks) -> float:
        return min(reading.usual(landmarks.descent_end_lr), reading.edge)

    def again(fitted: Fit) -> float:
        return suggested(find_landmarks(reading.lower(fitted), blew_up=False))

    same = confidence(reading.whole, suggested(reading.landmarks), again)
    return same * min(1.0, reading.landmarks.significance / EVIDENT)


def next_length(analysis: Analysis, steps: int, max_iter: int) -> int | None:
    """Return how many steps a longer sweep should have; None if it would say no more, or may not be.

    Noise is what more steps average out: twice as many where a descent shows in it, four times where none does.

    Args:
        analysis: What was read from a sweep of `steps` steps.
        steps: Steps of its whole ladder.
        max_iter: The most steps that a sweep may have.
    """
    if analysis.reason in (Refusal.NOISE, Refusal.UNSURE):
        longer = 4 * steps
    elif analysis.landmarks and analysis.reason is None and _thin(analysis.landmarks, analysis.confidence):
        longer = 2 * steps
    else:
        return None
    return min(longer, max_iter) if steps < max_iter else None


def _thin(landmarks: Landmarks, confidence: float) -> bool:
    return landmarks.significance < EVIDENT or confidence < ALONE * CLEAR


def _smoothed(sweep: Sweep, fitted: Fit | None = None) -> tuple[float, ...]:
    values = [] if fitted is None else fitted.smoothed.tolist()
    return tuple(values + [math.nan] * (len(sweep.lrs) - len(values)))
