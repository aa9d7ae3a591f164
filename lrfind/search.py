"""Sweeps and probes until the evidence suffices: a `Workload` -> a `Result`. Training and analysis meet here alone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lrfind.analysis.probe_result import Training, analysis_of_probes
from lrfind.analysis.probe_search import ProbeLimits, next_probe
from lrfind.analysis.suggest import analyze, next_length
from lrfind.errors import CONFIG, DataError, Level, LrfindError, Note, Words, interrupts, user_code
from lrfind.observer import Observer
from lrfind.records.types import Analysis, Probe, Result, StopReason, Sweep
from lrfind.settings import USUAL

if TYPE_CHECKING:
    from lrfind.workloads.workload import Workload


@dataclass
class Measurements:
    """What the sweeps and probes of a run have measured so far."""

    sweeps: list[Sweep] = field(default_factory=list)
    analyses: list[Analysis] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    error: str | None = None

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped the run."""
        ends = [*(sweep.stop_reason for sweep in self.sweeps), *(probe.stop_reason for probe in self.probes)]
        return interrupts.stopped() or StopReason.INTERRUPTED in ends

    @property
    def cut_short(self) -> bool:
        """Whether the last sweep ended early for a reason that is not in its losses, or the user stopped the run."""
        return interrupts.stopped() or self.sweeps[-1].stop_reason.cut_short

    @property
    def best(self) -> int:
        """Index of the last sweep that was not cut short, or of the last one at all."""
        whole = [index for index, sweep in enumerate(self.sweeps) if not sweep.stop_reason.cut_short]
        return whole[-1] if whole else len(self.sweeps) - 1


def search(make: Callable[[], Workload], observer: Observer, words: Words = CONFIG) -> Result:
    """Sweep and probe a training, and return what that says.

    Args:
        make: Returns what is trained; called once.
        observer: Is told how the run goes.
        words: What the reader of the result calls a setting.

    Raises:
        LrfindError: The training cannot be built, or its very first step fails.
        KeyboardInterrupt: The user interrupted it before anything was measured.
    """
    interrupts.hold()
    clock = _Clock()
    with interrupts.worker_deaths_held(), contextlib.ExitStack() as stack:
        with interrupts.interruptible(), user_code("preparing the training"):
            workload = stack.enter_context(contextlib.closing(make()))
            workload.count_epochs()
        clock.lap("build_seconds")
        if workload.settings.probing:
            observer.on_search(workload.settings.most_updates)
        measured = sweep_until_evident(workload, observer)
        clock.lap("sweep_seconds")

        def so_far(analysis: Analysis) -> None:
            if observer.on_measured:
                result = _result(workload, measured, analysis, clock, words)
                observer.on_measured(replace(result, interrupted=True))

        analysis = measured.analyses[measured.best]
        so_far(analysis)
        if not measured.cut_short:
            analysis = probe(workload, measured, observer, clock, so_far)
    if measured.probes:
        clock.lap("probe_seconds")
    return _result(workload, measured, analysis, clock, words)


def _result(workload: Workload, measured: Measurements, analysis: Analysis, clock: _Clock, words: Words) -> Result:
    return Result(
        sweeps=tuple(measured.sweeps),
        smoothed=tuple(each.smoothed for each in measured.analyses),
        used=measured.best,
        analysis=analysis.in_words(words),
        probes=tuple(measured.probes),
        groups=workload.groups,
        loop=workload.loop,
        title=workload.title,
        config={},
        settings=workload.settings.as_dict(),
        environment=workload.environment,
        timing=clock.seconds,
        error=measured.error,
        interrupted=measured.interrupted,
    )


def sweep_until_evident(workload: Workload, observer: Observer) -> Measurements:
    """Sweep, and sweep again with more steps from the same start while noise hides the descent.

    Raises:
        LrfindError: Nothing could be measured at all.
        KeyboardInterrupt: The user interrupted it before anything was measured.
    """
    measured = Measurements()
    steps = workload.settings.sweep.num_iter
    while True:
        try:
            sweep = workload.train(workload.ladder(steps), observer)
        except KeyboardInterrupt:
            interrupts.hold()
            sweep = Sweep(workload.settings.seed, (), (), StopReason.INTERRUPTED)
        except DataError:
            if not measured.sweeps:
                raise
            observer.on_note(Note("The data cannot be read again, so the first sweep counts.", Level.WARNING))
            return measured
        except LrfindError as error:
            sweep = _measured_before(error, measured)
            measured.error = str(error)
            observer.on_error(error)
        if sweep.stop_reason is StopReason.INTERRUPTED and not (sweep.losses or measured.sweeps):
            raise KeyboardInterrupt
        settings = workload.settings  # after the training, which may have told its length and schedule
        analysis = analyze(sweep, settings.analysis.method, settings.train.schedule)
        measured.sweeps.append(sweep)
        measured.analyses.append(analysis)
        longer = None if settings.probing else next_length(analysis, steps, settings.sweep.max_iter)
        if longer is None or measured.cut_short:
            return measured
        steps = longer
        observer.on_note(Note(f"Noise hides the descent; sweeping again with {steps} steps."))


