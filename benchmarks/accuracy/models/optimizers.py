"""Optimizers that torch does not bring along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class Lion(Optimizer):
    """Steps of the same size for every weight, along the sign of a momentum (Chen 2023, arXiv 2302.06675, algorithm 2).

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate; 1e-4 is the default of the paper's code.
        betas: Weights of the momentum in the step, and in the momentum itself.
        weight_decay: Decoupled from the gradient, as in AdamW.
    """

    def __init__(
        self, params: Any, lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters once; return what the closure does."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
        in_step, in_momentum = group["betas"]
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(torch.lerp(gradient, momentum, in_step).sign_(), alpha=-group["lr"])
        momentum.lerp_(gradient, 1 - in_momentum)
