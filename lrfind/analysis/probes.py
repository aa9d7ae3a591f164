"""Checking a sweep by short trainings: which learning rate to try next, and what they say together.

A sweep sees each learning rate for a few steps, with weights that smaller ones have trained. A probe trains from the
start at one learning rate, on the same mini-batches as all others, so that probes differ by the learning rate alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lrfind.analysis.landmarks import DESCENT_SHARE, MARGIN, PLATEAU_SHARE
from lrfind.analysis.schedules import Schedule, for_schedules, peak_lr
from lrfind.analysis.suggest import SIGNIFICANT
from lrfind.record import Analysis, Candidate, Landmarks, Probe, Refusal, Status

COARSE, FINE = 0.5, 0.25
"""Distance of neighbouring probes in decades of learning rate, at first and when refining."""

SAME_SHARE = 0.02
"""Share of the drop of the loss within which probes are as good as each other; then the lower learning rate is taken,
as a training that has all but ended says nothing of how much higher it could have been."""

DRIFT = 0.15
"""The longer the training, the lower its best constant learning rate (the short-horizon bias, Wu et al. 2018, arXiv
1803.02021): it falls like the number of steps to the power of -0.15, by a factor of 1.4 for ten times as many. So far
it fell between trainings of 25 and of 200 steps, on average over 35 tasks."""

LONG = 1000
"""Steps that a training is taken to have if `train.steps` does not say."""

HIDDEN = 0.6
"""Confidence of a suggestion that rests on the probes alone: the share of such suggestions, where the sweep had shown
no descent, that were within 5 % of the best in brute-forced trainings."""

ENOUGH = 4
"""Probes that do not rise, and none of which descends; more of the same length would not either."""

FAR = 3.0
"""A factor between probes and sweep that is more than their noise."""

_SAME = 1e-6
"""Decades below which two learning rates are the same."""

_PROBED = (None, Refusal.NOISE, Refusal.UNSURE, Refusal.NO_PLATEAU, Refusal.STILL_DESCENDING)
"""What a sweep may say for probes to have a place to start from."""


@dataclass(frozen=True)
class Round:
    """Probes of one length, beside the plateau of the sweep.

    Attributes:
        end_losses: Mean loss of the last quarter of each probe, by learning rate; infinite if it blew up before.
        steps: Updates of each probe.
        plateau: Loss without training.
        noise: Standard error of `plateau` minus an end loss.
    """

    end_losses: Mapping[float, float]
    steps: int
    plateau: float
    noise: float

    @property
    def best(self) -> float:
        """The learning rate of the best probe: of those within `SAME_SHARE` of the lowest loss, the lowest."""
        lowest = min(self.end_losses.values())
        enough = lowest + SAME_SHARE * max(self.plateau - lowest, 0.0) if math.isfinite(lowest) else lowest
        return min(lr for lr, loss in self.end_losses.items() if loss <= enough)

    @property
    def descends(self) -> bool:
        """Whether the best probe ends below the plateau by more than chance."""
        return self.plateau - min(self.end_losses.values()) >= SIGNIFICANT * self.noise

    @property
    def still(self) -> int:
        """How many probes did not rise."""
        return sum(loss <= self.plateau + SIGNIFICANT * self.noise for loss in self.end_losses.values())

    @property
    def vertex(self) -> float:
        """The learning rate at the vertex of the least-squares parabola, in log(LR), around the best probe.

        Where a neighbour is missing or blew up, it is the best probe itself.
        """
        best = self.best
        near = {
            math.log10(lr / best): loss
            for lr, loss in self.end_losses.items()
            if abs(math.log10(lr / best)) <= COARSE + _SAME and math.isfinite(loss)
        }
        if len(near) < 3 or min(near) > -_SAME or max(near) < _SAME:
            return best
        curvature, slope, _ = np.polyfit(list(near), list(near.values()), 2)
        return float(best * 10 ** np.clip(-slope / (2 * curvature), -COARSE, COARSE)) if curvature > 0 else best


def round_of(probes: Sequence[Probe], steps: int, landmarks: Landmarks, sweep_steps: int) -> Round:
    """Return what the first `steps` updates of `probes` say.

    Args:
        probes: At least one.
        steps: At most the length of the probes.
        landmarks: Of the sweep before them.
        sweep_steps: Updates of that sweep.
    """
    counted = max(1, round(steps / 4))
    before = max(1, round(PLATEAU_SHARE * sweep_steps))
    noise = landmarks.noise * math.sqrt(1 / counted + 1 / before) + float(np.finfo(np.float64).tiny)
    return Round({probe.lr: probe.loss_after(steps) for probe in probes}, steps, landmarks.plateau_loss, noise)


def starting_lr(analysis: Analysis, highest_lr: float) -> float | None:
    """Return the learning rate of the first probe; None if the sweep leaves nothing to probe.

    It is the minimum of the curve where one shows, otherwise just below where the sweep blew up, or ended.
    """
    landmarks = analysis.landmarks
    if landmarks is None or analysis.reason not in _PROBED:
        return None
    if shows_descent(analysis):
        return min(landmarks.minimum_lr, highest_lr)
    return (landmarks.divergence_lr or highest_lr) / MARGIN


def shows_descent(analysis: Analysis) -> bool:
    """Tell whether a descent stands out from the noise of the sweep."""
    return analysis.landmarks is not None and analysis.landmarks.significance >= SIGNIFICANT


def next_lr(made: Round | None, start_lr: float, highest_lr: float, most: int) -> float | None:
    """Return the learning rate to probe next; None when the best has neighbours on both sides, or enough are made.

    Args:
        made: The probes of this length so far; None before the first.
        start_lr: Learning rate of the first probe.
        highest_lr: No probe goes beyond it.
        most: Probes at the most.
    """
    if made is None:
        return start_lr
    if len(made.end_losses) == 1:
        return start_lr / 10**COARSE
    if len(made.end_losses) >= most or (made.still >= ENOUGH and not made.descends):
        return None
    return next(iter(_missing(made, COARSE, highest_lr)), None)


def finer_lrs(made: Round, highest_lr: float) -> list[float]:
    """Return the learning rates half-way between the best probe and its neighbours."""
    return _missing(made, FINE, highest_lr)


def _missing(made: Round, distance: float, highest_lr: float) -> list[float]:
    """Return the neighbours of the best probe that are not made yet, the lower first: it is the safer one."""
    wanted = (made.best / 10**distance, min(made.best * 10**distance, highest_lr))
    return [lr for lr in wanted if all(abs(math.log10(lr / other)) > _SAME for other in made.end_losses)]


def settled(made: Round, at_half: Round, analysis: Analysis) -> bool:
    """Tell whether the answer has stopped moving with the length of the probes.

    It has if two looks of different length agree to within the distance of two probes: the whole probes and their first
    halves, or the probes and the minimum of the sweep, where a descent shows in both.

    Args:
        made: The probes.
        at_half: The same probes after half of their steps.
        analysis: What the sweep says.
    """
    if not made.descends:
        return False
    looks = [at_half.vertex] if at_half.descends else []
    if shows_descent(analysis) and analysis.landmarks is not None:
        looks.append(analysis.landmarks.minimum_lr)
    return any(abs(math.log10(look / made.vertex)) <= COARSE for look in looks)


def for_length(lr: float, steps: int, train_steps: int) -> float:
    """Return the constant learning rate for a training of `train_steps` from the best one for `steps`."""
    return lr * float(min(1.0, steps / train_steps) ** DRIFT)


def conclude(
    analysis: Analysis,
    made: Round,
    schedule: Schedule,
    highest_lr: float,
    *,
    sure: bool,
    train_steps: int | None = None,
) -> Analysis:
    """Return `analysis` with the suggestion that the probes give, or the reason why they give none.

    Args:
        analysis: What the sweep says.
        made: The longest probes.
        schedule: What the learning rate is for.
        highest_lr: No probe went beyond it.
        sure: Whether the answer had settled.
        train_steps: Updates of the real training, if known.
    """
    if not made.descends:
        return analysis if analysis.reason is Refusal.STILL_DESCENDING else _refused(analysis, made)
    beyond = made.best >= highest_lr * (1 - _SAME)
    if beyond and analysis.reason is Refusal.STILL_DESCENDING:
        return analysis
    constant = for_length(made.vertex, made.steps, train_steps or LONG)
    lr = peak_lr(constant, schedule)
    low, high = _range(made)
    low *= constant / made.vertex  # what is too low for a short training may do for a long one, what is too high not
    return replace(
        analysis,
        status=Status.OK,
        reason=None,
        message=f"{len(made.end_losses)} trainings of {made.steps} steps are best at {made.vertex:.3g}, "
        f"{_beside(made.vertex, analysis)}",
        method="probes",
        suggested_lr=lr,
        suggested_lrs=for_schedules(constant),
        safe_range=(min(low, constant) * lr / constant, max(high, constant) * lr / constant),
        confidence=round(_confidence(analysis) * (1.0 if sure else 0.5), 2),
        candidates=(*analysis.candidates, Candidate("probes", constant, _length(made, train_steps))),
    )


def _length(made: Round, train_steps: int | None) -> str:
    known = f"{train_steps} steps" if train_steps else f"{LONG} steps or so; train.steps tells how many"
    return f"where short trainings are best, for one of {known}"


def _range(made: Round) -> tuple[float, float]:
    """Return the learning rates between which probes make most of the best one's drop, interpolated in log(LR)."""
    ends = sorted((math.log10(lr), loss) for lr, loss in made.end_losses.items() if math.isfinite(loss))
    lowest = min(loss for _, loss in ends)
    level = made.plateau - DESCENT_SHARE * (made.plateau - lowest)
    good = [index for index, (_, loss) in enumerate(ends) if loss <= level]
    first, last = good[0], good[-1]
    low = _crossing(ends[first - 1], ends[first], level) if first else ends[first][0]
    high = _crossing(ends[last + 1], ends[last], level) if last + 1 < len(ends) else ends[last][0]
    return 10**low, 10**high


