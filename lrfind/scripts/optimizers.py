"""The optimizers of a script: what each was made with, and its learning rates while it steps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor

from lrfind.scripts.places import Place, place_of
from lrfind.training.groups import group_scales, reference_lr, set_lr

CYCLED = ("momentum", "betas")
"""What OneCycleLR and CyclicLR move against the learning rate."""


@dataclass
class Made:
    """What an optimizer was made with.

    Attributes:
        number: How many were made before it.
        place: Where.
        lrs: Learning rate of each group.
        cycled: What schedulers may move, of each group.
    """

    number: int
    place: Place
    lrs: list[float] = field(default_factory=list)
    cycled: list[dict[str, Any]] = field(default_factory=list)


class MadeOptimizers:
    """What each optimizer of the process was made with."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[Any, Made] = WeakKeyDictionary()
        self._paused = False

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Take no note meanwhile: the optimizers are not the script's."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False

    def take(self, optimizer: Any, frame: FrameType | None) -> None:
        """Note the last group of an optimizer, as it was added just now."""
        if self._paused:
            return
        if optimizer not in self._made:
            self._made[optimizer] = Made(len(self._made), place_of(frame))
        made, group = self._made[optimizer], optimizer.param_groups[-1]
        made.lrs.append(_number(group.get("lr")))
        made.cycled.append({name: group[name] for name in CYCLED if name in group})

    def put(self, optimizer: Any, made: Made) -> None:
        """Note what an optimizer of another library was made with."""
        made.number = len(self._made)
        self._made[optimizer] = made

    def of(self, optimizer: Any) -> Made:
        """Return what an optimizer was made with; as it is now, if nothing was noted then."""
        groups = optimizer.param_groups
        made = self._made.get(optimizer) or self._made.get(_inner(optimizer))
        if made is None or len(made.lrs) != len(groups):
            made = Made(made.number if made else len(self._made), made.place if made else Place("", 0))
            made.lrs = [_number(group.get("initial_lr", group.get("lr"))) for group in groups]
            made.cycled = [{name: group[name] for name in CYCLED if name in group} for group in groups]
            self._made[optimizer] = made
        return made


def _inner(optimizer: Any) -> Any:
    """Return the optimizer within another one, whose groups those are: it was made by the code that made it."""
    names = ("optimizer", "base_optimizer", "_base_optimizer")
    return next((inner for name in names if (inner := getattr(optimizer, name, None)) is not None), optimizer)


def _number(lr: Any) -> float:
    return 0.0 if lr is None else float(lr)


def as_made(optimizer: Any, made: Made) -> list[dict[str, Any]]:
    """Return the groups of an optimizer, with the learning rates that it was made with."""
    return [{**group, "lr": lr} for group, lr in zip(optimizer.param_groups, made.lrs, strict=True)]


class StepRates:
    """Sets the learning rates of an optimizer for one step, and puts back what the script has set.

    So schedulers, and code that sets learning rates itself, run on undisturbed, but do not decide. The groups keep the
    ratios that they were made with. What a scheduler cycles beside the learning rate is undone as well.

    Attributes:
        reference: The learning rate that the optimizer was made with: that of its first group.
        scales: Learning rate of each group over the swept one, shape `(groups,)`.
    """

    def __init__(self, optimizer: Any, made: Made, lead: float | None = None) -> None:
        """Read the groups.

        Args:
            optimizer: Whose learning rates are set.
            made: What it was made with.
            lead: The reference of the optimizer that is swept with it and steps first; None if this is that one.
        """
        groups = as_made(optimizer, made)
        self._optimizer = optimizer
        self._cycled = made.cycled
        self.reference = reference_lr(groups)
        ratio = self.reference / lead if lead and self.reference else 1.0
        self.scales = [ratio * scale for scale in group_scales(groups)]
        self._kept: list[tuple[Any, Any]] = []
        """The groups, and the learning rates that the script has set."""
        self._cycling: list[tuple[Any, dict[str, Any]]] = []
        """Those in which a scheduler cycles something else, and that."""

    def set(self, lr: float) -> None:
        """Set the learning rate of each group to its multiple of `lr`."""
        self._kept.clear()
        self._cycling.clear()
        for group, scale, others in zip(self._optimizer.param_groups, self.scales, self._cycled, strict=True):
            self._set(group, scale * lr)
            if not others.items() <= group.items():
                self._cycling.append((group, {name: group[name] for name in others}))
                group.update(others)

    def multiply(self, factor: float) -> None:
        """Multiply the learning rate that the script has set for each group."""
        self._kept.clear()
        for group in self._optimizer.param_groups:
            self._set(group, factor * float(group["lr"]))

    def _set(self, group: Any, lr: float) -> None:
        old = group["lr"]
        self._kept.append((group, old.clone() if isinstance(old, Tensor) else old))
        set_lr(group, "lr", lr)

    def restore(self) -> None:
        """Put back what the script has set."""
        for group, lr in self._kept:
            set_lr(group, "lr", lr)
        for group, others in self._cycling:
            group.update(others)

    @property
    def fits(self) -> bool:
        """Whether the optimizer has no other groups by now."""
        return len(self._optimizer.param_groups) == len(self.scales)


def overflowed(optimizer: Any) -> bool:
    """Tell whether a fused optimizer has skipped its update, as the GradScaler left it to.

    This waits for the device. Nothing else tells, and the learning rate must be tried again.
    """
    found = getattr(optimizer, "found_inf", None)
    return found is not None and bool(found.item())
