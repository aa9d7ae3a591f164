"""Judging the learning rate of a training by what a sweep says: is it in the safe range, and has it drifted?"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from lrfind.analysis.recorded import settings_of_record
from lrfind.errors import ExitCode, Fault, RecordError
from lrfind.records.types import Result


class Finding(str, enum.Enum):
    """What a check found."""

    OK = "ok"
    TOO_HIGH = "too_high"
    TOO_LOW = "too_low"
    DRIFTED = "drifted"
    NO_SUGGESTION = "no_suggestion"
    CUT_SHORT = "cut_short"


@dataclass(frozen=True)
class Verdict:
    """Whether a training can go ahead.

    Attributes:
        finding: What was found; a learning rate outside the safe range counts before a drift.
        message: The same in a sentence or two, with what to use instead.
        lr: The learning rate that was judged; None if only the drift was.
        factor: How many times it lies outside the safe range; None if it does not.
        baseline_lr: The suggestion of the baseline; None without one.
        drift: How many times the suggestion lies above the baseline's (below: less than 1); None without one.
        tolerance: The drift that is allowed, as a factor either way.
        result: What the sweep says.
    """

    finding: Finding
    message: str
    lr: float | None
    factor: float | None
    baseline_lr: float | None
    drift: float | None
    tolerance: float
    result: Result

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that tells CI."""
        codes = {
            Finding.OK: ExitCode.OK,
            Finding.NO_SUGGESTION: ExitCode.NO_SUGGESTION,
            Finding.CUT_SHORT: ExitCode.FAILED if self.result.error else ExitCode.INTERRUPTED,
            Finding.TOO_LOW: ExitCode.OUTSIDE if lower_edge_is_known(self.result) else ExitCode.OK,
        }
        return codes.get(self.finding, ExitCode.OUTSIDE)


def judge(result: Result, lr: float | None, baseline: Result | None, tolerance: float) -> Verdict:
    """Judge a learning rate.

    Args:
        result: What the sweep says.
        lr: The learning rate that the training uses; None if only the drift is to be judged.
        baseline: An earlier result to compare with; None if there is none.
        tolerance: The factor by which the suggestion may differ from the baseline's.

    Raises:
        RecordError: The baseline suggests no learning rate.
    """
    analysis = result.analysis
    baseline_lr = None if baseline is None else baseline_rate(baseline, result)
    if was := _cut_short(result):
        return Verdict(Finding.CUT_SHORT, was, lr, None, baseline_lr, None, tolerance, result)
    if analysis.suggested_lr is None or analysis.safe_range is None:
        return Verdict(Finding.NO_SUGGESTION, analysis.message, lr, None, baseline_lr, None, tolerance, result)
    drift = None if baseline_lr is None else analysis.suggested_lr / baseline_lr
    finding, factor, messages = _beside_range(result, lr, analysis.suggested_lr, analysis.safe_range)
    if drift is not None and baseline_lr is not None:
        drifted = max(drift, 1 / drift) > tolerance
        messages.append(_of_drift(analysis.suggested_lr, baseline_lr, drift, tolerance, drifted=drifted))
        finding = Finding.DRIFTED if drifted and finding is Finding.OK else finding
    return Verdict(finding, " ".join(messages), lr, factor, baseline_lr, drift, tolerance, result)


def lower_edge_is_known(result: Result) -> bool:
    """Tell whether the lower edge of the safe range holds for the training: whether probes were half as long, or more.

    A learning rate that is too low for a short training may be right for a longer one.
    """
    train_steps = (settings_of_record(result).get("train") or {}).get("steps")
    return train_steps is not None and any(2 * probe.steps >= train_steps for probe in result.probes)


def _cut_short(result: Result) -> str | None:
    """Return why a run ended early; None if it did not."""
    if result.error:
        return f"The run failed, so nothing is judged: {result.error}"
    return "The run was interrupted, so nothing is judged." if result.interrupted else None


def baseline_rate(baseline: Result, result: Result) -> float:
    """Return the suggestion of the baseline for the schedule that `result` is for."""
    recorded, here = baseline.analysis, result.analysis
    if recorded.suggested_lr is None:
        got = f"one that does not: {recorded.message}"
        raise RecordError(Fault("--against", expected="a record that suggests a learning rate", got=got))
    for schedule, lr in here.suggested_lrs.items():
        if lr == here.suggested_lr and schedule in recorded.suggested_lrs:
            return recorded.suggested_lrs[schedule]
    return recorded.suggested_lr


def _beside_range(
    result: Result, lr: float | None, suggested: float, safe_range: tuple[float, float]
) -> tuple[Finding, float | None, list[str]]:
    low, high = safe_range
    if lr is None:
        return Finding.OK, None, []
    within = f"the safe range {low:.3g} to {high:.3g}"
    use = f"use {suggested:.3g}."
    if lr > high:
        return Finding.TOO_HIGH, lr / high, [f"LR {lr:.3g} is too high: {_times(lr / high)} above {within}; {use}"]
    if lr < low:
        messages = [f"LR {lr:.3g} is too low: {_times(low / lr)} below {within}; {use}"]
        if not lower_edge_is_known(result):
            messages.append("A training much longer than the probes may need one so low, so this is only a warning.")
        return Finding.TOO_LOW, low / lr, messages
    return Finding.OK, None, [f"LR {lr:.3g} lies in {within}."]


def _of_drift(suggested: float, baseline: float, drift: float, tolerance: float, *, drifted: bool) -> str:
    way = f"{_times(drift)} as high as" if drift >= 1 else f"{_times(1 / drift)} lower than"
    if max(drift, 1 / drift) < 1.005:
        return f"The suggestion, {suggested:.3g}, is that of the baseline."
    allowed = f"{'more than' if drifted else 'within'} the tolerance of {tolerance:g}"
    advice = ": look for what changed, or record a new baseline" if drifted else ""
    return f"The suggestion, {suggested:.3g}, is {way} the baseline's {baseline:.3g}, {allowed}{advice}."


def _times(factor: float) -> str:
    return f"{factor:.3g} times"
