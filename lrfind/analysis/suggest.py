"""From landmarks to a suggestion: the candidates, the choice, the safe range, or an honest refusal."""

from __future__ import annotations

import math

import numpy as np

from lrfind.analysis.confidence import confidence
from lrfind.analysis.landmarks import DESCENT_SHARE, MARGIN, Fit, curve, find_landmarks, fit
from lrfind.analysis.peak_lr import for_schedules, peak_lr
from lrfind.analysis.refusals import BLOWN_UP, MIN_POINTS, no_suggestion, refusal_of_sweep, too_short, unsure
from lrfind.records.types import Analysis, Candidate, Landmarks, Refusal, Status, Sweep
from lrfind.settings import Method, Schedule

EVIDENT = 7.5
"""Standard errors from which no longer sweep is wanted: in 100 steps over 8 decades, the depth of a descent three times
as large as the noise from batch to batch, which shows in the single mini-batches."""

CLEAR = 0.7
"""Share of resampled curves with the same answer from which no longer sweep is wanted."""

SURE = 0.2
"""That share below which no learning rate is suggested: four in five resampled curves give another one."""

ALONE = 0.68
"""What the confidence of a curve without probes is at most. With other noise a clear curve gives the same answer, but
it has seen each learning rate for a few updates: in the tuning trainings 68 % of such answers were within 5 %."""

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
    fitted = fit(seen)
    landmarks = find_landmarks(fitted, blew_up=sweep.stop_reason in BLOWN_UP)
    candidates = _candidates(fitted, landmarks)
    refusal = refusal_of_sweep(sweep, fitted, landmarks)
    if refusal is not None:
        return no_suggestion(*refusal, _smoothed(sweep, fitted), landmarks, candidates)
    chosen = "descent_end" if method == "auto" else method
    return _suggested(sweep, fitted, landmarks, candidates, chosen, schedule)


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


def _candidates(fitted: Fit, landmarks: Landmarks) -> tuple[Candidate, ...]:
    """Return the proposal of each method, in the order in which they climb the learning rate on a typical curve."""
    return (
        Candidate("minimum", landmarks.minimum_lr / 10, "a tenth of the LR of the minimum (Gugger 2018)"),
        Candidate("valley", _valley(fitted), "two thirds down the longest descent (after fastai's valley)"),
        Candidate("steepest", landmarks.steepest_lr, "steepest descent per decade of LR"),
        Candidate("descent_end", landmarks.descent_end_lr, f"{DESCENT_SHARE:.0%} of the way down to the minimum"),
    )


def _valley(fitted: Fit) -> float | None:
    """Return the learning rate two thirds along the longest falling stretch of the smoothed curve; None without one."""
    falling = np.concatenate(([False], np.diff(fitted.smoothed) < 0, [False]))
    edges = np.flatnonzero(np.diff(falling.astype(int)))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return None
    longest = int(np.argmax(ends - starts))
    index = starts[longest] + 2 * (ends[longest] - starts[longest]) / 3
    return float(10 ** np.interp(index, np.arange(len(fitted.smoothed)), fitted.curve.log_lrs))


def _suggested(
    sweep: Sweep,
    fitted: Fit,
    landmarks: Landmarks,
    candidates: tuple[Candidate, ...],
    method: str,
    schedule: Schedule,
) -> Analysis:
    lr = next(candidate.lr for candidate in candidates if candidate.method == method)
    if lr is None:
        return no_suggestion(
            Refusal.NOISE, f"The method {method} finds nothing on this curve: use $method=auto.", _smoothed(sweep)
        )
    edge = (landmarks.divergence_lr or math.inf) / MARGIN
    lr, highest = min(lr, edge), min(landmarks.minimum_lr, edge)
    sure = confidence(fitted, lr, lambda other: min(_reread(other, method) or math.inf, edge))
    sure *= min(1.0, landmarks.significance / EVIDENT)
    if sure < SURE:
        return no_suggestion(Refusal.UNSURE, unsure(sure), _smoothed(sweep, fitted), landmarks, candidates)
    return Analysis(
        status=Status.OK,
        reason=None,
        message=_finding(landmarks),
        method=method,
        suggested_lr=peak_lr(lr, schedule),
        suggested_lrs=for_schedules(lr),
        safe_range=(peak_lr(lr / SLOWER, schedule), peak_lr(max(lr, highest), schedule)),
        confidence=round(ALONE * sure, 2),
        candidates=candidates,
        landmarks=landmarks,
        smoothed=_smoothed(sweep, fitted),
    )


def _finding(landmarks: Landmarks) -> str:
    if landmarks.significance < EVIDENT:
        return "The descent is small against the noise between batches: raise $max_iter to be surer."
    if landmarks.divergence_lr is None:
        return "The loss falls up to here. The sweep does not show how far above it is safe: raise $end_lr to see it."
    return "The loss falls steadily up to here, and rises or blows up only well above."


def _reread(fitted: Fit, method: str) -> float | None:
    found = _candidates(fitted, find_landmarks(fitted, blew_up=False))
    return next(candidate.lr for candidate in found if candidate.method == method)


def _smoothed(sweep: Sweep, fitted: Fit | None = None) -> tuple[float, ...]:
    values = [] if fitted is None else fitted.smoothed.tolist()
    return tuple(values + [math.nan] * (len(sweep.lrs) - len(values)))