def _crossing(outside: tuple[float, float], inside: tuple[float, float], level: float) -> float:
    share = (level - inside[1]) / (outside[1] - inside[1])
    return inside[0] + share * (outside[0] - inside[0])


def _confidence(analysis: Analysis) -> float:
    """Return 2 standard errors in 2 + s: a descent of 5 standard errors gives 0.71, one of 20 gives 0.91."""
    if not shows_descent(analysis) or analysis.landmarks is None:
        return HIDDEN
    return analysis.landmarks.significance / (analysis.landmarks.significance + 2)


def _beside(best: float, analysis: Analysis) -> str:
    if not shows_descent(analysis) or analysis.landmarks is None:
        return "where the sweep goes by too fast to show a descent."
    minimum = analysis.landmarks.minimum_lr
    if best < minimum / FAR:
        return f"{minimum / best:.1f} times below the sweep, which warms up as it goes: a cold start takes less."
    if best > minimum * FAR:
        return f"{best / minimum:.1f} times above the minimum of the sweep, which spends but a few steps there."
    return "where the sweep is best as well."


def _refused(analysis: Analysis, made: Round) -> Analysis:
    return replace(
        analysis,
        status=Status.NO_SUGGESTION,
        reason=Refusal.NOISE,
        message=f"No descent stands out from the noise between batches, neither in the sweep nor in trainings of "
        f"{made.steps} steps: raise probes.max_steps, use larger batches, or check that the data can be learned.",
        method=None,
        suggested_lr=None,
        suggested_lrs={},
        safe_range=None,
        confidence=0.0,
    )
