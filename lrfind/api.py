"""The pipeline as one readable function per use: config -> training -> analysis -> `Result`.

torch is imported inside the functions, so that importing this module stays cheap.
"""

from __future__ import annotations

import contextlib
import gc
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lrfind
from lrfind.analysis.probes import next_lr, refine
from lrfind.analysis.suggest import analyze, next_length
from lrfind.config.check import check_targets
from lrfind.config.load import load_config
from lrfind.config.schema import Config
from lrfind.errors import DataError, LrfindError
from lrfind.record import Analysis, Probe, Result, StopReason, Sweep

if TYPE_CHECKING:
    from lrfind.training.build import Job


@dataclass(frozen=True)
class Observer:
    """What is told to whoever watches a run; each call does nothing unless it is replaced.

    Attributes:
        on_sweep: Called before each sweep with the number of its steps.
        on_step: Called for each loss with its index, learning rate and loss.
        on_note: Called with a sentence that the user should read.
        on_error: Called with the fault that cut a sweep short, of which the part before it is kept.
    """

    on_sweep: Callable[[int], None] = lambda steps: None
    on_step: Callable[[int, float, float], None] | None = None
    on_note: Callable[[str], None] = lambda note: None
    on_error: Callable[[LrfindError], None] = lambda error: None


def read_config(
    path: Path, overrides: Sequence[str] = (), flags: Mapping[str, tuple[str, Any]] | None = None
) -> Config:
    """Return the config at `path` with every fault that can be found without building anything ruled out.

    The arguments and errors are those of `lrfind.config.load.load_config` and `lrfind.config.check.check_targets`.
    """
    config = load_config(path, overrides, flags)
    with _collector_paused():
        return check_targets(config, str(path))


def run(config: Config, source: str, observer: Observer | None = None) -> Result:
    """Sweep the learning rate as `config` says, and read it.

    The sweep is run again at twice the length, from the same start, as long as noise hides the descent and
    `sweep.max_iter` allows it. A fault after the first step does not lose the curve: the result holds what was
    measured and names the fault in `error`.

    Args:
        config: From `read_config`.
        source: Name of the config for error messages.
        observer: Is told how the run goes.

    Raises:
        LrfindError: The job cannot be built, or its very first step fails.
        KeyboardInterrupt: The user interrupted it before anything was measured.
    """
    observer = observer or Observer()
    clock = _Clock()
    job = _build(config, source)
    clock.lap("build_seconds")
    outcome = _sweep_until_evident(job, observer)
    clock.lap("sweep_seconds")
    used = _best(outcome)
    analysis = outcome.analyses[used]
    probes = _probe(job, analysis, observer) if config.refine.enabled and not outcome.cut_short else ()
    if probes:
        analysis = refine(analysis, probes, config.refine.steps, config.train.schedule)
        clock.lap("probe_seconds")
    return Result(
        sweeps=tuple(outcome.sweeps),
        smoothed=tuple(analysis.smoothed for analysis in outcome.analyses),
        used=used,
        analysis=analysis,
        probes=tuple(probes),
        title=_title(job),
        config=config.model_dump(mode="json"),
        environment=_environment(job),
        timing=clock.seconds,
        error=outcome.error,
    )


def try_out(config: Config, source: str) -> tuple[str, float]:
    """Build everything, train one step at the first learning rate, and return the run's title and that loss.

    Raises:
        LrfindError: The job cannot be built, or its step fails.
    """
    job = _build(config, source)
    sweep = _one_sweep(job, _ladder(job, 1), Observer())
    if not sweep.losses:
        raise KeyboardInterrupt
    return _title(job), sweep.losses[0]


@dataclass
class _Outcome:
    """What the sweeps of a run have brought so far."""

    sweeps: list[Sweep] = field(default_factory=list)
    analyses: list[Analysis] = field(default_factory=list)
    error: str | None = None

    @property
    def cut_short(self) -> bool:
        return self.sweeps[-1].stop_reason in _CUT_SHORT


