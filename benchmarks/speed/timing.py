"""Seconds of variants that run in turns, and their ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from rich.progress import track

from speed.trainings import DEVICE


def in_turns(variants: Mapping[str, Callable[[], object]], rounds: int, title: str) -> dict[str, list[float]]:
    """Return the seconds of each variant, a list over the rounds."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for index in track(range(rounds + 1), title, transient=True):
        names = list(variants)
        for name in names[index % len(names) :] + names[: index % len(names)]:
            seconds = timed(variants[name])
            if index:  # the first round warms up
                times[name].append(seconds)
    return times


def timed(function: Callable[[], object]) -> float:
    """Return the seconds that a call takes, the accelerator's share included."""
    start = time.perf_counter()
    function()
    if DEVICE.type != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter() - start


def ratio(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Return the median of the ratios within the rounds, and their quartiles, to 3 digits."""
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return [round(value, 3) for value in (middle, low, high)]
