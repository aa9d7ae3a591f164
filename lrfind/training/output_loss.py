"""Reading the loss in a model's output, and checking that it can be trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from torch import Tensor

from lrfind.errors import Fault, UserCodeError
from lrfind.training.batch import describe

_TOTALS = ("loss", "total_loss", "loss_total", "total")
"""Names of the loss beside the parts that it is the sum of."""


def own_loss(output: Any) -> tuple[Callable[[Any], Tensor], str] | None:
    """Return how the loss is read in outputs like this one, as a function and as Python; None if it holds none."""
    if isinstance(output, Tensor):
        return (lambda output: output, "{}") if output.ndim == 0 else None
    if total := next((name for name in _TOTALS if isinstance(part(output, name), Tensor)), None):
        return lambda output: part(output, total), part_code(output, total)
    if isinstance(output, Mapping):
        names = [name for name, value in output.items() if _is_differentiable(value)]
        code = "sum(value for value in {}.values() if getattr(value, 'requires_grad', False))"
        return (_sum_of(names), code) if names and all(output[name].numel() == 1 for name in names) else None
    if isinstance(output, (tuple, list)):
        if output and isinstance(output[0], Tensor) and output[0].ndim == 0:
            return itemgetter(0), "{}[0]"
        losses = [at for at, item in enumerate(output) if _is_differentiable(item) and item.ndim == 0]
        return (itemgetter(losses[0]), f"{{}}[{losses[0]}]") if len(losses) == 1 else None
    return None


def part_code(output: Any, name: str) -> str:
    """Return `part` of outputs like this one as Python, with {} for the output."""
    return f"{{}}[{name!r}]" if isinstance(output, Mapping) and not hasattr(output, name) else f"{{}}.{name}"


def part(output: Any, name: str) -> Any:
    """Return the item or attribute of an output by name; None if it has none."""
    return output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)


def _is_differentiable(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _sum_of(names: Sequence[Any]) -> Callable[[Mapping[Any, Any]], Tensor]:
    """Return what sums the losses of those names, which have no gradient in an evaluation, and others that do."""

    def total(output: Mapping[Any, Any]) -> Tensor:
        losses = [value for name, value in output.items() if name in names or _is_differentiable(value)]
        first, *others = (loss.reshape(()) for loss in losses)
        summed: Tensor = sum(others, first)
        return summed

    return total


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
