"""The pipeline as one readable function per use: config -> training -> analysis -> `Result`.

torch is imported inside the functions, so that importing this module stays cheap.
"""

from __future__ import annotations

import contextlib
import gc
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lrfind
from lrfind.analysis.seeds import median_run, pooled
from lrfind.config.load import load_config
from lrfind.config.schema import Config
from lrfind.config.validate import check_targets
from lrfind.observer import Observer
from lrfind.records.types import Repeat, Result
from lrfind.search import best, ladder_of, one_sweep, probe, sweep_until_evident
from lrfind.training.distributed.launch import read_launch

if TYPE_CHECKING:
    from lrfind.workloads.workload import Job


def read_config(
    path: Path, overrides: Sequence[str] = (), flags: Mapping[str, tuple[str, Any]] | None = None
) -> Config:
    """Return the config at `path` with every fault that can be found without building anything ruled out.

    The arguments and errors are those of `load_config`, `read_launch` and `check_targets`.
    """
    config = load_config(path, overrides, flags)
    read_launch(config.parallel, config.train.world_size, str(path))
    with collector_paused():
        return check_targets(config, str(path))


def run(config: Config, source: str, observer: Observer | None = None) -> Result:
    """Sweep the learning rate as `config` says, and read it.

    Short trainings check what the sweep says; without them it is run again with more steps, from the same start, as
    long as noise hides the descent and `sweep.max_iter` allows it. A fault after the first step does not lose the
    curve: the result holds what was measured and names the fault in `error`.

    Args:
        config: From `read_config`.
        source: Name of the config for error messages.
        observer: Is told how the run goes.

    Raises:
        LrfindError: The job cannot be built, or its very first step fails.
        KeyboardInterrupt: The user interrupted it before anything was measured.
    """
    observer = observer or Observer()
    first = _run_seed(config, source, observer)
    more = [] if first.cut_short else list(_more_seeds(config, source, observer))
    return _pooled([first, *filter(None, more)], interrupted=None in more) if more else first


def _run_seed(config: Config, source: str, observer: Observer) -> Result:
    return run_job(lambda: build(config, source), source, observer)


def run_job(make: Callable[[], Job], source: str | None, observer: Observer) -> Result:
    """Sweep and probe with the job that `make` returns; arguments and errors are those of `run`."""
    clock = _Clock()
    job = make()
    clock.lap("build_seconds")
    outcome = sweep_until_evident(job, observer)
    clock.lap("sweep_seconds")
    used = best(outcome)
    analysis = outcome.analyses[used]
    if not outcome.cut_short:
        analysis = probe(job, outcome, analysis, observer)
    if outcome.probes:
        clock.lap("probe_seconds")
    return Result(
        sweeps=tuple(outcome.sweeps),
        smoothed=tuple(analysis.smoothed for analysis in outcome.analyses),
        used=used,
        analysis=analysis,
        probes=tuple(outcome.probes),
        groups=job.groups,
        title=_title(job),
        source=source,
        config=job.config.model_dump(mode="json"),
        environment=_environment(job),
        timing=clock.seconds,
        error=outcome.error,
        interrupted=outcome.interrupted,
    )


def _more_seeds(config: Config, source: str, observer: Observer) -> Iterator[Result | None]:
    """Run the seeds after the first one, until one of them is cut short; None for one that never came to measure."""
    for repeat in range(1, config.sweep.repeats):
        seed = (config.seed + repeat) % 2**32
        try:
            result = _run_seed(config.model_copy(update={"seed": seed}), source, observer)
        except KeyboardInterrupt:
            yield None
            return
        yield result
        if result.cut_short:
            return


def _pooled(results: Sequence[Result], *, interrupted: bool) -> Result:
    """Return the run of the median suggestion, with the sweeps of all and what each seed suggested."""
    analyses = [result.analysis for result in results]
    chosen = median_run(analyses)
    return replace(
        results[chosen],
        sweeps=tuple(sweep for result in results for sweep in result.sweeps),
        smoothed=tuple(smoothed for result in results for smoothed in result.smoothed),
        used=sum(len(result.sweeps) for result in results[:chosen]) + results[chosen].used,
        analysis=pooled(analyses),
        config=results[0].config,
        environment=results[0].environment,
        timing={
            lap: round(sum(result.timing.get(lap, 0.0) for result in results), 3)
            for lap in dict.fromkeys(lap for result in results for lap in result.timing)
        },
        error=results[-1].error,
        interrupted=interrupted or results[-1].interrupted,
        repeats=tuple(
            Repeat(result.sweep.seed, result.analysis.suggested_lr, result.analysis.confidence) for result in results
        ),
    )


def try_out(config: Config, source: str) -> tuple[str, float]:
    """Build everything, train one step at the first learning rate, and return the run's title and that loss.

    Raises:
        LrfindError: The job cannot be built, or its step fails.
    """
    job = build(config, source)
    sweep = one_sweep(job, ladder_of(job, 1), Observer())
    if not sweep.losses:
        raise KeyboardInterrupt
    return _title(job), sweep.losses[0]


def agree_on_exit(code: int) -> int:
    """Return the exit code that all processes of a training end with: `code`, if this one trained alone."""
    parallel = sys.modules.get("lrfind.training.distributed.process_group")  # not loaded before anything is built
    ranks = parallel.current() if parallel else None
    return ranks.exit_code(code) if ranks else code


def build(config: Config, source: str) -> Job:
    """Return the job of a config; the errors are those of `lrfind.workloads.from_config.build_job`."""
    with collector_paused():
        from lrfind.workloads.from_config import build_job
    return build_job(config, source)


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
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


def _title(job: Job) -> str:
    config = job.config
    batch = f"batch {config.data.batch_size}" if config.data.batch_size else "own loader"
    batch += f" x {config.train.accumulate}" if config.train.accumulate > 1 else ""
    if job.world_size > 1:
        batch += f" x {job.world_size} processes ({job.ranks.kind.upper() if job.ranks else 'in one'})"
    precision = () if config.precision == "fp32" else (config.precision,)
    optimizer = config.optimizer["_target_"].rpartition(".")[2] if config.optimizer else "own optimizer"
    return ", ".join((config.model["_target_"].rpartition(".")[2], optimizer, batch, *precision, str(job.device)))


def _effective_batch_size(job: Job) -> int | None:
    """Return the samples of an update over all processes; None with a loader that batches them itself."""
    size = job.config.data.batch_size
    return size * job.config.train.accumulate * job.world_size if size else None


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
        "world_size": job.world_size,
        "effective_batch_size": _effective_batch_size(job),
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
