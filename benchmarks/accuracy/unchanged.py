"""Compare today's suggestions with the kept ones: a change that is not about accuracy must leave them as they are.

    python -m accuracy.unchanged [--tasks TASK ...]

Runs one seed of every task that has kept suggestions, by default and with `--refine`, and compares learning rates,
safe range and iterations with `results/picks.json`. Exits with 1 if one differs.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor

import torch
from rich.progress import Progress

from accuracy.finders import REFINED, Pick, find_with_lrfind, read
from accuracy.tasks import TASKS

SEED = 0
COMPARED = ("lr", "lrs", "safe_range", "iterations", "reason")


def suggestion(unit: tuple[str, str]) -> Pick:
    """Return what a finder suggests for a task."""
    torch.set_num_threads(1)
    finder, task = unit
    return find_with_lrfind(TASKS[task], SEED, finder)[finder]


def differences(kept: Pick, now: Pick) -> list[str]:
    """Return what differs between two suggestions, in words."""
    return [f"{key} {kept.get(key)} -> {now.get(key)}" for key in COMPARED if kept.get(key) != now.get(key)]


def main() -> None:
    """Compare every task, print each difference, and say how many suggestions are the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS), metavar="TASK")
    kept, changed = read(), 0
    wanted = parser.parse_args().tasks
    units = [(finder, task) for finder in ("lrfind", REFINED) for task in wanted if task in kept.get(finder, {})]
    with ProcessPoolExecutor(2) as pool, Progress() as progress:
        for unit, now in zip(units, progress.track(pool.map(suggestion, units), total=len(units)), strict=True):
            finder, task = unit
            if found := differences(kept[finder][task][str(SEED)], now):
                changed += 1
                print(f"{finder}, {task}: {'; '.join(found)}", flush=True)
    print(f"{len(units) - changed} of {len(units)} suggestions are the same")
    sys.exit(1 if changed else 0)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
