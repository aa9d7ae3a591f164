"""The truth by brute force: every task trained at every learning rate of a grid, and the final validation loss.

    python -m accuracy.truth [--only TASK ...] [--workers N] [--seeds N] [--again]

The grid has four learning rates per decade. It starts around the task's own centre and grows until both ends of it
are bad and the best is not near either. Each is trained from three seeds under two schedules: a constant learning
rate, and one cycle with it as the peak. Those near the best are trained from more seeds until their regret is known
to `PRECISION`. Files that are finished are kept, though those from before this rule have three seeds (`--again` takes
them up); unfinished ones are continued. Beside the losses stands that of the best constant prediction
(`accuracy.baseline`); files that lack it are given it.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress
from torch import nn
from torch.nn.utils import clip_grad_norm_

from accuracy.baseline import baseline, constant_loss
from accuracy.data import load
from accuracy.tasks import LONG, TASKS, Task

FOLDER = Path(__file__).parent / "results" / "truth"
SEEDS = 3
MOST_SEEDS = 9
"""Seeds that a learning rate near the best is trained from at most."""
PRECISION = 0.005
"""Standard error of the regret, up to which the learning rates near the best are trained from more seeds."""
CLOSE = 0.05
"""Regret up to which a learning rate is near the best, or may be by its standard error."""
PER_DECADE = 4
MARGIN = 4
"""Points on either side of the centre that every grid has."""
NEAR = 3
"""The best may not lie within so many points of an edge."""
BAD = 0.5
"""Regret that an edge of the grid must reach."""
LIMITS = (-36, 20)
"""Exponents, in quarters of a decade, that no grid goes beyond: 1e-9 and 1e5."""
LONGER = 10
"""How many times longer the tasks of `LONG` are trained again."""

Losses = dict[int, list[float | None]]
"""By exponent: the final loss of each seed, None where it was not finite."""


def constant(step: int, steps: int) -> float:
    """Return the factor on the learning rate."""
    return 1.0


def one_cycle(step: int, steps: int) -> float:
    """Return the factor on the peak: up from 1/25 for 30 % of the steps, then down to 0, both along a cosine."""
    rise = 0.3 * steps
    if step < rise:
        return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * step / rise)) / 2
    return (1 + math.cos(math.pi * (step - rise) / (steps - rise))) / 2


SCHEDULES: dict[str, Callable[[int, int], float]] = {"onecycle": one_cycle, "constant": constant}


def train(task: Task, lr: float, schedule: str, seed: int, steps: int) -> float | None:
    """Return the validation loss after `steps` steps; None if it, or the loss on the way, is not finite."""
    model, optimizer, loss = task.start(seed)
    factor = SCHEDULES[schedule]
    for step, (x, y) in enumerate(islice(task.batches(seed), steps)):
        for group in optimizer.param_groups:
            group["lr"] = lr * factor(step, steps)
        optimizer.zero_grad()
        value = loss(model(x), y)
        if step % 20 == 0 and not math.isfinite(value.item()):
            return None
        value.backward()
        if task.clip_grad_norm is not None:
            clip_grad_norm_(model.parameters(), task.clip_grad_norm)
        optimizer.step()
    return validation_loss(task, model, loss)


def validation_loss(task: Task, model: nn.Module, loss: Callable[[Any, Any], torch.Tensor]) -> float | None:
    """Return the loss on the whole validation split, in eval mode; None if it is not finite."""
    split = load(task.data)
    model.eval()
    with torch.no_grad():
        value = loss(model(split.val_x), split.val_y).item()
    return value if math.isfinite(value) else None


def level(losses: Sequence[float | None], worst: float) -> float:
    """Return the mean final loss over the seeds; one that diverged, or lost more than `worst`, counts as `worst`."""
    return sum(worst if loss is None else min(loss, worst) for loss in losses) / len(losses)


def next_exponent(points: Losses, centre: int, untrained: float, reference: float) -> int | None:
    """Return the exponent to train at next, None when the grid is wide enough.

    It grows upwards first, and no further up once two successive learning rates have diverged from every seed.

    Args:
        points: What has been measured.
        centre: Exponent that the grid starts from.
        untrained: Loss before any training; a training that ends above it has diverged.
        reference: Loss that regret is measured from.
    """
    for exponent in range(centre, centre + MARGIN + 1):
        if exponent not in points and not _diverged_above(points, untrained):
            return exponent
    for exponent in range(centre - 1, centre - MARGIN - 1, -1):
        if exponent not in points:
            return exponent
    levels = {exponent: level(losses, untrained) for exponent, losses in points.items()}
    best = min(levels, key=lambda exponent: levels[exponent])
    drop = reference - levels[best]

    def wide_enough(edge: int) -> bool:
        return abs(best - edge) > NEAR and levels[edge] - levels[best] >= BAD * drop > 0

    low, high = min(points), max(points)
    if high < LIMITS[1] and not wide_enough(high) and not _diverged_above(points, untrained):
        return high + 1
    if low > LIMITS[0] and not wide_enough(low):
        return low - 1
    return None


def _diverged_above(points: Losses, untrained: float) -> bool:
    top = sorted(points)[-2:]
    return len(top) == 2 and all(loss is None or loss >= untrained for exponent in top for loss in points[exponent])


def next_trainings(
    points: Losses, centre: int, untrained: float, reference: float, most: int = MOST_SEEDS
) -> dict[int, list[int]]:
    """Return the seeds to train from next, by exponent: first the grid, then more seeds near the best."""
    exponent = next_exponent(points, centre, untrained, reference)
    return next_seeds(points, reference, most) if exponent is None else {exponent: list(range(SEEDS))}


def next_seeds(points: Losses, reference: float, most: int = MOST_SEEDS) -> dict[int, list[int]]:
    """Return the seeds to train from next, by exponent; none when the regret is known well enough.

    All learning rates near the best are trained from the same seeds, three more at a time up to `most`: what matters
    is how their losses differ, and seeds have much in common.
    """
    if all(level(losses, reference) == reference for losses in points.values()):
        return {}  # nothing is learned at any learning rate
    regrets = {exponent: mean_and_error(seed_regrets(losses, points, reference)) for exponent, losses in points.items()}
    close = [exponent for exponent, (mean, error) in regrets.items() if mean - error <= CLOSE]
    unsure = [regrets[exponent][1] > PRECISION for exponent in close]
    few, many = (extreme(len(points[exponent]) for exponent in close) for extreme in (min, max))
    wanted = many if few < many else min(most, many + SEEDS * any(unsure))
    missing = {exponent: list(range(len(points[exponent]), wanted)) for exponent in close}
    return {exponent: seeds for exponent, seeds in missing.items() if seeds}


def seed_regrets(losses: Sequence[float | None], points: Losses, reference: float) -> list[float]:
    """Return the regret of a learning rate seed by seed, each beside the loss of the best one from the same seed."""
    best = min(points.values(), key=lambda losses: level(losses, reference))
    drop = reference - level(best, reference)
    pairs = zip(losses, best, strict=False)
    return [(level([loss], reference) - level([least], reference)) / drop for loss, least in pairs]


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its standard error."""
    return statistics.mean(values), statistics.stdev(values) / math.sqrt(len(values))


