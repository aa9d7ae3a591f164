"""Why no learning rate can be suggested, and what to change: every refusal, with its text."""

from __future__ import annotations

import math

import numpy as np

from lrfind.analysis.landmarks import SIGNIFICANT, Fit, plateau_points
from lrfind.analysis.learning import Learning, knew_before
from lrfind.analysis.probe_round import SAME, ProbeRound
from lrfind.analysis.reading import Reading
from lrfind.records.types import Analysis, Candidate, Landmarks, Refusal, Status, StopReason, Sweep

MIN_POINTS = 10
"""Fewer losses than this do not make a curve."""

_CUT_SHORT = {
    StopReason.INTERRUPTED: "was interrupted",
    StopReason.FAILED: "failed",
    StopReason.DATA_ENDED: "ran out of data",
}
BLOWN_UP = (StopReason.DIVERGED, StopReason.NON_FINITE)
"""Ends of a sweep in which the loss blew up."""


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


def too_short(sweep: Sweep) -> tuple[Refusal, str]:
    """Return why a sweep of too few finite losses gives no learning rate, with what to change."""
    if sweep.losses and not math.isfinite(sweep.losses[0]):
        return Refusal.NON_FINITE_AT_START, (
            f"The very first loss is {sweep.losses[0]}, before any update: no learning rate can fix this. "
            "Look for the cause in the data, the model or the loss."
        )
    blew_up = sweep.stop_reason in BLOWN_UP or not all(map(math.isfinite, sweep.losses))
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


def refusal_of_sweep(sweep: Sweep, reading: Reading) -> tuple[Refusal, str] | None:
    """Return why this curve gives no learning rate, with what to change; None if it gives one."""
    fitted, landmarks = reading.whole, reading.landmarks
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
    if not reading.shows_plateau and reading.rise_lr is None:
        return Refusal.NO_PLATEAU, (
            f"The loss falls from the first learning rate ({sweep.lrs[0]:.3g}) on and never rises again, so the sweep "
            f"shows neither where the descent begins nor what is too high: lower $start_lr, for example to "
            f"{sweep.lrs[0] / 100:.0e}, and raise $end_lr."
        )
    if reading.valleys.hump is None and _still_descending(sweep, fitted, landmarks):
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
    if sweep.stop_reason in BLOWN_UP:
        return False
    last = int(np.ceil(fitted.curve.smoother.bandwidth))
    at_the_end = landmarks.minimum_lr >= 10 ** fitted.curve.log_lrs[-last]
    return at_the_end and float(fitted.slope[-1]) <= landmarks.steepest_slope / 4


def unsure(sure: float) -> str:
    """Return what to say of a confidence that is too low, from 0 to 1, with what to change."""
    return (
        f"With other noise the same curve would have given another learning rate (confidence {sure:.0%}): "
        "raise $num_iter or $max_iter, or use larger batches."
    )


def refusal_of_probes(probed: ProbeRound, highest_lr: float, *, sweep_turns: bool) -> tuple[Refusal, str] | None:
    """Return why the probes give no learning rate, with what to change; None if they give one.

    Args:
        probed: The longest round.
        highest_lr: No probe went beyond it.
        sweep_turns: Whether the sweep has its minimum before its end, so that the best lies about there.
    """
    if probed.best is None:
        return Refusal.UNSURE, (
            f"All {len(probed.probes)} probes of {probed.steps} steps blew up, down to a learning rate of "
            f"{min(probe.lr for probe in probed.probes):.3g}: raise $max_probes, or lower $start_lr and $end_lr."
        )
    if not probed.descends and knew_before(min(probed.probes, key=lambda probe: probe.lr)):
        return Refusal.NOISE, (
            "The model knows this data already: before the first update its loss lies far below that with the inputs "
            f"of other samples, and no probe of {probed.steps} steps takes it further. Start from the weights that the "
            "training will start from, or raise $budget to see what longer probes gain."
        )
    if not probed.descends and probed.most_learned > Learning.NOTHING:
        return Refusal.NOISE, (
            f"After probes of {probed.steps} steps the predictions do not depend on the inputs: the loss falls only as "
            "far as a constant prediction takes it. Raise $budget, lower $start_lr, or check the scale of the "
            "inputs, the initial weights and the labels."
        )
    if not probed.descends:
        return Refusal.NOISE, (
            "No descent stands out from the noise between batches, neither in the sweep nor in probes of "
            f"{probed.steps} steps: raise $budget, use larger batches, or check that the data can be learned."
        )
    if not sweep_turns and probed.is_highest and probed.best >= highest_lr * (1 - SAME):
        return Refusal.STILL_DESCENDING, (
            f"Of {len(probed.probes)} probes of {probed.steps} steps the one at the highest learning rate "
            f"({highest_lr:.3g}) does best, so the best learning rate lies beyond: raise $end_lr."
        )
    return None
