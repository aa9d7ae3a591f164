"""The arguments that the `forward` of a model takes, inspected once for all steps."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel


class Forward:
    """The arguments of a model's `forward`; without a signature it is taken to accept any."""

    def __init__(self, model: nn.Module) -> None:
        model = _unwrapped(model)
        self.model = type(model).__name__
        self._signature: inspect.Signature | None = None
        with contextlib.suppress(TypeError, ValueError):  # of one from C++
            self._signature = inspect.signature(model.forward)

    def takes(self, count: int = 0, names: Iterable[str] = ()) -> bool:
        """Tell whether it can be called with `count` positional arguments, those names, and nothing else."""
        if self._signature is None:
            return True
        try:
            self._signature.bind(*(None,) * count, **dict.fromkeys(names))
        except TypeError:
            return False
        return True

    def takes_one_only(self) -> bool:
        """Tell whether it takes one positional argument and cannot take two."""
        return self._signature is not None and self.takes(1) and not self.takes(2)

    @property
    def arguments(self) -> list[str]:
        """The names of its arguments; those that `**kwargs` takes, and those without a signature, are unknown."""
        parameters = self._signature.parameters.values() if self._signature else ()
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        return [parameter.name for parameter in parameters if parameter.kind in kinds]

    def names(self, name: str) -> bool:
        """Tell whether it has an argument of exactly that name."""
        return name in self.arguments

    def __str__(self) -> str:
        arguments = "anything" if self._signature is None else ", ".join(self._signature.parameters) or "nothing"
        return f"{self.model}.forward takes {arguments}"


def _unwrapped(model: nn.Module) -> nn.Module:
    """Return the model inside wrappers that only forward their arguments."""
    while True:
        inner = model.module if isinstance(model, (DataParallel, DistributedDataParallel)) else None
        inner = inner or getattr(model, "_orig_mod", None)  # of torch.compile
        if not isinstance(inner, nn.Module):
            return model
        model = inner
