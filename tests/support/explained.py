"""Trainings whose losses are closed forms of the learning rate, and what they say."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from helpers import example_landmarks, example_result

from lrfind.explain.interpretation import interpret
from lrfind.explain.trajectories import courses
from lrfind.explain.types import Explanation, Outcome, Start
from lrfind.records.types import Probe, StopReason

ALPHA = 0.1
STEPS = 100
START = Start(2.3, 0.06, 0.02)
"""The plateau and the noise of `helpers.example_landmarks`."""

Loss = Callable[[int], float]


def decay(pace: float, floor: float = 0.1) -> Loss:
    """Return a descent from the start to `floor` that makes all but 1/e of it in `1 / pace` steps."""
    return lambda step: floor + (START.loss - floor) * math.exp(-pace * step)


def probe(
    lr: float, loss: Loss, made: int = STEPS, stop: StopReason = StopReason.COMPLETED, noise: float = 0.02
) -> Probe:
    """Return a training of `made` of 100 steps; every one sees the same noise."""
    rng = random.Random(0)
    return Probe(lr, STEPS, tuple(loss(step) + noise * rng.gauss(0, 1) for step in range(made)), stop)


SLOW, GOOD, FAST = decay(0.01), decay(0.1), decay(0.4)


def bouncing(step: int) -> float:
    return decay(0.02)(step) + 4 * math.exp(-step / 3)


def exploding(step: int) -> float:
    return START.loss * 1.5**step


def still(step: int) -> float:
    return START.loss


def outcomes(*probes: Probe) -> list[Outcome]:
    return [course.outcome for course in courses(probes, ALPHA, START)]


def example_explanation(*others: Probe, alpha: Probe | None = None, title: str = "cnn, SGD, cpu") -> Explanation:
    """Return what a training at alpha and others say; a tenth crawls and ten times diverges if none is given."""
    at_alpha = alpha or probe(ALPHA, GOOD)
    around = others or (probe(ALPHA / 10, SLOW), probe(ALPHA * 10, exploding, 9, StopReason.DIVERGED))
    result = example_result(landmarks=example_landmarks(), suggested_lr=ALPHA, suggested_lrs={"constant": ALPHA})
    return interpret(result, ALPHA, [(each, None) for each in (at_alpha, *around)], title, given=False)
