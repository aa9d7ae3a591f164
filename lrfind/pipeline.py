"""The run of a config as one readable function: config -> training -> analysis -> `Result`."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.analysis.seeds import median_run, pooled
from lrfind.config.load import IN_MEMORY, load_config
from lrfind.config.schema import Config
from lrfind.config.validate import check_targets
from lrfind.errors import interrupts
from lrfind.observer import Observer
from lrfind.records.types import Repeat, Result
from lrfind.search import search
from lrfind.training.distributed.launch import read_launch

if TYPE_CHECKING:
    from lrfind.scripts.ranks import Ranks
    from lrfind.workloads.workload import Workload


def read_config(
    source: Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    flags: Mapping[str, tuple[str, Any]] | None = None,
) -> Config:
    """Return a config, after checking all that can be checked without building anything.

    The arguments and errors are those of `load_config`, `read_launch` and `check_targets`.
    """
    config, name = load_config(source, overrides, flags), str(source) if isinstance(source, Path) else IN_MEMORY
    read_launch(config.parallel, config.train.world_size, name)
    with collector_paused(), interrupts.held():  # an interrupt in the midst of its import makes torch abort
        importlib.import_module("torch")
    with collector_paused():
        return check_targets(config, name)


def run(config: Config, source: str, observer: Observer | None = None) -> Result:
    """Sweep the learning rate as `config` says, and read it.

    Probes check what the sweep says; without them the sweep runs again with more steps, from the same start, as long as
    noise hides the descent and `sweep.max_iter` allows it. An error after the first step does not lose the curve: the
    result holds what was measured and names the error.

    Args:
        config: From `read_config`.
        source: Name of the config for error messages.
        observer: Follows the run.

    Raises:
        LrfindError: The training cannot be built, or its very first step fails.
        KeyboardInterrupt: The user interrupted it before anything was measured.
    """
    observer = observer or Observer()
    first = _run_seed(config, source, observer)
    more = [] if first.cut_short else list(_more_seeds(config, source, observer, first))
    return _pooled([first, *filter(None, more)], interrupted=None in more) if more else first


def _run_seed(config: Config, source: str, observer: Observer) -> Result:
    def whole(result: Result) -> Result:
        return replace(result, source=source, config=config.model_dump(mode="json"))

    return whole(search(lambda: build(config, source), observer.of_whole(whole)))


def _more_seeds(config: Config, source: str, observer: Observer, first: Result) -> Iterator[Result | None]:
    """Run the seeds after the first one, until one is cut short; yield None for one stopped before any loss."""
    done = [first]
    pooling = observer.of_whole(lambda result: _pooled([*done, result], interrupted=True))
    for repeat in range(1, config.sweep.repeats):
        seed = (config.seed + repeat) % 2**32
        try:
            result = _run_seed(config.model_copy(update={"seed": seed}), source, pooling)
        except KeyboardInterrupt:
            yield None
            return
        done.append(result)
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
        LrfindError: The training cannot be built, or its step fails.
    """
    with contextlib.closing(build(config, source)) as workload:
        sweep = workload.train(workload.ladder(1), Observer())
        if not sweep.losses:
            raise KeyboardInterrupt
        return workload.title, sweep.losses[0]


def agree_on_exit(code: int) -> int:
    """Return the exit code that all processes of a training end with: `code`, if this one trained alone."""
    ranks = sys.modules.get("lrfind.scripts.ranks")  # loaded if a script runs in several processes
    if ranks and ranks.Ranks.leading:
        leading: Ranks = ranks.Ranks.leading
        return leading.dismiss(code)
    module = sys.modules.get("lrfind.training.distributed.process_group")  # not loaded before anything is built
    processes = module.ProcessGroup.joined if module else None
    return processes.exit_code(code) if processes else code


def build(config: Config, source: str) -> Workload:
    """Return what a config trains; the errors are those of `build_workload`."""
    with collector_paused():
        from lrfind.workloads.from_config import build_workload  # loads torch, which `--help` does without
    return build_workload(config, source)


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
