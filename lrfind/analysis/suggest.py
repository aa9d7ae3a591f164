"""From landmarks to a suggestion: the candidates, the choice, the safe range, or an honest refusal."""

from __future__ import annotations

import math

import numpy as np

from lrfind.analysis.confidence import confidence
from lrfind.analysis.landmarks import DESCENT_SHARE, MARGIN, Fit, curve, find_landmarks, fit, plateau_points
from lrfind.analysis.schedules import for_schedules, peak_lr
from lrfind.records.types import Analysis, Candidate, Landmarks, Refusal, Status, StopReason, Sweep
from lrfind.settings import Method, Schedule

MIN_POINTS = 10
"""Fewer losses than this do not make a curve."""

SIGNIFICANT = 5.0
"""Standard errors that a descent must be deep to be more than chance. The dip of a sweep of normal noise alone is this
deep in 1.7 of 1000 sweeps of 100 steps and 0.3 of 1000 of 400 (6000 simulated of each)."""

EVIDENT = 7.5
"""Standard errors from which no longer sweep is wanted: in 100 steps over 8 decades, the depth of a descent three times
as large as the noise from batch to batch, which shows in the single mini-batches."""

CLEAR = 0.7
"""Confidence from which no longer sweep is wanted."""

SURE = 0.2
"""Confidence below which no learning rate is suggested: four in five resampled curves give another one."""

SLOWER = 5.0
"""The safe range reaches this factor below the suggestion. The sweep cannot see a lower edge: a smaller learning rate
reaches the same loss in as many times more steps."""

