"""PyTorch's learning-rate schedulers, set up for a suggested learning rate, and the curve that each will follow.

The curves are closed forms of what the schedulers do step by step, so that they can be drawn without torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lrfind.schedule.learning_rates import LearningRates
from lrfind.schedule.scheduler import Length, Node, Scheduler

WARMUP_SHARE = 0.05
"""Share of the updates over which a warm-up climbs."""
WARMUP_START = 0.01
"""Share of the peak at which it starts; PyTorch takes no 0."""
COOLDOWN_SHARE = 0.2
"""Share of the updates over which `wsd` decays (Haegele et al. 2024, arXiv 2405.18392)."""
HALF_CYCLE = 4
"""Epochs of half a cycle, about; Smith (2015, arXiv 1506.01186, section 3.2) has 2 to 10."""
POWER = 0.9
"""Exponent of the polynomial decay, as for DeepLab (Chen et al. 2017, arXiv 1606.00915)."""
LAST_SHARE = 0.01
"""Share of the peak that the exponential decay comes down to."""
DROP = 0.1
"""Factor at each step of a staircase (He et al. 2015, arXiv 1512.03385)."""


@dataclass(frozen=True)
class Kind:
    """A way to schedule.

    Attributes:
        scheduler: Class in `MODULE`; of a sequence, its last.
        rate: Which learning rate it takes: a key of `LearningRates.suggested`, or `range`.
        note: What it does and what it is for.
        set_up: Builds it.
        after: What follows in a training that goes on after its end; empty if nothing new.
    """

    scheduler: str
    rate: str
    note: str
    set_up: Callable[[float, LearningRates, Length], Scheduler]
    after: str = ""


def set_up(name: str, rates: LearningRates, length: Length) -> Scheduler:
    """Return the scheduler `name`, a key of `KINDS`, set up for a training of that length."""
    kind = KINDS[name]
    lr = rate_of(kind, rates)
    return kind.set_up(lr if rates.given else rounded(lr), rates, length)


def rate_of(kind: Kind, rates: LearningRates) -> float:
    """Return the highest learning rate of a schedule of that kind."""
    return rates.high if kind.rate == "range" else rates.suggested[kind.rate]


def rounded(lr: float) -> float:
    """Return a learning rate with 3 significant digits; it is not known better."""
    return float(f"{lr:.3g}")


def _constant(lr: float, rates: LearningRates, length: Length) -> Scheduler:
    return Scheduler(Node("ConstantLR", {"factor": 1.0}), "update", lr, lambda step: lr)


def _share(share: float, length: Length) -> int:
    return max(1, round(share * length.total))


def _share_code(share: float) -> str:
    return f"max(1, round({share} * total))"


def _climb(steps: int) -> Node:
    return Node("LinearLR", {"start_factor": WARMUP_START, "total_iters": steps}, {"total_iters": "warmup"})


_CLIMB = {"warmup": _share_code(WARMUP_SHARE)}


def _climbing(lr: float, step: int, steps: int) -> float:
    return lr * (WARMUP_START + (1 - WARMUP_START) * min(step / steps, 1.0))


def _warmup(lr: float, rates: LearningRates, length: Length) -> Scheduler:
    steps = _share(WARMUP_SHARE, length)
    return Scheduler(_climb(steps), "update", lr, lambda step: _climbing(lr, step, steps), _CLIMB)


def _warmup_cosine(lr: float, rates: LearningRates, length: Length) -> Scheduler:
    first = _share(WARMUP_SHARE, length)
    rest = max(1, length.total - first)
    parts = [_climb(first), Node("CosineAnnealingLR", {"T_max": rest}, {"T_max": "max(1, total - warmup)"})]
    return Scheduler(
        Node("SequentialLR", {"schedulers": parts, "milestones": [first]}, {"milestones": "[warmup]"}),
        "update",
        lr,
        lambda step: _climbing(lr, step, first) if step < first else lr * _half_cosine((step - first) / rest),
        _CLIMB,
    )


def _wsd(lr: float, rates: LearningRates, length: Length) -> Scheduler:
    first, last = _share(WARMUP_SHARE, length), _share(COOLDOWN_SHARE, length)
    start = max(length.total - last, first + 1)
    decay = {"start_factor": 1.0, "end_factor": 0.0, "total_iters": last}
    parts = [_climb(first), Node("ConstantLR", {"factor": 1.0}), Node("LinearLR", decay, {"total_iters": "cooldown"})]
    milestones = {"milestones": "[warmup, max(total - cooldown, warmup + 1)]"}
    return Scheduler(
        Node("SequentialLR", {"schedulers": parts, "milestones": [first, start]}, milestones),
        "update",
        lr,
        lambda step: _climbing(lr, step, first) if step < start else lr * max(1 - (step - start) / last, 0.0),
        {**_CLIMB, "cooldown": _share_code(COOLDOWN_SHARE)},
    )


def _half_cosine(share: float) -> float:
    return (1 + math.cos(math.pi * share)) / 2


def _cosine(lr: float, rates: LearningRates, length: Length) -> Scheduler:
    total = length.total
    node = Node("CosineAnnealingLR", {"T_max": total}, {"T_max": "total"})
    return Scheduler(node, "update", lr, lambda step: lr * _half_cosine(step / total))


def _cosine_restarts(lr: float, rates: LearningRates, length: Length) -> Scheduler:
    # 1 + 2 + 4 cycles of the first length; rounded up, as one that began anew just before the end would undo it all.
    first = math.ceil(length.total / 7)

    def at(step: int) -> float:
        start, cycle = 0, first
        while step >= start + cycle:
            start, cycle = start + cycle, 2 * cycle
        return lr * _half_cosine((step - start) / cycle)

    node = Node("CosineAnnealingWarmRestarts", {"T_0": first, "T_mult": 2}, {"T_0": "-(-total // 7)"})
    return Scheduler(node, "update", lr, at)


def _linear(lr: float, rates: LearningRates, length: Length) -> Scheduler:
    total = length.total
    arguments = {"start_factor": 1.0, "end_factor": 0.0, "total_iters": total}
    node = Node("LinearLR", arguments, {"total_iters": "total"})
    return Scheduler(node, "update", lr, lambda step: lr * (1 - step / total))


def _polynomial(lr: float, rates: LearningRates, length: Length) -> Scheduler:
    total = length.total
    node = Node("PolynomialLR", {"total_iters": total, "power": POWER}, {"total_iters": "total"})
    return Scheduler(node, "update", lr, lambda step: lr * (1 - step / total) ** POWER)


def _onecycle(lr: float, rates: LearningRates, length: Length) -> Scheduler:
    total, rise = length.total, 0.3
    # The learning rate was found with the momentum of the config, so that is not cycled.
    arguments = {"max_lr": lr, "total_steps": total, "pct_start": rise, "cycle_momentum": False}
    node = Node("OneCycleLR", arguments, {"total_steps": "total"})
    first, last = lr / 25, lr / 25 / 1e4
    top = rise * total - 1

    def at(step: int) -> float:
        if step <= top:
            return lr + (first - lr) * _half_cosine(step / top)
        return last + (lr - last) * _half_cosine((step - top) / (total - 1 - top))

    return Scheduler(node, "update", lr, at)


def _cyclic(lr: float, rates: LearningRates, length: Length) -> Scheduler:
    cycles = max(1, round(length.epochs / (2 * HALF_CYCLE)))
    up, low = math.ceil(length.total / (2 * cycles)), rounded(rates.low)
    arguments = {"base_lr": low, "max_lr": lr, "step_size_up": up, "cycle_momentum": False}
    node = Node("CyclicLR", arguments, {"step_size_up": f"-(-total // {2 * cycles})"})
    return Scheduler(node, "update", low, lambda step: low + (lr - low) * (1 - abs(step % (2 * up) / up - 1)))


def _step(lr: float, rates: LearningRates, length: Length) -> Scheduler:
    size = math.ceil(length.epochs / 3)
    node = Node("StepLR", {"step_size": size, "gamma": DROP})
    return Scheduler(node, "epoch", lr, lambda step: lr * DROP ** (step // length.steps // size))


def _multistep(lr: float, rates: LearningRates, length: Length) -> Scheduler:
    milestones = sorted({max(1, length.epochs // 2), max(1, 3 * length.epochs // 4)})
    node = Node("MultiStepLR", {"milestones": milestones, "gamma": DROP})
    return Scheduler(
        node, "epoch", lr, lambda step: lr * DROP ** sum(step // length.steps >= epoch for epoch in milestones)
    )


def _exponential(lr: float, rates: LearningRates, length: Length) -> Scheduler:
    gamma = LAST_SHARE ** (1 / length.total)
    node = Node("ExponentialLR", {"gamma": gamma}, {"gamma": f"{LAST_SHARE} ** (1 / total)"})
    return Scheduler(node, "update", lr, lambda step: lr * gamma**step)


def stalls_at(epochs: int) -> int:
    """Return the epoch from which on the validation loss does not fall, in the example that `plateau` is drawn for."""
    return max(1, epochs // 2)


def _plateau(lr: float, rates: LearningRates, length: Length) -> Scheduler:
    patience = max(1, length.epochs // 10)
    node = Node("ReduceLROnPlateau", {"mode": "min", "factor": DROP, "patience": patience})
    stall = stalls_at(length.epochs)
    return Scheduler(
        node, "epoch", lr, lambda step: lr * DROP ** (max(step // length.steps - stall, 0) // (patience + 1))
    )


_RISES, _STAYS, _FALLS = (f"the learning rate {what}" for what in ("rises again", "stays at 0", "falls on"))
KINDS: dict[str, Kind] = {
    "constant": Kind("ConstantLR", "constant", "no schedule; safe to stop at any time", _constant),
    "warmup": Kind("LinearLR", "constant", "climbs over the first 5 %, then stays", _warmup),
    "wsd": Kind(
        "SequentialLR",
        "constant",
        "warm-up, stay, decay over the last 20 %: for an open end",
        _wsd,
        _STAYS,
    ),
    "onecycle": Kind(
        "OneCycleLR", "onecycle", "up and down once: few epochs, fast convergence", _onecycle, "OneCycleLR raises"
    ),
    "cosine": Kind(
        "CosineAnnealingLR",
        "cosine",
        "down to 0 along half a cosine: the common default",
        _cosine,
        _RISES,
    ),
    "warmup-cosine": Kind(
        "SequentialLR",
        "cosine",
        "the same after a warm-up: transformers, large batches",
        _warmup_cosine,
        _RISES,
    ),
    "cosine-restarts": Kind(
        "CosineAnnealingWarmRestarts",
        "cosine",
        "three cosines, each twice as long: for snapshots",
        _cosine_restarts,
        "a longer cosine begins",
    ),
    "linear": Kind("LinearLR", "linear", "down to 0 in a line: fine-tuning", _linear, _STAYS),
    "polynomial": Kind("PolynomialLR", "linear", "nearly a line, down to 0: segmentation", _polynomial, _STAYS),
    "exponential": Kind(
        "ExponentialLR",
        "linear",
        "down to 1 % by the same factor each update",
        _exponential,
        _FALLS,
    ),
    "step": Kind("StepLR", "constant", "a tenth after each third of the epochs", _step, _FALLS),
    "multistep": Kind("MultiStepLR", "constant", "a tenth at half and at three quarters: ResNets", _multistep),
    "plateau": Kind("ReduceLROnPlateau", "constant", "a tenth whenever the validation loss stalls", _plateau),
    "cyclic": Kind("CyclicLR", "range", "up and down the safe range, as Smith (2015)", _cyclic, "further cycles"),
}
"""Every schedule, by its name on the command line."""
