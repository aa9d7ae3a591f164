"""From a mini-batch to its loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lrfind.errors import UserCodeError

Step = Callable[[nn.Module, Any], Tensor]
"""step(model, batch) -> loss, a scalar tensor."""


def default_step(loss: Callable[[Any, Any], Tensor] | None) -> Step:
    """Return the step for batches of the usual forms.

    A mapping goes in as `model(**batch)`, whose output carries `.loss`. Anything else must unpack into
    `(x, y)`, and the loss is `loss(model(x), y)`.
    """

    def step(model: nn.Module, batch: Any) -> Tensor:
        if isinstance(batch, (tuple, list)) and len(batch) == 2:
            if loss is None:
                raise UserCodeError(
                    "loss: expected a loss for (x, y) batches, got none; add e.g. loss: {_target_: torch.nn.MSELoss}"
                )
            x, y = batch
            return loss(model(x), y)
        if isinstance(batch, Mapping):
            own_loss: Tensor = model(**batch).loss
            return own_loss
        raise UserCodeError(
            f"data: expected batches (x, y) or a mapping, got {describe(batch)}; set step to a function of your own: "
            "step: {_target_: my_module.my_step, _partial_: true}"
        )

    return step


def check_loss(loss: Any) -> None:
    """Check that a step returned what a training can use.

    Raises:
        UserCodeError: `loss` is not a tensor with one floating-point element that depends on a parameter.
    """
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.is_floating_point():
        many = isinstance(loss, Tensor) and loss.numel() > 1
        hint = "; average it first, e.g. with reduction='mean'" if many else ""
        raise UserCodeError(f"loss: expected a scalar floating-point tensor, got {describe(loss)}{hint}")
    if not loss.requires_grad:
        raise UserCodeError(
            "loss: expected a tensor that depends on the trainable parameters, got one without a gradient; "
            "is it computed under torch.no_grad(), detached, or from frozen layers alone?"
        )


def to_device(batch: Any, device: torch.device) -> Any:
    """Return `batch` with every tensor in it on `device`; pinned ones are copied without waiting."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=batch.is_pinned())
    if isinstance(batch, Mapping):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):  # a namedtuple takes its fields one by one
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


def describe(value: Any) -> str:
    """Return a short description of a batch or an output: shapes and types, as an error message needs them."""
    if isinstance(value, Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {describe(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__} of {len(value)} (" + ", ".join(describe(item) for item in value[:4]) + ")"
    return f"{type(value).__name__}"
