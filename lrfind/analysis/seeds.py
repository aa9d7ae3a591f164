"""One suggestion from the runs of several seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from lrfind.records.types import Analysis, Refusal, Status


def median_run(analyses: Sequence[Analysis]) -> int:
    """Return the index of the run that speaks for all: the one with the median suggestion.

    It is the last without a suggestion if half of the runs or more have none.
    """
    found = sorted((lr, index) for index, lr in enumerate(a.suggested_lr for a in analyses) if lr is not None)
    if 2 * len(found) <= len(analyses):
        return max(index for index, analysis in enumerate(analyses) if analysis.suggested_lr is None)
    return found[(len(found) - 1) // 2][1]


def pooled(analyses: Sequence[Analysis]) -> Analysis:
    """Return the analysis of the median run, with the median suggestion in log(LR) and the mean confidence.

    Args:
        analyses: What each run says, at least one.
    """
    chosen = analyses[median_run(analyses)]
    suggested = chosen.suggested_lr
    if suggested is None:
        return _unsure(chosen, analyses)
    found = [analysis.suggested_lr for analysis in analyses if analysis.suggested_lr is not None]
    factor = math.exp(statistics.median(map(math.log, found))) / suggested
    return replace(
        chosen,
        message=f"{chosen.message} {_spread(found, len(analyses))}",
        suggested_lr=factor * suggested,
        suggested_lrs={schedule: factor * lr for schedule, lr in chosen.suggested_lrs.items()},
        safe_range=chosen.safe_range and (factor * chosen.safe_range[0], factor * chosen.safe_range[1]),
        confidence=round(statistics.fmean(analysis.confidence for analysis in analyses), 2),
    )


def _unsure(chosen: Analysis, analyses: Sequence[Analysis]) -> Analysis:
    refused = sum(analysis.suggested_lr is None for analysis in analyses)
    if refused == len(analyses):
        return chosen
    return replace(
        chosen,
        status=Status.NO_SUGGESTION,
        reason=Refusal.UNSURE,
        message=f"{refused} of {len(analyses)} seeds give no learning rate, this one as follows. {chosen.message}",
    )


def _spread(lrs: Sequence[float], runs: int) -> str:
    decades = statistics.stdev(map(math.log10, lrs)) if len(lrs) > 1 else 0.0
    refused = f", {runs - len(lrs)} gave none" if len(lrs) < runs else ""
    return f"Median of {runs} seeds: {min(lrs):.3g} to {max(lrs):.3g}, spread {decades:.2f} decades{refused}."
