"""What a training has to beat: the best constant prediction, the same for every sample.

A model that has learned nothing from its inputs can still learn the mean of the targets, or how frequent each class is.
Regret is measured from the loss of that constant on the validation split. The untrained loss would not do: with targets
far from zero, as prices in dollars, it is so much larger that a model that knows only their mean would look perfect.
"""

from __future__ import annotations

from typing import Any

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from accuracy.data import load
from accuracy.models import ArcFaceLoss, ClipLoss, ContrastiveLoss, NTXentLoss, PinballLoss, TripletLoss
from accuracy.task import Task

EMBEDDING_LOSSES = (ArcFaceLoss, ClipLoss, ContrastiveLoss, NTXentLoss, TripletLoss)
"""Losses of where a model places its samples, which a free constant could cheat: it would place each view apart."""


def baseline(constant: float, untrained: float) -> float:
    """Return the loss that regret is measured from.

    Args:
        constant: Loss of the best constant prediction, as `constant_loss` gives it.
        untrained: Loss before any training. It counts where it is lower, as with a pretrained model.
    """
    return min(constant, untrained)


def constant_loss(task: Task) -> float:
    """Return the loss on the validation split of the best constant for the training split.

    The constant is the mean of the targets for a squared error, their median for an absolute one, their quantiles for
    a pinball loss, the frequency of the classes for a cross-entropy, and zero for an embedding: all samples in one
    place. For any other loss it is found by minimizing the loss itself.
    """
    loss = instantiate(task.loss)
    split = load(task.data)
    constant = _best_constant(task, loss, _wide(split.y))
    return float(_loss_of(constant, loss, _wide(split.val_y)))


def _best_constant(task: Task, loss: nn.Module, y: Tensor) -> Tensor:
    """Return the best output for one sample."""
    if isinstance(loss, nn.MSELoss):
        return y.mean(0)
    if isinstance(loss, nn.L1Loss):
        return y.median(0).values
    if isinstance(loss, PinballLoss):
        return y[:, 0].quantile(torch.tensor(loss.quantiles, dtype=y.dtype))
    model, _, _ = task.start(0)
    with torch.no_grad():
        output = model.eval()(load(task.data).x[:2])[0].double()
    if isinstance(loss, nn.CrossEntropyLoss) and loss.weight is None:
        return _log_frequencies(loss, y, len(output)).view(-1, *[1] * (output.ndim - 1)).expand_as(output)
    zero = torch.zeros_like(output)
    return zero if isinstance(loss, EMBEDDING_LOSSES) else _minimized(loss, y, zero)


def _log_frequencies(loss: nn.CrossEntropyLoss, y: Tensor, classes: int) -> Tensor:
    """Return the logits of the frequencies, at all places alike; each class is counted once more than it occurs."""
    counts = torch.bincount(y.flatten(), minlength=classes).double() + 1
    smooth = loss.label_smoothing
    return ((1 - smooth) * counts / counts.sum() + smooth / classes).log()


def _minimized(loss: nn.Module, y: Tensor, constant: Tensor) -> Tensor:
    constant.requires_grad_()
    optimizer = torch.optim.LBFGS([constant], max_iter=500, tolerance_change=1e-12, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = _loss_of(constant, loss, y)
        value.backward()
        return value

    optimizer.step(closure)
    return constant.detach()


def _loss_of(constant: Tensor, loss: Any, y: Tensor) -> Tensor:
    value: Tensor = loss(constant.expand(len(y), *constant.shape), y)
    return value


def _wide(targets: Tensor) -> Tensor:
    """Return real targets in double precision."""
    return targets.double() if targets.is_floating_point() else targets