def _measured_before(error: LrfindError, measured: Measurements) -> Sweep:
    """Return the part of a sweep that was measured when `error` ended it; raise the error if nothing ever was."""
    if isinstance(error.partial, Sweep):
        return error.partial
    if not measured.sweeps:
        raise error
    return Sweep(measured.sweeps[0].seed, (), (), StopReason.FAILED)


def probe(
    workload: Workload,
    measured: Measurements,
    observer: Observer,
    clock: _Clock,
    so_far: Callable[[Analysis], None] = lambda analysis: None,
) -> Analysis:
    """Check the best sweep with probes, add them to `measured`, and return the analysis; `so_far` is told each.

    If no probe can be made, for example because the data can be read only once, the analysis of the sweep stands.
    """
    analysis = measured.analyses[measured.best]
    if not workload.settings.probing:
        return analysis
    limits = _limits(workload, len(analysis.smoothed))
    pace = clock.seconds["sweep_seconds"] / max(1, len(measured.sweeps[measured.best].losses))
    while (following := next_probe(analysis, measured.probes, limits)) is not None and not interrupts.stopped():
        lr, steps = following
        if workload.settings.max_time is not None and clock.elapsed + steps * pace > workload.settings.max_time:
            observer.on_note(Note("No time for another probe: $max_time is near."))
            break
        if measured.probes and steps > measured.probes[-1].steps:
            observer.on_note(Note(f"Training longer around the best learning rate: {steps} steps each."))
        made = _probe(workload, lr, steps, measured, observer)
        measured.probes.extend([made] if made else [])
        if made is None or made.stop_reason.cut_short:
            break
        so_far(analysis_of_probes(analysis, measured.probes, _training(workload)))
    return analysis_of_probes(analysis, measured.probes, _training(workload))


def _limits(workload: Workload, swept: int) -> ProbeLimits:
    settings = workload.settings
    return ProbeLimits(
        budget=settings.most_updates - swept,
        first_round=USUAL * settings.sweep.num_iter - swept,
        steps=settings.probes.steps,
        max_probes=settings.probes.max_probes,
        highest_lr=settings.sweep.end_lr,
        train_steps=min(filter(None, (settings.train.steps, workload.most_steps)), default=None),
        replacing_lr=workload.update_size.replacing_lr,
        look_updates=workload.look_updates,
    )


def _training(workload: Workload) -> Training:
    settings = workload.settings
    size = workload.update_size
    return Training(
        settings.train.schedule,
        settings.train.steps,
        size.normalized,
        settings.sweep.end_lr,
        size.shrinks,
        workload.unseen_steps,
    )


def _probe(workload: Workload, lr: float, steps: int, measured: Measurements, observer: Observer) -> Probe | None:
    """Train at one learning rate; None if nothing could be measured. The sweep stands in any case."""
    made, fault = one_probe(workload, lr, steps, observer, hold_out=True)
    if isinstance(fault, DataError):
        observer.on_note(Note("The data cannot be read again, so no probe checks the sweep.", Level.WARNING))
        return None
    if fault is not None:
        measured.error = str(fault)
        observer.on_error(fault)
    return made


def one_probe(
    workload: Workload, lr: float, steps: int, observer: Observer, *, hold_out: bool = False
) -> tuple[Probe, LrfindError | None]:
    """Train from the start at one learning rate; return what was measured, and the error that ended it, if any."""
    looks, error = None, None
    try:
        with interrupts.interruptible(), user_code("holding out samples"):
            looks = workload.looks(steps) if hold_out else None
        sweep = workload.train((lr,) * steps, replace(observer, on_sweep=observer.on_probe), held_out=looks)
    except KeyboardInterrupt:
        interrupts.hold()
        return Probe(lr, steps, (), StopReason.INTERRUPTED), None
    except LrfindError as raised:
        reason = StopReason.DATA_ENDED if isinstance(raised, DataError) else StopReason.FAILED
        sweep, error = raised.partial or Sweep(0, (), (), reason), raised
    if looks and looks.error:
        text = f"No held-out loss: in evaluation mode the training step raised {type(looks.error).__name__}."
        workload.tell(Note(text), observer.on_note)
    seen = (tuple(looks.at), tuple(looks.losses), looks.shuffled) if looks else ()
    return Probe(lr, steps, sweep.losses, sweep.stop_reason, *seen), error


class _Clock:
    """Seconds between laps, by name."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now
