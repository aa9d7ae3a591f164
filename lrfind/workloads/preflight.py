"""What cannot be swept, found on the model and the optimizer before the first step."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from lrfind.errors import UserCodeError, some


def check_model(model: nn.Module) -> None:
    """Check that the parameters of a model can be trained here.

    Raises:
        UserCodeError: No parameter is trainable, or some have no data, or are sharded.
    """
    named = list(model.named_parameters())
    if not any(parameter.requires_grad for _, parameter in named):
        raise UserCodeError("model: expected at least one trainable parameter, got none; are all layers frozen?")
    if empty := [name for name, parameter in named if parameter.is_meta]:
        raise UserCodeError(
            f"model: expected parameters that hold values, but these are on the meta device: {some(empty)}; "
            "build the model without torch.device('meta')"
        )
    if sharded := [name for name, parameter in named if hasattr(parameter, "device_mesh")]:
        raise UserCodeError(
            f"model: expected whole parameters, but these are sharded already (DTensor): {some(sharded)}; "
            "return the model before it is parallelized"
        )


def check_optimizer(optimizer: Any, model: nn.Module) -> None:
    """Check that what was built is an optimizer of this model.

    Raises:
        UserCodeError: It is not; the message gives the reason and the way out.
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise UserCodeError(f"optimizer: expected a torch.optim.Optimizer, got {type(optimizer).__name__}")
    if foreign := not_of(model.parameters(), optimizer):
        raise UserCodeError(
            f"optimizer: expected parameters of the model alone, but it holds {foreign} that are not the model's; "
            "build it from the parameters, or the argument `model`, that it is called with"
        )


def not_of(parameters: Iterable[torch.Tensor], optimizer: torch.optim.Optimizer) -> int:
    """Return how many parameters an optimizer holds that are none of `parameters`."""
    own = {id(parameter) for parameter in parameters}
    return sum(id(parameter) not in own for parameter in _held(optimizer))


def no_sweep(optimizer: torch.optim.Optimizer) -> str | None:
    """Return why no learning rate of the optimizer can be swept, and the way out; None if one can."""
    groups = optimizer.param_groups
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        return (
            "evaluates the loss several times in a step (it needs a closure), which no sweep covers; use SGD or AdamW"
        )
    if hasattr(optimizer, "first_step"):
        return "makes a step in two passes: no sweep covers that; sweep the optimizer that it is built on"
    if any(group.get("relative_step") for group in groups):
        return "chooses its own learning rate (relative_step); add relative_step: false to sweep one"
    if any("d" in group and ("d0" in group or "growth_rate" in group) for group in groups):  # Prodigy, D-Adaptation
        return "estimates its own learning rate, its lr is a factor to leave at 1; nothing is left to sweep"
    if not all("lr" in group for group in groups):
        return "has no learning rate to sweep: its parameter groups carry no lr"
    if all(group.get("fixed_lr") for group in groups):
        return "has no group whose learning rate is swept: every one has a fixed_lr; drop one of them"
    return None


def left_out(optimizer: torch.optim.Optimizer, model: nn.Module) -> list[str]:
    """Return the names of the trainable parameters of `model` that no group of the optimizer holds."""
    held = {id(parameter) for parameter in _held(optimizer)}
    return [
        name for name, parameter in model.named_parameters() if parameter.requires_grad and id(parameter) not in held
    ]


def _held(optimizer: torch.optim.Optimizer) -> Iterable[torch.Tensor]:
    return (parameter for group in optimizer.param_groups for parameter in group["params"])
