"""Let every finder suggest a learning rate for every task, from five seeds.

    python -m accuracy.finders [--only FINDER ...] [--fresh] [--tasks TASK ...]

What is there already is kept; `--fresh` forgets the suggestions of the finders that are run, for after a change.
The file maps finder, task and seed to the suggestion and what it cost.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import inspect
import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_class
from rich.progress import Progress

from accuracy import by_hand
from accuracy.peers import PEERS, quiet
from accuracy.tasks import TASKS, Task
from lrfind.config.schema import Config
from lrfind.pipeline import run

FILE = Path(__file__).parent / "results" / "picks.json"
SEEDS = 5
REFINED = "lrfind --refine"
UNTOLD = "lrfind, length unknown"
FOUR = "four learning rates, 75 steps each"
OPTUNA = "Optuna, four trials of 75 steps"
FOLK_SGD = 0.1
FOLK_ADAPTIVE = 1e-3
Pick = dict[str, Any]
Picks = dict[str, dict[str, dict[str, Pick]]]


def find_with_lrfind(task: Task, seed: int, name: str = "lrfind") -> dict[str, Pick]:
    """Return what `lrfind run` suggests for the task's config, for each schedule."""
    document = task.document(seed, told=name != UNTOLD)
    result = run(Config.model_validate({**document, "refine": name == REFINED}), task.name)
    analysis = result.analysis
    iterations = sum(len(part.losses) for parts in (result.sweeps, result.probes) for part in parts)
    pick: Pick = {"lr": _short(analysis.suggested_lr), "iterations": iterations}
    if analysis.suggested_lr is None:
        return {name: {**pick, "reason": analysis.reason and analysis.reason.value}}
    safe = analysis.safe_range and [_short(lr) for lr in analysis.safe_range]
    lrs = {schedule: _short(lr) for schedule, lr in analysis.suggested_lrs.items()}
    return {name: {**pick, "lrs": lrs, "confidence": analysis.confidence, "safe_range": safe}}


def find_with_defaults(task: Task, seed: int) -> dict[str, Pick]:
    """Return what is used without any finder: the folk's learning rate, and the optimizer's own."""
    own = inspect.signature(get_class(task.optimizer["_target_"])).parameters["lr"].default
    return {
        "folk defaults": {"lr": usual_lr(task), "iterations": 0},
        "PyTorch defaults": {"lr": float(own), "iterations": 0},
    }


def usual_lr(task: Task) -> float:
    """Return the learning rate that most people start with."""
    return FOLK_SGD if get_class(task.optimizer["_target_"]) is torch.optim.SGD else FOLK_ADAPTIVE


def find_by_hand(task: Task, seed: int) -> dict[str, Pick]:
    """Return what four short trainings say, at learning rates from experience and at those of a sampler."""
    found = {FOUR: by_hand.four_tries(task, seed, usual_lr(task)), OPTUNA: by_hand.optuna(task, seed)}
    return {name: {"lr": _short(lr), "iterations": by_hand.TRAININGS * by_hand.STEPS} for name, lr in found.items()}


def find_with_peer(package: str, task: Task, seed: int) -> dict[str, Pick]:
    """Return what an existing finder suggests; a peer that raises has found nothing."""
    function, names = PEERS[package]
    try:
        with quiet():
            found, iterations = function(task, seed)
    except Exception as error:
        return {
            name: {"lr": None, "iterations": 0, "reason": f"{type(error).__name__}: {error}"[:200]} for name in names
        }
    return {name: {"lr": _short(lr), "iterations": iterations} for name, lr in found.items()}


FINDERS: dict[str, tuple[str, ...]] = {
    "lrfind": ("lrfind",),
    REFINED: (REFINED,),
    UNTOLD: (UNTOLD,),
    "defaults": ("folk defaults", "PyTorch defaults"),
    "by hand": (FOUR, OPTUNA),
    **{package: names for package, (_, names) in PEERS.items()},
}
"""By what is run: the names that its suggestions go by."""


def find(finder: str, name: str) -> dict[str, dict[str, Pick]]:
    """Return the suggestions of one finder for one task, by name and seed."""
    torch.set_num_threads(1)
    own: dict[str, Callable[[Task, int], dict[str, Pick]]] = {
        "lrfind": find_with_lrfind,
        REFINED: partial(find_with_lrfind, name=REFINED),
        UNTOLD: partial(find_with_lrfind, name=UNTOLD),
        "defaults": find_with_defaults,
        "by hand": find_by_hand,
    }
    found: dict[str, dict[str, Pick]] = {key: {} for key in FINDERS[finder]}
    for seed in range(SEEDS):
        task = TASKS[name]
        picks = own[finder](task, seed) if finder in own else find_with_peer(finder, task, seed)
        for key, pick in picks.items():
            found[key][str(seed)] = pick
    return found


def read() -> Picks:
    """Return the suggestions that are there."""
    picks: Picks = json.loads(FILE.read_text())["picks"] if FILE.exists() else {}
    return picks


def save(picks: Picks) -> None:
    """Write all suggestions, with the versions of what made them."""
    document = {"versions": versions(), "picks": picks}
    FILE.parent.mkdir(parents=True, exist_ok=True)
    partial = FILE.with_suffix(".partial")
    partial.write_text(json.dumps(document) + "\n")
    partial.replace(FILE)


def versions() -> dict[str, str]:
    """Return the versions of the finders that are installed."""
    packages = ("lrfind", "torch", "optuna", "fastai", "torch-lr-finder", "pytorch-ignite", "lightning")
    there = {distribution.metadata["Name"] for distribution in importlib.metadata.distributions()}
    return {name: importlib.metadata.version(name) for name in packages if name in there}


def _short(lr: float | None) -> float | None:
    return None if lr is None else float(f"{lr:.4g}")


def main() -> None:
    """Ask every finder that has not been asked yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", choices=list(FINDERS), default=list(FINDERS), metavar="FINDER")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS), metavar="TASK")
    parser.add_argument("--fresh", action="store_true", help="forget the suggestions of these finders first")
    arguments = parser.parse_args()
    picks = read()
    units = [(finder, name) for finder in arguments.only for name in arguments.tasks]
    left = [unit for unit in units if arguments.fresh or not _is_there(picks, *unit)]
    with ProcessPoolExecutor(2) as pool, Progress() as progress:
        jobs = {pool.submit(find, *unit): unit for unit in left}
        bar = progress.add_task("finders", total=len(units), completed=len(units) - len(left))
        for job in as_completed(jobs):
            finder, name = jobs[job]
            for key, seeds in job.result().items():
                picks.setdefault(key, {})[name] = seeds
            save(picks)
            progress.update(bar, advance=1, description=f"{finder}: {name}")


def _is_there(picks: Picks, finder: str, name: str) -> bool:
    return all(len(picks.get(key, {}).get(name, {})) == SEEDS for key in FINDERS[finder])


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