_CUT_SHORT = {
    StopReason.INTERRUPTED: "was interrupted",
    StopReason.FAILED: "failed",
    StopReason.DATA_ENDED: "ran out of data",
}
_BLOWN_UP = (StopReason.DIVERGED, StopReason.NON_FINITE)


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
        return no_suggestion(*_too_short(sweep), _smoothed(sweep))
    fitted = fit(seen)
    landmarks = find_landmarks(fitted, blew_up=sweep.stop_reason in _BLOWN_UP)
    candidates = _candidates(fitted, landmarks)
    refusal = _refusal(sweep, fitted, landmarks)
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
    return landmarks.significance < EVIDENT or confidence < CLEAR


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
        return no_suggestion(Refusal.UNSURE, _unsure(sure), _smoothed(sweep, fitted), landmarks, candidates)
    return Analysis(
        status=Status.OK,
        reason=None,
        message=_finding(landmarks),
        method=method,
        suggested_lr=peak_lr(lr, schedule),
        suggested_lrs=for_schedules(lr),
        safe_range=(peak_lr(lr / SLOWER, schedule), peak_lr(max(lr, highest), schedule)),
        confidence=round(sure, 2),
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


def _unsure(sure: float) -> str:
    return (
        f"With other noise the same curve would have given another learning rate (confidence {sure:.0%}): "
        "raise $num_iter or $max_iter, or use larger batches."
    )


def _reread(fitted: Fit, method: str) -> float | None:
    found = _candidates(fitted, find_landmarks(fitted, blew_up=False))
    return next(candidate.lr for candidate in found if candidate.method == method)


def _too_short(sweep: Sweep) -> tuple[Refusal, str]:
    if sweep.losses and not math.isfinite(sweep.losses[0]):
        return Refusal.NON_FINITE_AT_START, (
            f"The very first loss is {sweep.losses[0]}, before any update: no learning rate can fix this. "
            "Look for the cause in the data, the model or the loss."
        )
    blew_up = sweep.stop_reason in _BLOWN_UP or not all(map(math.isfinite, sweep.losses))
    if sweep.losses and blew_up:
        return _diverged_at_once(sweep)
    return Refusal.TOO_FEW_POINTS, (
        f"The sweep has {len(sweep.losses)} losses, but a curve needs {MIN_POINTS}: "
        "give it more data, or let it run to its end."
    )


def _to_the_end(sweep: Sweep) -> str:
    if sweep.stop_reason is StopReason.DATA_ENDED:
        return "give it more data, or a loader that can be read again"
    return "let it run to its end"


def _diverged_at_once(sweep: Sweep) -> tuple[Refusal, str]:
    return Refusal.DIVERGED_AT_ONCE, (
        f"The loss rises from the first learning rate ({sweep.lrs[0]:.3g}) on: lower $start_lr, "
        f"for example to {sweep.lrs[0] / 1000:.0e}."
    )


def _refusal(sweep: Sweep, fitted: Fit, landmarks: Landmarks) -> tuple[Refusal, str] | None:
    """Return why this curve gives no learning rate, with what to change; None if it gives one."""
    if _is_flat(fitted):
        return Refusal.FLAT, (
            f"The loss stays at {fitted.plateau:.4g} at every learning rate: raise $end_lr, or check that the loss "
            "depends on the trainable parameters."
        )
    if _starts_blown_up(sweep, fitted):
        return _diverged_at_once(sweep)
    if landmarks.significance < SIGNIFICANT:
        if _rises_at_once(fitted):
            return _diverged_at_once(sweep)
        if sweep.stop_reason in _CUT_SHORT:
            return Refusal.TOO_FEW_POINTS, (
                f"The sweep {_CUT_SHORT[sweep.stop_reason]} after {len(sweep.losses)} steps, before any descent: "
                f"{_to_the_end(sweep)}."
            )
        return Refusal.NOISE, (
            f"No descent stands out from the noise between batches (standard deviation {fitted.noise:.3g}): "
            "raise $max_iter, or use larger batches."
        )
    if landmarks.steepest_lr <= 10 ** fitted.curve.log_lrs[plateau_points(fitted.curve) - 1]:
        return Refusal.NO_PLATEAU, (
            f"The loss falls from the first learning rate ({sweep.lrs[0]:.3g}) on, so the sweep does not show where "
            f"the descent begins: lower $start_lr, for example to {sweep.lrs[0] / 100:.0e}."
        )
    if _still_descending(sweep, fitted, landmarks):
        fix = "raise $end_lr" if sweep.stop_reason is StopReason.COMPLETED else _to_the_end(sweep)
        return Refusal.STILL_DESCENDING, (
            f"The loss is still falling at the last learning rate ({sweep.lrs[-1]:.3g}), so the best one lies beyond: "
            f"{fix}."
        )
    return None


def _is_flat(fitted: Fit) -> bool:
    """Tell whether the loss moves by no more than rounding would make it move."""
    span = float(np.ptp(fitted.curve.response))
    return span <= 1e-5 * max(abs(fitted.plateau), float(np.finfo(np.float32).tiny))


def _rises_at_once(fitted: Fit) -> bool:
    """Tell whether the loss has left its plateau upwards before the learning rate has risen tenfold."""
    log_lrs = fitted.curve.log_lrs
    return bool(np.any(fitted.smoothed[log_lrs < log_lrs[0] + 1] > fitted.plateau + 3 * fitted.noise))


def _starts_blown_up(sweep: Sweep, fitted: Fit) -> bool:
    """Tell whether the plateau is none, but losses that the very first updates have blown up.

    The loss before any update then lies below them all, by three times what the curve ever falls below it, or more.
    """
    before, points = sweep.losses[0], fitted.curve.response[: plateau_points(fitted.curve)]
    rise = fitted.plateau - before
    fall = before - float(np.min(fitted.smoothed))
    return rise > max(3 * fall, SIGNIFICANT * fitted.noise) and before < float(np.min(points))


def _still_descending(sweep: Sweep, fitted: Fit, landmarks: Landmarks) -> bool:
    """Tell whether the curve ends on a slope no flatter than a quarter of its steepest."""
    if sweep.stop_reason in _BLOWN_UP:
        return False
    last = int(np.ceil(fitted.curve.smoother.bandwidth))
    at_the_end = landmarks.minimum_lr >= 10 ** fitted.curve.log_lrs[-last]
    return at_the_end and float(fitted.slope[-1]) <= landmarks.steepest_slope / 4


def no_suggestion(
    reason: Refusal,
    message: str,
    smoothed: tuple[float, ...],
    landmarks: Landmarks | None = None,
    candidates: tuple[Candidate, ...] = (),
) -> Analysis:
    """Return an analysis without a suggestion; the arguments are its attributes."""
    return Analysis(
        status=Status.NO_SUGGESTION,
        reason=reason,
        message=message,
        method=None,
        suggested_lr=None,
        suggested_lrs={},
        safe_range=None,
        confidence=0.0,
        candidates=candidates,
        landmarks=landmarks,
        smoothed=smoothed,
    )


def _smoothed(sweep: Sweep, fitted: Fit | None = None) -> tuple[float, ...]:
    values = [] if fitted is None else fitted.smoothed.tolist()
    return tuple(values + [math.nan] * (len(sweep.lrs) - len(values)))
