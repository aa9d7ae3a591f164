"""What short trainings around a learning rate say, in sentences made of their measured losses."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lrfind.explain.trajectories import MOST, courses, start_of
from lrfind.explain.types import Course, Explanation, Outcome, Run
from lrfind.records.types import Probe, Result, StopReason

_FRACTIONS = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth", 10: "a tenth", 100: "a hundredth"}
_MULTIPLES = {2: "twice", 3: "three times", 4: "four times", 5: "five times", 10: "ten times", 100: "a hundred times"}


def interpret(
    result: Result | None,
    alpha: float,
    trained: Sequence[tuple[Probe, str | None]],
    title: str,
    *,
    given: bool,
    source: str | None = None,
) -> Explanation:
    """Return what trainings around `alpha` show.

    Args:
        result: The record of the same training; None without one.
        alpha: A constant learning rate, which one of the trainings was made at.
        trained: The trainings, each with the fault that ended it if one did; one of them has a loss.
        title: What was trained.
        given: Whether the user named alpha; otherwise it is what the record suggests.
        source: The config or script of the training; that of the record if None.
    """
    trained = sorted(trained, key=lambda pair: pair[0].lr)
    probes = [probe for probe, _ in trained]
    start = start_of(result.analysis.landmarks if result else None, len(result.sweep.lrs) if result else 0, probes)
    compared = courses(probes, alpha, start)
    reference = next(course for course in compared if course.probe.lr == alpha)
    runs = tuple(
        Run(
            **vars(course),
            factor=course.probe.lr / alpha,
            role=_role(course.probe.lr / alpha, given=given),
            note=_note(course, reference, start.loss, error),
            error=error,
        )
        for course, (_, error) in zip(compared, trained, strict=True)
    )
    message = " ".join([_finding(compared, reference), *(_purpose(result, alpha) if result and not given else [])])
    return Explanation(alpha, probes[0].steps, start, runs, message, title, source or (result and result.source) or "")


def _role(factor: float, *, given: bool) -> str:
    """Return the factor of a learning rate in words: a tenth, suggested, ten times."""
    if factor == 1:
        return "given" if given else "suggested"
    words, times = (_MULTIPLES, factor) if factor > 1 else (_FRACTIONS, 1 / factor)
    known = words.get(round(times)) if math.isclose(times, round(times), rel_tol=1e-6) else None
    return known or f"{factor:.3g} times"


def _note(course: Course, alpha: Course, start: float, error: str | None) -> str:
    """Return how a training went, in a sentence."""
    probe, outcome = course.probe, course.outcome
    end, after = f"{probe.end_loss:.3g}", f"{len(probe.losses)} of {probe.steps} steps"
    behind = f"ends at {end}, where {alpha.probe.lr:.3g} was after {course.alpha_steps} of {probe.steps} steps"
    falls = f"falls from {start:.3g} to {end}" + (
        f", {MOST:.0%} of the way in {course.most_steps} steps" if course is alpha else ""
    )
    share = f" ({course.drop_share:.0%} of its drop)" if course.drop_share is not None else ""
    rises = f"rises from {start:.3g} to {course.peak_loss:.3g}" if course.peak_loss is not None else "rises"
    stays = f"has not left {start:.3g} after {probe.steps} steps: it ends at {end}"
    ended = "was interrupted" if probe.stop_reason is StopReason.INTERRUPTED else "ran out of data"
    notes = {
        Outcome.DESCENDS: falls,
        Outcome.FASTER: f"ends at {end}, below the {alpha.probe.end_loss:.3g} of {alpha.probe.lr:.3g}"
        f"{_there_after(course, alpha)}",
        Outcome.AS_WELL: f"ends at {end}, {alpha.probe.lr:.3g} at {alpha.probe.end_loss:.3g}{share}",
        Outcome.CRAWLS: stays if course.alpha_steps is None else behind,
        Outcome.LAGS: behind,
        Outcome.OVERSHOOTS: f"{rises} first, and {behind}",
        Outcome.DIVERGES: _blown_up(course, rises),
        Outcome.STALLS: stays,
        Outcome.FAILS: f"raised after {after}: {(error or '').partition(chr(10))[0]}",
        Outcome.UNFINISHED: f"{ended} after {after}",
    }
    return notes[outcome]


def _there_after(course: Course, alpha: Course) -> str:
    end = alpha.probe.end_loss
    steps = next((step for step, loss in enumerate(course.smoothed) if loss <= end), None)
    return "" if steps is None else f", where it was after {steps} of {course.probe.steps} steps"


def _blown_up(course: Course, rises: str) -> str:
    probe = course.probe
    if probe.stop_reason is StopReason.NON_FINITE:
        return f"the loss is no longer finite at step {len(probe.losses)} of {probe.steps}"
    if probe.stop_reason is StopReason.DIVERGED:
        return f"{rises}, and was stopped at step {len(probe.losses)} of {probe.steps}"
    return f"{rises}, and ends at {probe.end_loss:.3g}"


def _finding(compared: Sequence[Course], alpha: Course) -> str:
    """Return what the trainings say together."""
    lr, steps = f"{alpha.probe.lr:.3g}", alpha.probe.steps
    others = [course for course in compared if course is not alpha]
    descending = [course for course in others if course.outcome in (Outcome.DESCENDS, Outcome.FASTER)]
    at = _listed(descending)
    if alpha.outcome in (Outcome.FAILS, Outcome.UNFINISHED):
        return f"The training at {lr} did not get to its end, so there is nothing to compare the others with."
    if alpha.outcome is not Outcome.DESCENDS:
        what = "diverges" if alpha.outcome is Outcome.DIVERGES else f"does not descend in {steps} steps"
        return f"{lr} {what}; {at or 'none of the others'} descends."
    if descending:
        return f"{at} is better than {lr} in these {steps} steps{_rest(others, descending)}."
    if as_well := [course for course in others if course.outcome is Outcome.AS_WELL]:
        return f"{_listed(as_well)} is about as good as {lr} in these {steps} steps{_rest(others, as_well)}."
    if any(course.outcome is Outcome.UNFINISHED for course in others):
        return f"{lr} descends; not all of the others got to their end."
    return f"{lr} is the best of the {len(compared)} in these {steps} steps{_rest(others, ())}."


def _rest(others: Sequence[Course], named: Sequence[Course]) -> str:
    """Return what became of the others that are not named yet."""
    rest = [f"{course.probe.lr:.3g} {course.outcome.value}" for course in others if course not in named]
    return f"; {', '.join(rest)}" if rest else ""


def _listed(compared: Sequence[Course]) -> str:
    return " or ".join(f"{course.probe.lr:.3g}" for course in compared)


def _purpose(result: Result, alpha: float) -> list[str]:
    suggested = result.analysis.suggested_lr
    if suggested is None or suggested == alpha:
        return []
    schedule = result.config.get("train", {}).get("schedule", "a schedule")
    return [f"(As the peak of {schedule} the record suggests {suggested:.3g}; trained was with a constant LR.)"]
