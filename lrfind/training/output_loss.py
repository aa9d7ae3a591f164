"""Reading the loss in a model's output, and checking that it can be trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from torch import Tensor

from lrfind.errors import Fault, UserCodeError
from lrfind.training.batch import describe


def own_loss(output: Any) -> tuple[Callable[[Any], Tensor], str] | None:
    """Return how the loss is read in outputs like this one, as a function and as Python; None if it holds none."""
    if isinstance(output, Tensor):
        return (lambda output: output, "{}") if output.ndim == 0 else None
    if isinstance(part(output, "loss"), Tensor):
        return lambda output: part(output, "loss"), part_code(output, "loss")
    if isinstance(output, Mapping):
        losses = _losses(output)
        whole = losses and all(loss.numel() == 1 for loss in losses)
        code = "sum(value for value in {}.values() if getattr(value, 'requires_grad', False))"
        return (_sum_of_losses, code) if whole else None
    if isinstance(output, (tuple, list)) and output and isinstance(output[0], Tensor) and output[0].ndim == 0:
        return itemgetter(0), "{}[0]"
    return None


def part_code(output: Any, name: str) -> str:
    """Return `part` of outputs like this one as Python, with {} for the output."""
    return f"{{}}[{name!r}]" if isinstance(output, Mapping) and not hasattr(output, name) else f"{{}}.{name}"


def part(output: Any, name: str) -> Any:
    """Return the item or attribute of an output by name; None if it has none."""
    return output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)


def _losses(output: Mapping[Any, Any]) -> list[Tensor]:
    return [value for value in output.values() if isinstance(value, Tensor) and value.requires_grad]


def _sum_of_losses(output: Mapping[Any, Any]) -> Tensor:
    first, *others = (loss.reshape(()) for loss in _losses(output))
    return sum(others, first)


def check_loss(loss: Any) -> None:
    """Check that a step returned a loss that can be trained on.

    Raises:
        UserCodeError: `loss` is not a tensor with one floating-point element that depends on a parameter.
    """
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.is_floating_point():
        many = isinstance(loss, Tensor) and loss.numel() > 1
        fix = "average it first, for example with reduction='mean'" if many else ""
        raise UserCodeError(Fault("loss", expected="a scalar floating-point tensor", got=describe(loss), fix=fix))
    if not loss.requires_grad:
        fix = "is it computed under torch.no_grad(), detached, or from frozen layers alone?"
        expected = "a tensor that depends on the trainable parameters"
        raise UserCodeError(Fault("loss", expected=expected, got="one without a gradient", fix=fix))
