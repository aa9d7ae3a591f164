"""The loss of an update, from the backward passes before it.

It is what `backward` was called on since the update before: the mean over the calls at the same place in the code
(accumulation), and the sum over different places (several losses).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from lrfind.errors import Fault
from lrfind.scripts.places import Site, Sites, loss_name

Loss = float | Tensor
"""A number if it was computed on the host; else a tensor where it was, which nobody has waited for yet."""


class BackwardLosses:
    """Takes the losses of backward passes.

    Attributes:
        names: What the code calls each loss, by its place.
        calls: Backward passes of the first update at each place.
    """

    def __init__(self, chosen: str | None, on_place: Callable[[Site, FrameType | None], None]) -> None:
        """Make it.

        Args:
            chosen: Name of the only loss to take; None takes all.
            on_place: Called with each new place and the frame there.
        """
        self.names: dict[Site, str] = {}
        self.calls: dict[Site, int] = {}
        self._chosen, self._on_place = chosen, on_place
        self._sites = Sites()
        self._pending: list[tuple[Site, Loss]] = []
        self._passed_over: list[tuple[Site, Loss]] = []
        self._of_update: list[tuple[Site, Loss]] = []

    def begin(self, tensors: Any, gradients: Any, frame: FrameType | None) -> bool:
        """Take the loss of a backward pass that begins.

        Return whether it is the first loss of a mini-batch: that at the place where the first of all was.
        """
        site = self._sites.of(frame)
        if site not in self.names:
            self.names[site] = loss_name(site.file, site.line) if site.file else "loss"
            self._on_place(site, frame)
        if self._chosen is None or self._chosen in (self.names[site], str(site.line)):
            self._pending.append((site, _value(tensors, gradients)))
        return site is next(iter(self.names))

    def take(self) -> None:
        """Count the losses since the last step for the update."""
        self._of_update += self._pending or self._passed_over
        self._pending, self._passed_over = [], []

    def pass_over(self) -> None:
        """Leave the losses since the last step to the next one: this one was of an optimizer that is not swept."""
        self._passed_over, self._pending = self._pending or self._passed_over, []

    def drop(self) -> Loss | None:
        """Forget the losses since the last step, and return what they come to; None without any."""
        parts, self._pending = self._pending, []
        return _combined(parts) if parts else None

    def of_update(self, *, first: bool) -> Loss | None:
        """Return the loss of the update, and begin the next one; None if there was no backward pass."""
        parts, self._of_update = self._of_update, []
        if first:
            for site, _ in parts:
                self.calls[site] = self.calls.get(site, 0) + 1
        return _combined(parts) if parts else None

    def missing(self) -> Fault:
        """Return what is wrong with a script that updates its weights without a loss that was taken."""
        if self._chosen is not None and self.names:
            names = ", ".join(sorted(set(self.names.values())))
            return Fault("--loss", expected=f"one of {names}", got=repr(self._chosen))
        problem = "the script updated its weights, but called backward() on no loss before"
        return Fault(problem=problem, fix="lrfind reads the loss there; use lrfind.find_lr with a step of your own")


def _combined(parts: Sequence[tuple[Site, Loss]]) -> Loss:
    if len(parts) == 1:
        return parts[0][1]
    by_site: dict[Site, list[Loss]] = {}
    for site, value in parts:
        by_site.setdefault(site, []).append(value)
    return sum(sum(values) / len(values) for values in by_site.values())


def _value(tensors: Any, gradients: Any) -> Loss:
    """Return the scalar whose gradient a backward pass computes; of a scaled loss, what it was before."""
    if gradients is None and isinstance(tensors, Tensor) and tensors.is_cpu and tensors.numel() == 1:
        return float(getattr(tensors, "_lrfind_unscaled", tensors).item())  # as of most trainings, and the fastest
    many = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
    weights = (gradients,) if gradients is None or isinstance(gradients, Tensor) else tuple(gradients)
    values = []
    for index, tensor in enumerate(many):
        loss = getattr(tensor, "_lrfind_unscaled", tensor).detach()
        weight = weights[index] if index < len(weights) else None
        if weight is not None and loss.numel() > 1:
            loss = (loss * weight).sum()
        if loss.numel() == 1:  # torch raises for others
            values.append(loss)
    total = sum(values[1:], values[0]) if values else torch.tensor(math.nan)
    return float(total) if total.device.type == "cpu" else total.clone()