def measure(name: str, longer: int = 1, most: int = MOST_SEEDS) -> None:
    """Take the truth of one task from up to `most` seeds, saving it after every learning rate."""
    torch.set_num_threads(1)
    task = TASKS[name]
    path = path_of(name, longer)
    document = json.loads(path.read_text()) if path.exists() else _empty(task, longer)
    untrained, reference = references(document)
    for schedule in SCHEDULES:
        points: Losses = {int(key): losses for key, losses in document["losses"][schedule].items()}
        while missing := next_trainings(points, task.centre, untrained, reference, most):
            for exponent, seeds in missing.items():
                lr = 10 ** (exponent / PER_DECADE)
                found = [_short(train(task, lr, schedule, seed, document["steps"])) for seed in seeds]
                points[exponent] = points.get(exponent, []) + found
                document["losses"][schedule] = {str(key): points[key] for key in sorted(points)}
                _save(path, document)
    document["finished"] = True
    _save(path, document)


def add_constant(name: str, longer: int) -> None:
    """Put the loss of the best constant prediction into a file that lacks it."""
    path = path_of(name, longer)
    if path.exists() and (document := json.loads(path.read_text())).get("constant") is None:
        _save(path, {**document, "constant": _short(constant_loss(TASKS[name]))})


def references(document: dict[str, Any]) -> tuple[float, float]:
    """Return the loss before any training, the mean over the seeds, and that which regret is measured from."""
    untrained = sum(document["untrained"]) / len(document["untrained"])
    return untrained, baseline(document["constant"], untrained)


def path_of(name: str, longer: int) -> Path:
    """Return the file of a task."""
    return FOLDER / (f"{name}.json" if longer == 1 else f"{name}.x{longer}.json")


def _empty(task: Task, longer: int) -> dict[str, Any]:
    untrained = []
    for seed in range(SEEDS):
        model, _, loss = task.start(seed)
        untrained.append(_short(validation_loss(task, model, loss)))
    return {
        "task": task.name,
        "steps": longer * task.steps,
        "untrained": untrained,
        "constant": _short(constant_loss(task)),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "machine": platform.machine(),
        "losses": {schedule: {} for schedule in SCHEDULES},
        "finished": False,
    }


def _short(loss: float | None) -> float | None:
    return None if loss is None else float(f"{loss:.5g}")


def _save(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(document) + "\n")
    partial.replace(path)


def is_finished(name: str, longer: int) -> bool:
    """Tell whether the truth of a task is there."""
    path = path_of(name, longer)
    return path.exists() and bool(json.loads(path.read_text())["finished"])


def main() -> None:
    """Take the truth of every task that has none yet, a few at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", choices=sorted(TASKS), default=list(TASKS), metavar="TASK")
    parser.add_argument("--workers", type=int, default=2, help="tasks that are measured at the same time")
    parser.add_argument("--seeds", type=int, default=MOST_SEEDS, help="trained from at most, near the best")
    parser.add_argument("--again", action="store_true", help="take up finished ones, where more seeds are wanted")
    arguments = parser.parse_args()
    only = arguments.only
    wanted = [(name, 1) for name in only] + [(name, LONGER) for name in only if name in LONG]
    for unit in wanted:
        add_constant(*unit)
    left = [unit for unit in wanted if arguments.again or not is_finished(*unit)]
    with ProcessPoolExecutor(arguments.workers) as pool, Progress() as progress:
        jobs = {pool.submit(measure, *unit, arguments.seeds): unit for unit in left}
        bar = progress.add_task("truth", total=len(wanted), completed=len(wanted) - len(left))
        for job in as_completed(jobs):
            job.result()
            progress.update(bar, advance=1, description=jobs[job][0])


if __name__ == "__main__":
    main()
