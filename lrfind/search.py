"""Sweeps and probes until the evidence suffices: where training and analysis meet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lrfind.analysis.probe_search import ProbePlan, checked_by_probes
from lrfind.analysis.suggest import analyze, next_length
from lrfind.errors import DataError, Level, LrfindError, Note
from lrfind.observer import Observer
from lrfind.records.types import Analysis, Probe, StopReason, Sweep

if TYPE_CHECKING:
    from lrfind.workloads.workload import Job


@dataclass
class Sweeps:
    """What the sweeps and probes of a run have brought so far."""

    sweeps: list[Sweep] = field(default_factory=list)
    analyses: list[Analysis] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    error: str | None = None

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped it."""
        ends = [*(sweep.stop_reason for sweep in self.sweeps), *(probe.stop_reason for probe in self.probes)]
        return StopReason.INTERRUPTED in ends

    @property
    def cut_short(self) -> bool:
        """Whether the last sweep ended before its time for a reason that is not in the curve."""
        return self.sweeps[-1].stop_reason.cut_short


def sweep_until_evident(job: Job, observer: Observer) -> Sweeps:
    """Sweep, and again with more steps from the same start, as long as noise hides the descent.

    Raises:
        LrfindError: Nothing could be measured at all.
        KeyboardInterrupt: The user interrupted it before anything was measured.
    """
    outcome = Sweeps()
    on_recycle = _once(observer.on_note, Note("The data ran out; starting over with its first batch."))
    steps = job.config.sweep.num_iter
    while True:
        try:
            sweep = one_sweep(job, ladder_of(job, steps), observer, on_recycle)
        except KeyboardInterrupt:
            sweep = Sweep(job.config.seed, (), (), StopReason.INTERRUPTED)
        except DataError:
            if not outcome.sweeps:
                raise
            observer.on_note(Note("The data cannot be read again: the first sweep has to do.", Level.WARNING))
            return outcome
        except LrfindError as error:
            sweep = _what_is_left(error, outcome)
            outcome.error = str(error)
            observer.on_error(error)
        if sweep.stop_reason is StopReason.INTERRUPTED and not (sweep.losses or outcome.sweeps):
            raise KeyboardInterrupt
        analysis = analyze(sweep, job.config.analysis.method, job.config.train.schedule)
        outcome.sweeps.append(sweep)
        outcome.analyses.append(analysis)
        longer = None if probing(job) else next_length(analysis, steps, job.config.sweep.max_iter)
        if longer is None or outcome.cut_short:
            return outcome
        steps = longer
        observer.on_note(Note(f"The noise hides the descent; sweeping again with {steps} steps."))


def _what_is_left(error: LrfindError, outcome: Sweeps) -> Sweep:
    """Return the part of a sweep that was measured when `error` ended it; raise it if nothing ever was."""
    partial = getattr(error, "partial", None)
    if isinstance(partial, Sweep):
        return partial
    if not outcome.sweeps:
        raise error
    return Sweep(outcome.sweeps[0].seed, (), (), StopReason.FAILED)


def ladder_of(job: Job, steps: int) -> Sequence[float]:
    """Return the learning rates of a sweep of that many steps."""
    from lrfind.training.ladder import ladder

    settings = job.config.sweep
    return ladder(settings.start_lr, settings.end_lr, steps, settings.mode)


def one_sweep(
    job: Job, lrs: Sequence[float], observer: Observer, on_recycle: Callable[[], None] = lambda: None
) -> Sweep:
    """Train from the start, one update per learning rate."""
    from lrfind.training.minibatches import endless
    from lrfind.training.sweep import run_sweep

    observer.on_sweep(len(lrs))
    with job.ranks.faults_settled() if job.ranks else contextlib.nullcontext():
        model, optimizer, step, batches = job.fresh(observer.on_note)
        settings = job.config.sweep
        return run_sweep(
            model,
            endless(batches, on_recycle, job.recipe.accumulate),
            step,
            optimizer,
            lrs,
            device=job.device,
            seed=job.config.seed,
            recipe=job.recipe,
            ranks=job.ranks,
            warmup=(settings.start_lr,) * settings.warmup_steps,
            stop_on_divergence=settings.stop_on_divergence,
            on_step=observer.on_step,
        )


def probe(job: Job, outcome: Sweeps, analysis: Analysis, observer: Observer) -> Analysis:
    """Check what a sweep says by short trainings, which are added to `outcome`.

    Where they cannot be made, as with data that can be read but once, the analysis stays as it is.
    """
    if not probing(job):
        return analysis
    config = job.config
    plan = ProbePlan(
        config.probes.steps,
        config.probes.max_steps,
        config.probes.max_probes,
        config.refine,
        config.sweep.end_lr,
        config.train.schedule,
        config.train.steps,
    )

    def train(lr: float, steps: int) -> Probe | None:
        if outcome.probes and steps > outcome.probes[-1].steps:
            observer.on_note(Note(f"Not settled yet: training {steps} steps at each learning rate."))
        made = _probe(job, lr, steps, outcome, observer)
        if made:
            outcome.probes.append(made)
        return made

    return checked_by_probes(analysis, plan, train)


def probing(job: Job) -> bool:
    """Tell whether short trainings are to check the sweep."""
    config = job.config
    return config.probes.enabled and config.analysis.method == "auto"


def _probe(job: Job, lr: float, steps: int, outcome: Sweeps, observer: Observer) -> Probe | None:
    """Train at one learning rate; None if nothing could be measured. The sweep is there all the same."""
    made, fault = one_probe(job, lr, steps, observer)
    if isinstance(fault, DataError):
        observer.on_note(Note("The data cannot be read again, so no probe checks the sweep.", Level.WARNING))
        return None
    if fault is not None:
        outcome.error = str(fault)
        observer.on_error(fault)
    return made


def one_probe(job: Job, lr: float, steps: int, observer: Observer) -> tuple[Probe, LrfindError | None]:
    """Train from the start at one learning rate; return what was measured, and the fault that ended it if one did."""
    fault = None
    try:
        sweep = one_sweep(job, (lr,) * steps, replace(observer, on_sweep=observer.on_probe))
    except KeyboardInterrupt:
        return Probe(lr, steps, (), StopReason.INTERRUPTED), None
    except LrfindError as error:
        reason = StopReason.DATA_ENDED if isinstance(error, DataError) else StopReason.FAILED
        sweep, fault = getattr(error, "partial", Sweep(0, (), (), reason)), error
    return Probe(lr, steps, sweep.losses, sweep.stop_reason), fault


def _once(tell: Callable[[Note], None], note: Note) -> Callable[[], None]:
    told: list[Note] = []

    def tell_once() -> None:
        if not told:
            told.append(note)
            tell(note)

    return tell_once


def best(outcome: Sweeps) -> int:
    """Return the index of the last sweep that was not cut short, or of the last one at all."""
    whole = [index for index, sweep in enumerate(outcome.sweeps) if not sweep.stop_reason.cut_short]
    return whole[-1] if whole else len(outcome.sweeps) - 1
