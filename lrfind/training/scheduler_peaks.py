"""Learning-rate schedulers of PyTorch: reading the peak of a schedule, and setting another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lrfind.errors import Fault, LrfindError
from lrfind.settings import schedule_named
from lrfind.training.groups import set_lr

IN_GROUPS = ("lr", "initial_lr", "max_lr", "min_lr", "swa_lr")
"""Learning rates that schedulers keep in the parameter groups."""
PER_GROUP = ("base_lrs", "max_lrs", "min_lrs", "_last_lr")
"""Learning rates that they keep themselves, one for each group."""
FLOORS = ("eta_min", "default_min_lr")
"""Learning rates that they keep for all groups."""


def peak_lrs(optimizer: Optimizer, schedulers: Sequence[Any]) -> list[float]:
    """Return the peak of the schedule of each group: the highest learning rate, after any warm-up."""
    groups = optimizer.param_groups
    if not schedulers:
        return [float(group["lr"]) for group in groups]
    for scheduler in nested(schedulers):
        if hasattr(scheduler, "max_lrs"):  # only CyclicLR keeps them itself
            return [float(lr) for lr in scheduler.max_lrs]
    return [float(group.get("max_lr", group.get("initial_lr", group["lr"]))) for group in groups]


def set_lrs(optimizer: Optimizer, lrs: Sequence[float]) -> None:
    """Set the learning rate of each group, also for a scheduler that is built afterwards."""
    for group, lr in zip(optimizer.param_groups, lrs, strict=True):
        set_lr(group, "lr", lr)
        if "initial_lr" in group:
            set_lr(group, "initial_lr", lr)


def set_peaks(optimizer: Optimizer, lrs: Sequence[float], schedulers: Sequence[Any]) -> None:
    """Multiply the schedule of each group by new over old peak.

    This scales every learning rate of the schedule, the lowest one as well, and works at any time in a training.

    Args:
        optimizer: Whose groups are set; a learning rate that is a tensor stays the same tensor.
        lrs: The peak of each group.
        schedulers: Of that optimizer; schedulers inside them are included.

    Raises:
        LrfindError: The schedule of a group is 0 throughout, and its new peak is not.
    """
    peaks = peak_lrs(optimizer, schedulers)
    if any(new and not old for old, new in zip(peaks, lrs, strict=True)):
        expected = "learning rates above 0, to scale the schedule by"
        raise LrfindError(Fault("optimizer", expected=expected, got=str(peaks)))
    floor = next(((old, new) for old, new in zip(peaks, lrs, strict=True) if old != new), (1.0, 1.0))
    for scheduler in nested(schedulers):  # before the groups, whose tensors those of torch before 2.10 hold as well
        _scale(scheduler, peaks, lrs, floor)
    for group, old, new in zip(optimizer.param_groups, peaks, lrs, strict=True):
        for name in IN_GROUPS:
            if name in group:
                set_lr(group, name, _times(group[name], old, new))


def schedule_of(schedulers: Sequence[Any]) -> str:
    """Return the kind of schedule that is nearest to the schedulers; `constant` if none is known.

    A linear one counts only if it decays: `LinearLR` is a warm-up by default.
    """
    for scheduler in reversed(list(nested(schedulers))):
        for name in _names(scheduler):
            shape = schedule_named(name)
            if shape and not (name == "LinearLR" and scheduler.end_factor >= scheduler.start_factor):
                return shape
    return "constant"


def _names(scheduler: Any) -> Iterator[str]:
    yield type(scheduler).__name__
    for function in getattr(scheduler, "lr_lambdas", ()):
        function = getattr(function, "func", function)  # of a partial
        yield getattr(function, "__qualname__", type(function).__name__)


def nested(schedulers: Sequence[Any]) -> Iterator[Any]:
    """Yield schedulers and those inside them, such as the parts of a SequentialLR, once each."""
    seen: set[int] = set()
    left = list(schedulers)
    while left:
        scheduler = left.pop(0)
        if id(scheduler) in seen:
            continue
        seen.add(id(scheduler))
        yield scheduler
        for value in vars(scheduler).values():
            left += [
                one
                for one in (value if isinstance(value, (list, tuple)) else [value])
                if isinstance(one, (LRScheduler, ReduceLROnPlateau))
            ]


def _scale(scheduler: Any, peaks: Sequence[float], lrs: Sequence[float], floor: tuple[float, float]) -> None:
    own = vars(scheduler)
    for name in PER_GROUP:
        if isinstance(values := own.get(name), list) and len(values) == len(lrs):
            own[name] = [_times(value, old, new) for value, old, new in zip(values, peaks, lrs, strict=True)]
    for name in FLOORS:
        if own.get(name):
            own[name] = _times(own[name], *floor)


def _times(value: Any, old: float, new: float) -> Any:
    """Return `value` times new over old; exactly `new` for `old`, as rounding would show in the weights."""
    return value if old == new else value / old * new
