"""The number formats of a training: autocast, the scaled loss of fp16, TF32."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lrfind.errors import Fault
from lrfind.settings import Precision
from lrfind.training.step import Step

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def unsupported(precision: Precision, device: torch.device) -> Fault | None:
    """Return why `device` cannot run autocast in that precision; None if it can."""
    if precision == "fp32":
        return None
    if device.type == "cuda" and precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        expected = f"fp16 or fp32, as {torch.cuda.get_device_name(device)} has no bfloat16"
        return Fault("precision", expected=expected, got=precision)
    if not torch.amp.is_autocast_available(device.type):
        return Fault("precision", expected=f"fp32, as PyTorch has no autocast for {device.type}", got=precision)
    return None


def under_autocast(step: Step, precision: Precision, device: torch.device) -> Step:
    """Return `step` in that precision: forward pass and loss under autocast, as PyTorch advises."""
    if precision == "fp32":
        return step
    dtype = _DTYPES[precision]

    def autocast_step(model: nn.Module, batch: Any) -> Tensor | None:
        with torch.autocast(device.type, dtype):
            return step(model, batch)

    return autocast_step


def allow_tf32(allowed: bool | None) -> None:
    """Let float32 products of this process use TensorFloat-32, or not; None changes nothing."""
    if allowed is not None:
        torch.set_float32_matmul_precision("high" if allowed else "highest")
        torch.backends.cudnn.allow_tf32 = allowed


def keep_tf32() -> Callable[[], None]:
    """Return a call that puts the present settings of TensorFloat-32 back."""
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32

    def put_back() -> None:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions

    return put_back


def backward(loss: Tensor, *, create_graph: bool = False) -> None:
    """Add the gradients of a loss, with their graph if the optimizer differentiates them again."""
    with warnings.catch_warnings() if create_graph else contextlib.nullcontext():
        if create_graph:  # whose reference cycle `zero_grad` breaks
            warnings.filterwarnings("ignore", message="Using backward.. with create_graph=True")
        loss.backward(create_graph=create_graph)


class LossScale:
    """The scaled loss of fp16 (Micikevicius et al. 2018, arXiv 1710.03740, section 3.2): PyTorch's GradScaler.

    The scaler waits for the device just before the optimizer's step, and there it shows whether the update is skipped.
    An optimizer with a fused step skips on the device, without a wait; this class then waits, as the next learning rate
    depends on the answer.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, device: torch.device, state: Mapping[str, Any] | None = None
    ) -> None:
        self._scaler = torch.amp.GradScaler(device.type)
        if state:
            self._scaler.load_state_dict(dict(state))
        self._optimizer = optimizer
        self._updates = False
        optimizer.register_step_pre_hook(self._before_update)

    def backward(self, loss: Tensor, *, create_graph: bool = False) -> None:
        """Add the gradients of the scaled loss, which can be differentiated again with their graph."""
        backward(self._scaler.scale(loss), create_graph=create_graph)

    def unscale(self) -> list[Tensor]:
        """Unscale the gradients; return tensors, one of which is above 0 if a gradient is not finite."""
        self._scaler.unscale_(self._optimizer)
        state = self._scaler._per_optimizer_states[id(self._optimizer)]
        return list(state["found_inf_per_device"].values())

    def step(self) -> bool:
        """Update the weights unless a gradient is not finite, and the scale; tell whether the weights were updated."""
        self._updates = False
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return self._updates

    def _before_update(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        found_inf = getattr(optimizer, "found_inf", None)  # the scaler sets it for fused optimizers only
        self._updates = found_inf is None or not found_inf.item()