def _build(config: Config, source: str) -> Job:
    with _collector_paused():
        from lrfind.training.build import build_job
    return build_job(config, source)


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Import without the garbage collector, which takes a third of the time that importing torch does.

    It walks, again and again, over a hundred thousand objects that are there to stay.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _sweep_until_evident(job: Job, observer: Observer) -> _Outcome:
    outcome = _Outcome()
    on_recycle = _once(observer.on_note, "The data ran out; starting over with its first batch.")
    steps = job.config.sweep.num_iter
    while True:
        try:
            sweep = _one_sweep(job, _ladder(job, steps), observer, on_recycle)
        except KeyboardInterrupt:
            sweep = Sweep(job.config.seed, (), (), StopReason.INTERRUPTED)
        except DataError:
            if not outcome.sweeps:
                raise
            observer.on_note("The data cannot be read a second time, so the sweep that is there has to do.")
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
        longer = next_length(analysis, steps, job.config.sweep.max_iter)
        if longer is None or outcome.cut_short:
            return outcome
        steps = longer
        observer.on_note(f"The noise hides the descent; sweeping again with {steps} steps.")


_CUT_SHORT = (StopReason.INTERRUPTED, StopReason.FAILED, StopReason.DATA_ENDED)


def _what_is_left(error: LrfindError, outcome: _Outcome) -> Sweep:
    """Return the part of a sweep that was measured when `error` ended it; raise it if nothing ever was."""
    partial = getattr(error, "partial", None)
    if isinstance(partial, Sweep):
        return partial
    if not outcome.sweeps:
        raise error
    return Sweep(outcome.sweeps[0].seed, (), (), StopReason.FAILED)


def _ladder(job: Job, steps: int) -> Sequence[float]:
    from lrfind.training.ladder import ladder

    settings = job.config.sweep
    return ladder(settings.start_lr, settings.end_lr, steps, settings.mode)


def _one_sweep(
    job: Job, lrs: Sequence[float], observer: Observer, on_recycle: Callable[[], None] = lambda: None
) -> Sweep:
    """Train from the start, one update per learning rate."""
    from lrfind.training.fetch import endless
    from lrfind.training.sweep import run_sweep

    observer.on_sweep(len(lrs))
    model, optimizer, step, batches = job.fresh()
    return run_sweep(
        model,
        endless(batches, on_recycle),
        step,
        optimizer,
        lrs,
        device=job.device,
        seed=job.config.seed,
        stop_on_divergence=job.config.sweep.stop_on_divergence,
        on_step=observer.on_step,
    )


def _probe(job: Job, analysis: Analysis, observer: Observer) -> list[Probe]:
    """Train a few steps from the start at one learning rate after the other, around the suggestion."""
    settings = job.config.refine
    probes: list[Probe] = []
    start = analysis.suggested_lrs.get("cosine")
    if start is None:
        return probes
    while len(probes) < settings.max_probes and (lr := next_lr(probes, start, settings.steps)) is not None:
        sweep = _one_sweep(job, (lr,) * settings.steps, observer)
        if sweep.stop_reason in _CUT_SHORT:
            return probes
        probes.append(Probe(lr, sweep.losses, sweep.stop_reason))
    return probes


def _once(tell: Callable[[str], None], note: str) -> Callable[[], None]:
    told: list[str] = []

    def tell_once() -> None:
        if not told:
            told.append(note)
            tell(note)

    return tell_once


def _best(outcome: _Outcome) -> int:
    """Return the index of the last sweep that was not cut short, or of the last one at all."""
    whole = [index for index, sweep in enumerate(outcome.sweeps) if sweep.stop_reason not in _CUT_SHORT]
    return whole[-1] if whole else len(outcome.sweeps) - 1


def _title(job: Job) -> str:
    config = job.config
    batch = f"batch {config.data.batch_size}" if config.data.batch_size else "own loader"
    names = (config.model["_target_"], config.optimizer["_target_"])
    return ", ".join((*(name.rpartition(".")[2] for name in names), batch, str(job.device)))


def _environment(job: Job) -> dict[str, Any]:
    import numpy
    import torch

    return {
        "lrfind": lrfind.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "platform": platform.system(),
        "device": str(job.device),
        "device_name": _device_name(job),
        "threads": torch.get_num_threads(),
        "seed": job.config.seed,
    }


def _device_name(job: Job) -> str:
    import torch

    return torch.cuda.get_device_name(job.device) if job.device.type == "cuda" else platform.machine()


class _Clock:
    """Seconds between laps, by name."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now
