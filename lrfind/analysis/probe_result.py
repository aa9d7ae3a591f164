"""From probes to a suggestion: for the length and the schedule of the training, with a safe range, or a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lrfind.analysis.learning import Learning
from lrfind.analysis.overfitting import highest_lasting_lr, memorizes
from lrfind.analysis.peak_lr import for_schedules, peak_lr
from lrfind.analysis.probe_round import ProbeRound, rounds
from lrfind.analysis.probe_search import AROUND, sweep_minimum
from lrfind.analysis.refusals import no_suggestion, refusal_of_probes
from lrfind.records.types import Analysis, Candidate, Probe, Status
from lrfind.settings import Schedule

DRIFT_NORMALIZED = 0.5
"""The best learning rate of an optimizer whose update has the same size for any gradient (Adam, Lion, Adafactor) falls
like the number of steps to the power of -0.5: the noise it leaves grows with the learning rate, the distance it must go
does not (Schaipp et al. 2025, arXiv 2501.18965). From 100 steps to the whole of 22 trainings it fell with -0.84, the
median; from 50 steps to the whole of 35, with -0.53."""

DRIFT_PROPORTIONAL = 0.15
"""The best learning rate of SGD follows the curvature, which training changes little: from 100 steps to the whole of 21
trainings it fell with -0.16, the median."""

LONG = 1000
"""Steps that a training is taken to have if `train.steps` does not say."""

BELOW, ABOVE = 3.0, 2.0
"""The safe range reaches from a third of the suggestion to twice of it. In the tuning trainings 84 % of those learning
rates had a regret of at most 0.1."""

FAR = 3.0
"""A factor between probes and sweep that is more than their noise."""


@dataclass(frozen=True)
class Training:
    """The training that the learning rate is for.

    Attributes:
        schedule: What the learning rate is for.
        steps: Its updates, if known.
        normalized: Whether its optimizer makes updates of the same size for any gradient; None if unknown, as in a
            record of a former version.
        highest_lr: No probe went beyond it.
        shrinks: The power of the steps made that its updates shrink with by themselves.
        unseen_steps: Updates from its start that see no sample twice, if known: each of their losses is one on
            held-out data.
    """

    schedule: Schedule
    steps: int | None
    normalized: bool | None
    highest_lr: float
    shrinks: float = 0.0
    unseen_steps: int | None = None

    def constant_lr(self, lr: float, steps: int) -> float:
        """Return the constant learning rate for this training from the best one for `steps` updates."""
        drift = max(0.0, DRIFT_NORMALIZED - self.shrinks) if self.normalized else DRIFT_PROPORTIONAL
        return lr * float(min(1.0, steps / (self.steps or LONG)) ** drift)


def analysis_of_probes(analysis: Analysis, probes: Sequence[Probe], training: Training) -> Analysis:
    """Return `analysis` with the suggestion that probes give, or the reason why they give none.

    It depends on what the probes measured alone, not on the order in which they were made. Probes that were cut short,
    and rounds too small to surround a best one, do not count; if no others are left, the analysis stays as it is.

    Args:
        analysis: What the sweep says.
        probes: Of any lengths.
        training: What the learning rate is for.
    """
    probes = [probe for probe in probes if not probe.stop_reason.cut_short]
    if analysis.landmarks is None:
        return analysis
    made = [each for each in rounds(probes, analysis.landmarks, len(analysis.smoothed)) if len(each.probes) >= AROUND]
    if not made:
        return analysis
    probed = next((each for each in reversed(made) if each.best is not None), made[-1])
    turns = analysis.reason is None and sweep_minimum(analysis) is not None
    if refusal := refusal_of_probes(probed, training.highest_lr, sweep_turns=turns):
        return no_suggestion(*refusal, analysis.smoothed, analysis.landmarks, analysis.candidates)
    vertex = probed.vertex
    assert vertex is not None  # no refusal
    constant = training.constant_lr(vertex, probed.steps)
    lasting = highest_lasting_lr(probes, training.steps or LONG)
    overfits = lasting is not None and lasting < constant
    constant = lasting if lasting is not None and overfits else constant
    lr = peak_lr(constant, training.schedule)
    return replace(
        analysis,
        status=Status.OK,
        reason=None,
        message=_finding(probed, vertex, analysis, overfits=overfits),
        method="probes",
        suggested_lr=lr,
        suggested_lrs=for_schedules(constant),
        safe_range=(lr / BELOW, lr * ABOVE),
        confidence=_confidence(probed, vertex, analysis, training, overfits=overfits),
        candidates=(*analysis.candidates, Candidate("probes", constant, _length(training, overfits=overfits))),
    )


def _length(training: Training, *, overfits: bool) -> str:
    known = f"{training.steps} steps" if training.steps else f"about {LONG} steps; set $train_steps to its length"
    how = "where probes overfit no more" if overfits else "where probes do best"
    return f"{how}, for a training of {known}"


REACHES = (2, 8)
"""How many times longer than the probes a training may be that they reach well, or at least in part."""

SHARES = {True: (0.95, 0.85, 0.7), False: (0.85, 0.7, 0.6)}
"""Confidence by whether the minimum of the sweep agrees with the best probe, and by how far the probes reach: the share
of such suggestions that were within 5 % of the best in the tuning trainings of the accuracy benchmark, under both
schedules."""

DOUBTFUL = 0.55
"""That share where probes overfit, or the best does clearly worse on held-out data or has hardly begun to learn."""

UNKNOWN = 0.8
"""The most that is claimed for a training of unknown length, or without held-out losses: of answers that claimed 0.85
without them, 78 % were right."""


def _confidence(probed: ProbeRound, vertex: float, analysis: Analysis, training: Training, *, overfits: bool) -> float:
    assert probed.best is not None
    best = probed.finished[probed.best]
    learns = probed.most_learned is Learning.INPUTS
    if overfits or not learns or memorizes(best, probed.plateau - best.end_loss):
        return DOUBTFUL
    minimum = sweep_minimum(analysis)
    agrees = analysis.reason is None and minimum is not None and 1 / FAR <= vertex / minimum <= FAR
    reach = sum((training.steps or LONG) > times * probed.steps for times in REACHES)
    held_out = bool(best.held_out) or best.steps <= (training.unseen_steps or 0)
    known = training.steps is not None and held_out
    return min(SHARES[agrees][reach], 1.0 if known else UNKNOWN)


def _finding(probed: ProbeRound, vertex: float, analysis: Analysis, *, overfits: bool) -> str:
    best = f"{len(probed.probes)} probes of {probed.steps} steps do best at {vertex:.3g}"
    if overfits:
        return f"{best}, but overfit: their held-out loss rises, and would in the training at a higher learning rate."
    return f"{best}, {_beside(vertex, analysis)}"


def _beside(best: float, analysis: Analysis) -> str:
    minimum = sweep_minimum(analysis)
    if minimum is None:
        return "where the sweep passes too fast to show a descent."
    if best < minimum / FAR:
        return f"{_round(minimum / best)} times below the sweep, which warms up as it goes: a cold start needs less."
    if best > minimum * FAR:
        return f"{_round(best / minimum)} times above the minimum of the sweep, which spends only a few steps there."
    return "where the sweep does best as well."


def _round(factor: float) -> str:
    return f"{float(f'{factor:.1g}' if factor >= 10 else f'{factor:.2g}'):,.15g}"
