"""A model and its step in one module, and the same in shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard


class OpaqueBatch:
    """A mini-batch that wrappers pass on untouched; they would walk through a plain one to move its tensors again."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch


class StepModule(nn.Module):
    """The whole computation of a step with a model, as one forward.

    DDP and FSDP act when their `forward` is called. So all calls of a step to the model (a `training_step`, other
    methods, several calls) happen in here, on the model itself.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def set_step(self, step: Callable[[nn.Module, Any], Tensor | None]) -> None:
        """Compute `step` in the forward; if it is a module, its parameters stay out of this one."""
        self._step = (step,)

    def forward(self, batch: OpaqueBatch) -> Tensor | None:
        """Return the loss of a mini-batch."""
        return self._step[0](self.model, batch.batch)


def through_forward(model: nn.Module, batch: Any) -> Tensor | None:
    """Return the loss of a mini-batch, computed by a `StepModule`, wrapped or not."""
    loss: Tensor | None = model(OpaqueBatch(batch))
    return loss


def shard(module: StepModule, device: torch.device, size: int) -> None:
    """Shard a model over `size` processes, all of which then start from the weights of the first.

    Each child of the model with parameters is a unit, which is gathered when it is called. Of containers that cannot be
    called, the children are units. The remaining parameters, such as those that children share, are one more unit.
    """
    with torch.no_grad():
        for tensor in chain(module.parameters(), module.buffers()):
            dist.broadcast(tensor, src=0)
    mesh = init_device_mesh(device.type, (size,))
    units = list(_units(module.model))
    uses = Counter(parameter for unit in units for parameter in set(unit.parameters()))
    for unit in units:
        if all(uses[parameter] == 1 for parameter in unit.parameters()):
            fully_shard(unit, mesh=mesh)
    fully_shard(module, mesh=mesh)


def _units(model: nn.Module) -> Iterator[nn.Module]:
    for child in model.children():
        if isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            yield from _units(child)
        elif next(child.parameters(), None) is not None:
            yield child
