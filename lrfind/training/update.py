"""One update of the weights, as the real training makes it: accumulated, clipped, scaled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from lrfind.errors import Fault, UserCodeError
from lrfind.settings import Precision
from lrfind.training.batch import to_device
from lrfind.training.distributed.process_group import ProcessGroup
from lrfind.training.output_loss import check_loss
from lrfind.training.precision import LossScale, backward, under_autocast
from lrfind.training.step import Step
from lrfind.training.sweepable import differentiates_twice

_END = object()
MOST_SKIPPED = 100
"""Mini-batches in a row for which a step may return no loss; Lightning skips such a batch."""


@dataclass(frozen=True)
class Recipe:
    """How the real training turns mini-batches into updates.

    Attributes:
        precision: fp32, or autocast in bf16 or fp16; fp16 with a scaled loss.
        accumulate: Mini-batches of one update, on each process; their gradients are averaged.
        clip_grad_norm: Norm of all gradients together above which they are scaled down; None does not clip.
        clip_grad_value: Absolute value that gradients are clipped to, element by element; None does not clip.
        scaler: Of fp16, the state_dict of the GradScaler that the training has; None starts with PyTorch's defaults.
    """

    precision: Precision = "fp32"
    accumulate: int = 1
    clip_grad_norm: float | None = None
    clip_grad_value: float | None = None
    scaler: Mapping[str, Any] | None = None


class Update:
    """Makes one update after the other, in step with `processes`; parts that the recipe leaves out cost nothing.

    Each update reads its own batches.

    Attributes:
        batch: The latest mini-batch, for error messages; None before the first.
    """

    def __init__(
        self,
        model: nn.Module,
        step: Step,
        optimizer: torch.optim.Optimizer,
        batches: Iterable[Any],
        device: torch.device,
        recipe: Recipe,
        processes: ProcessGroup | None = None,
    ) -> None:
        self.batch: Any = None
        self._model = model
        self._optimizer = optimizer
        self._step = under_autocast(step, recipe.precision, device)
        self._batches: Iterator[Any] = iter(batches)
        self._device = device
        self._moves = device.type != "cpu"  # loaders make their batches on the host
        self._pieces = recipe.accumulate
        self._processes = processes
        self._scaler = recipe.scaler
        self._twice = differentiates_twice(optimizer)
        self._clip = _clipping(model, recipe)
        self._checked = False

    def __call__(self) -> Tensor | None:
        """Return the loss before the update, the mean over its mini-batches; None if the data ended before that."""
        loss = self._gradients()
        if loss is not None:
            self._apply()
        return loss

    def _gradients(self) -> Tensor | None:
        """Compute the gradients on the next mini-batches, and return the mean loss, over all processes."""
        self._optimizer.zero_grad()
        torch.clear_autocast_cache()  # an autocast around the whole training would never do it
        total: Tensor | None = None
        average: Callable[[], Tensor] | None = None
        for left in reversed(range(self._pieces)):
            loss = self._next_loss(last=not left)
            if loss is None:
                return None
            if not self._checked:
                check_loss(loss)
                self._checked = True
            if self._pieces > 1:
                loss = loss / self._pieces
            total = loss.detach() if total is None else total + loss.detach()
            if self._processes and not left:
                average = self._processes.mean(total)  # on its way while the gradients are computed
            self._backward(loss)
        return average() if average else total

    def _next_loss(self, *, last: bool) -> Tensor | None:
        """Return the loss of the next mini-batch that has one; None if the data ended before that.

        Args:
            last: Whether it is the last mini-batch of an update.
        """
        for _ in range(1 if self._processes else MOST_SKIPPED):
            batch = next(self._batches, _END)
            if batch is _END:
                return None
            self.batch = batch
            if self._processes and self._pieces > 1:
                self._processes.sync_gradients(self._model, last)
            loss = self._step(self._model, to_device(batch, self._device) if self._moves else batch)
            if loss is not None:
                return loss
        fix = "return it" if not self._processes else "all processes need one for every batch"
        got = "None" if self._processes else f"None for {MOST_SKIPPED} mini-batches in a row"
        raise UserCodeError(Fault("loss", expected="a scalar floating-point tensor", got=got, fix=fix))

    def _backward(self, loss: Tensor) -> None:
        backward(loss, create_graph=self._twice)

    def _apply(self) -> None:
        if self._clip:
            self._clip()
        self._optimizer.step()


class ScaledUpdate(Update):
    """The update of fp16. If its gradients overflow, it is skipped and repeated with the next mini-batches."""

    MAX_SKIPS = 30
    """Updates skipped in a row before lrfind gives up. By then the scale, halved each time, has gone from 2^16 to
    2^-14; an overflow at a scale below 1 is not due to the scale."""

    _updated = False

    @cached_property
    def _scale(self) -> LossScale:
        return LossScale(self._optimizer, self._device, self._scaler)

    def _backward(self, loss: Tensor) -> None:
        self._scale.backward(loss, create_graph=self._twice)

    def __call__(self) -> Tensor | None:
        """Return the loss before the update that succeeded; None if the data ended before one did.

        A loss that is not finite is returned without an update. So is infinity, when no scale is small enough.

        Raises:
            UserCodeError: Not even the first update succeeded.
        """
        for _ in range(self.MAX_SKIPS):
            loss = self._gradients()
            if loss is None or self._updates() or not torch.isfinite(loss):  # waits, but only after a skip
                return loss
        if not self._updated:
            got = f"gradients that overflowed in {self.MAX_SKIPS} updates in a row, at every loss scale"
            expected, fix = "gradients that fp16 can hold", "use bf16 or fp32"
            raise UserCodeError(Fault("precision", expected=expected, got=got, fix=fix))
        return torch.tensor(math.inf)

    def _updates(self) -> bool:
        if self._clip or self._processes:
            overflows = self._scale.unscale()
            if self._processes:
                self._processes.agree_on_overflow(overflows)
        if self._clip:
            self._clip()
        updated = self._scale.step()
        self._updated = self._updated or updated
        return updated


def _clipping(model: nn.Module, recipe: Recipe) -> Callable[[], object] | None:
    parameters = list(model.parameters())
    norm, value = recipe.clip_grad_norm, recipe.clip_grad_value
    if norm is not None:
        return lambda: clip_grad_norm_(parameters, norm)
    if value is not None:
        return lambda: clip_grad_value_(parameters, value)
    return None
