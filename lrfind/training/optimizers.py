"""Several optimizers of one training, such as Muon for matrices and AdamW for the rest, as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch.optim import Optimizer


class Optimizers(Optimizer):
    """Optimizers that make every update together. Their parameter groups are one list of the same groups.

    Attributes:
        optimizers: The optimizers.

    Raises:
        ValueError: Two of them hold the same parameter.
    """

    def __init__(self, optimizers: list[Optimizer] | tuple[Optimizer, ...]) -> None:
        self.optimizers = tuple(optimizers)
        super().__init__([group for each in optimizers for group in each.param_groups], {})

    @property
    def group_names(self) -> list[str]:
        """The name of each group: its own, or the class of its optimizer, with a number if that has several groups."""
        return list(self._names())

    def _names(self) -> Iterator[str]:
        for each in self.optimizers:
            kind, several = type(each).__name__, len(each.param_groups) > 1
            for index, group in enumerate(each.param_groups):
                yield f"{kind}: {group['name']}" if "name" in group else f"{kind} group {index}" if several else kind

    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Let each make its step."""
        for each in self.optimizers:
            each.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Let each forget its gradients."""
        for each in self.optimizers:
            each.zero_grad(set_to_none=set_to_none)

    def train(self) -> None:
        """Put those that have a training mode into it."""
        for each in self.optimizers:
            if callable(train := getattr(each, "train", None)):
                train()


def combined(optimizer: Any) -> Any:
    """Return a list or tuple of optimizers as one; anything else as it is.

    Raises:
        ValueError: Two of them hold the same parameter.
    """
    if not isinstance(optimizer, (list, tuple)) or not all(isinstance(each, Optimizer) for each in optimizer):
        return optimizer
    return optimizer[0] if len(optimizer) == 1 else Optimizers(optimizer) if optimizer else optimizer


def name_of(optimizer: Optimizer) -> str:
    """Return the class of an optimizer, or of each of several."""
    return " + ".join(type(each).__name__ for each in getattr(optimizer, "optimizers", (optimizer,)))
