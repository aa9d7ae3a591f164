"""What people do without a finder, for the price of a run of lrfind: a few short trainings, and the best one wins."""

from __future__ import annotations

import importlib
import math
import statistics
from itertools import islice
from typing import Any

from torch.nn.utils import clip_grad_norm_

from accuracy.task import Task

TRAININGS, STEPS = 4, 75
"""300 updates in all, the budget of lrfind."""
DECADES = (-2, -1, 0, 1)
"""Where somebody with some experience tries a learning rate, from that which everybody uses."""
RANGE = (1e-5, 1.0)
"""What a search over learning rates usually spans."""


def final_loss(task: Task, seed: int, lr: float) -> float:
    """Return the mean training loss of the last quarter of a short training; infinite if it blew up."""
    model, optimizer, loss = task.start(seed)
    losses: list[float] = []
    for x, y in islice(task.batches(seed), STEPS):
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        value = loss(model(x), y)
        losses.append(value.item())
        if not math.isfinite(losses[-1]):
            return math.inf
        value.backward()
        if task.clip_grad_norm is not None:
            clip_grad_norm_(model.parameters(), task.clip_grad_norm)
        optimizer.step()
    return statistics.fmean(losses[-STEPS // 4 :])


def four_tries(task: Task, seed: int, usual_lr: float) -> float:
    """Return the best of four learning rates, a decade apart."""
    lrs = [usual_lr * 10.0**decade for decade in DECADES]
    losses = [final_loss(task, seed, lr) for lr in lrs]
    return lrs[losses.index(min(losses))]


def optuna(task: Task, seed: int) -> float:
    """Return the best of the learning rates that Optuna's sampler tries, at its defaults."""
    package = importlib.import_module("optuna")
    package.logging.set_verbosity(package.logging.ERROR)
    study = package.create_study(sampler=package.samplers.TPESampler(seed=seed))

    def objective(trial: Any) -> float:
        return final_loss(task, seed, trial.suggest_float("lr", *RANGE, log=True))

    study.optimize(objective, n_trials=TRAININGS)
    return float(study.best_params["lr"])
