"""The learning rates that a scheduler is set up with: those of a record, or one that the user names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lrfind.analysis.peak_lr import for_schedules
from lrfind.records.types import Result

BASE_SHARE = 1 / 4
"""Share of the top at which a cycle begins at the latest; Smith (2015, section 3.3) has a third or a quarter."""


@dataclass(frozen=True)
class LearningRates:
    """The learning rates that a scheduler is set up with.

    Attributes:
        suggested: The suggestion by schedule: constant, or the peak of cosine, linear, onecycle.
        low: Lower end of the safe range of a constant learning rate.
        high: Upper end of it.
        given: Whether the user named them, and so knows every digit.
    """

    suggested: Mapping[str, float]
    low: float
    high: float
    given: bool = False


def learning_rates(result: Result) -> LearningRates | None:
    """Return the learning rates for all schedules, not only the record's; None without a suggestion."""
    analysis, safe_range = result.analysis, constant_range(result)
    if analysis.constant_lr is None or safe_range is None:
        return None
    return LearningRates({**for_schedules(analysis.constant_lr), **analysis.suggested_lrs}, *safe_range)


def learning_rates_given(lr: float, safe_range: tuple[float, float] | None) -> LearningRates:
    """Return the learning rates for schedules whose highest learning rate is `lr`.

    A cycle begins at the lower end of the safe range, or at a quarter of `lr` if that is lower or no range is known.
    """
    low = min([lr * BASE_SHARE, *(safe_range or ())])
    return LearningRates(dict.fromkeys(("constant", *for_schedules(lr)), lr), low, lr, given=True)


def constant_range(result: Result) -> tuple[float, float] | None:
    """Return the safe range of a constant learning rate, also if the record is for a schedule."""
    analysis = result.analysis
    if analysis.suggested_lr is None or analysis.constant_lr is None or analysis.safe_range is None:
        return None
    scale = analysis.constant_lr / analysis.suggested_lr
    low, high = analysis.safe_range
    return low * scale, high * scale
