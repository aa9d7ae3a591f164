"""Checks of the model and the optimizer before the first step: can they be swept?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from lrfind.errors import Fault, UserCodeError, some
from lrfind.training.groups import named_parameters
from lrfind.training.optimizers import combined


def check_model(model: nn.Module) -> None:
    """Check that the parameters of a model can be trained here.

    Raises:
        UserCodeError: No parameter is trainable, or some have no data, or are sharded.
    """
    named = list(model.named_parameters())
    if not any(parameter.requires_grad for _, parameter in named):
        expected, fix = "at least one trainable parameter", "are all layers frozen?"
        raise UserCodeError(Fault("model", expected=expected, got="none", fix=fix))
    if empty := [name for name, parameter in named if parameter.is_meta]:
        expected, got = "parameters that hold values", f"these on the meta device: {some(empty)}"
        raise UserCodeError(Fault("model", expected=expected, got=got, fix="build it without torch.device('meta')"))
    if sharded := [name for name, parameter in named if hasattr(parameter, "device_mesh")]:
        got = f"these, which are sharded already (DTensor): {some(sharded)}"
        raise UserCodeError(
            Fault("model", expected="whole parameters", got=got, fix="return it before it is parallelized")
        )


def combine(optimizer: Any) -> Any:
    """Return several optimizers as one; anything else as it is.

    Raises:
        UserCodeError: Two of them hold the same parameter.
    """
    try:
        return combined(optimizer)
    except ValueError as error:
        expected, got = "each parameter in one optimizer alone", str(error)
        raise UserCodeError(Fault("optimizer", expected=expected, got=got)) from error


def check_optimizer(optimizer: Any, model: nn.Module, loss: Any = None) -> None:
    """Check that an object is an optimizer of this model, and of the parameters of its loss.

    Raises:
        UserCodeError: It is not.
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        expected, got = "a torch.optim.Optimizer", type(optimizer).__name__
        raise UserCodeError(Fault("optimizer", expected=expected, got=got))
    if foreign := foreign_parameters((each for _, each in named_parameters(model, loss)), optimizer):
        fix = "build it from the parameters, or from the argument `model`, that it is called with"
        expected, got = "the parameters of the model and no others", f"{foreign} others"
        raise UserCodeError(Fault("optimizer", expected=expected, got=got, fix=fix))


def foreign_parameters(parameters: Iterable[torch.Tensor], optimizer: torch.optim.Optimizer) -> int:
    """Count the parameters of an optimizer that are not among `parameters`."""
    own = set(parameters)
    return sum(parameter not in own for parameter in _held(optimizer))


def untrained_parameters(optimizer: torch.optim.Optimizer, model: nn.Module, loss: Any = None) -> list[str]:
    """Return the names of the trainable parameters of a model and its loss that no group of the optimizer holds."""
    trainable = ((name, parameter) for name, parameter in named_parameters(model, loss) if parameter.requires_grad)
    held = set(_held(optimizer))
    return [name for name, parameter in trainable if parameter not in held]


def _held(optimizer: torch.optim.Optimizer) -> Iterable[torch.Tensor]:
    return (parameter for group in optimizer.param_groups for parameter in group["params"])
