"""Builders that several test modules share."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lrfind.records.types import Analysis, Candidate, Landmarks, Refusal, Result, Status, StopReason, Sweep

ROOT = Path(__file__).parents[2]
PLATEAU, MINIMUM = 2.3, 0.4
STEEPEST_LR, END_LR, MINIMUM_LR, DIVERGENCE_LR = 1e-3, 6.3e-3, 3.2e-2, 0.5


def example_loss(lr: float) -> float:
    """Closed form: plateau at 2.3, logistic descent centred at 1e-3, minimum near 0.03, explosion."""
    descent = (PLATEAU - MINIMUM) / (1 + math.exp(-4 * math.log10(lr / STEEPEST_LR)))
    return PLATEAU - descent + 1.9 * (lr / DIVERGENCE_LR) ** 2


def example_sweep(
    loss: Callable[[float], float] = example_loss,
    noise: float = 0.06,
    seed: int = 0,
    lrs: Sequence[float] | None = None,
    stop_reason: StopReason = StopReason.DIVERGED,
) -> Sweep:
    """Return a sweep whose `losses[i + 1]` is `loss(lrs[i])` and normal noise."""
    steps = list(lrs or (10 ** (-7 + 7.6 * i / 99) for i in range(100)))
    rng = random.Random(seed)
    losses = [loss(steps[0]), *map(loss, steps[:-1])]
    return Sweep(seed, tuple(steps), tuple(value + rng.gauss(0, noise) for value in losses), stop_reason)


def example_candidates() -> tuple[Candidate, ...]:
    """Return a candidate per method; two are equal to the suggestion or a landmark, one has found nothing."""
    return (
        Candidate("descent_end", END_LR, "90 % of the drop is made"),
        Candidate("steepest", STEEPEST_LR, "steepest descent per decade"),
        Candidate("valley", 3.4e-3, "two thirds down the longest descent"),
        Candidate("minimum", MINIMUM_LR / 10, "a tenth of the minimum's rate"),
        Candidate("knee", None, "no knee in this curve"),
    )


def example_landmarks() -> Landmarks:
    return Landmarks(
        plateau_loss=PLATEAU,
        noise=0.06,
        significance=31.0,
        steepest_lr=STEEPEST_LR,
        steepest_slope=-1.9,
        descent_end_lr=END_LR,
        minimum_lr=MINIMUM_LR,
        minimum_loss=MINIMUM,
        divergence_lr=DIVERGENCE_LR,
    )


def example_result(
    sweep: Sweep | None = None,
    smooth: Callable[[float], float] | None = example_loss,
    title: str = "resnet18 on CIFAR10, SGD, batch 128, cuda",
    **analysis: object,
) -> Result:
    """Return a result with a suggestion.

    Args:
        sweep: What was measured; the closed-form example if None.
        smooth: The smoothed curve as a function of the rate; NaN everywhere if None.
        title: Title of the result.
        analysis: Fields of the `Analysis` that differ from the example's.
    """
    sweep = sweep or example_sweep()
    smoothed = tuple(smooth(lr) if smooth else math.nan for lr in sweep.lrs)
    found = Analysis(
        status=Status.OK,
        reason=None,
        message="The loss falls steadily up to 0.0063 and blows up from 0.5.",
        method="descent_end",
        suggested_lr=END_LR,
        suggested_lrs={"constant": END_LR, "cosine": 2 * END_LR},
        safe_range=(2e-3, 4e-2),
        confidence=0.87,
        candidates=example_candidates(),
        landmarks=example_landmarks(),
        smoothed=smoothed,
    )
    return Result(
        sweeps=(sweep,),
        smoothed=(smoothed,),
        used=0,
        analysis=replace(found, **analysis),  # type: ignore[arg-type]
        title=title,
        config={"optimizer": {"_target_": "torch.optim.SGD", "momentum": 0.9}},
        environment={"seed": 0, "device": "cpu"},
        timing={"build_seconds": 0.8, "sweep_seconds": 6.4},
    )


REFUSAL_MESSAGE = (
    "The loss of the mini-batches scatters more (0.31) than the sweep moves it (0.12), so no descent "
    "can be told from noise. Raise sweep.num_iter or data.batch_size."
)


def refused_result(**changes: object) -> Result:
    """Return a result without a suggestion: noise around a level, and the explosion."""
    fields: dict[str, object] = {
        "sweep": example_sweep(lambda lr: PLATEAU + 1.9 * (lr / DIVERGENCE_LR) ** 2, noise=0.31),
        "smooth": lambda lr: PLATEAU - 0.1 * math.exp(-(math.log10(lr / 0.02) ** 2)) + 1.9 * (lr / DIVERGENCE_LR) ** 2,
        "status": Status.NO_SUGGESTION,
        "reason": Refusal.NOISE,
        "message": REFUSAL_MESSAGE,
        "method": None,
        "suggested_lr": None,
        "suggested_lrs": {},
        "safe_range": None,
        "confidence": 0.0,
        "candidates": (Candidate("steepest", None, "no descent"), Candidate("minimum", None, "no minimum")),
        "landmarks": replace(example_landmarks(), minimum_loss=2.2, steepest_slope=-0.1),
    }
    return example_result(**(fields | changes))  # type: ignore[arg-type]


def run_example(page: str, number: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the Python example of that number on a page of docs/ in `folder`; return its global names."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (folder / "configs").symlink_to(ROOT / "configs")
    examples = (ROOT / "docs" / page).read_text().split("```python\n")
    names: dict[str, Any] = {}
    exec(compile(examples[number].split("```", 1)[0], page, "exec"), names)
    return names
