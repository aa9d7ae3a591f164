"""Keeps what a training changes and puts it back in place: the same objects, the same storages, the same bits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

PutBack = Callable[[], object]
HOLDERS = (nn.Module, torch.optim.Optimizer, torch.amp.GradScaler)
"""What a training changes by its attributes."""


class Snapshot:
    """All that a training changes in modules, optimizers and scalers, and in the tensors, dicts and lists they hold.

    The values of tensors are kept in host memory; a snapshot takes none of an accelerator's. What is neither a tensor,
    a container nor one of the `HOLDERS` is kept as a reference: a change within it stays.
    """

    def __init__(self, *roots: Any) -> None:
        self._seen: dict[int, Any] = {}  # by id; holding the objects keeps their ids from being given again
        self._put_back: list[PutBack] = []
        self._grads: list[tuple[Tensor, Tensor | None]] = []
        for root in roots:
            self._keep(root)

    def rewind(self) -> None:
        """Put everything back, without gradients: the state in which a training starts."""
        for parameter, _ in self._grads:
            parameter.grad = None
        for put_back in self._put_back:
            put_back()

    def restore(self) -> None:
        """Put everything back, gradients included."""
        self.rewind()
        for parameter, grad in self._grads:
            parameter.grad = None if grad is None else grad.to(parameter.device)

    def _keep(self, value: Any) -> None:
        if not isinstance(value, (Tensor, dict, list, tuple, *HOLDERS)):
            return
        if id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if isinstance(value, Tensor):
            self._keep_tensor(value)
        elif isinstance(value, dict):
            self._keep_items(value)
        elif isinstance(value, list):
            kept = list(value)
            self._keep_all(kept)
            self._put_back.append(lambda: value.__setitem__(slice(None), kept))
        elif isinstance(value, tuple):
            self._keep_all(value)
        else:
            self._keep_items(vars(value))
            if isinstance(value, nn.Module):
                self._keep_module(value)

    def _keep_all(self, values: Iterable[Any]) -> None:
        for value in values:
            self._keep(value)

    def _keep_items(self, items: dict[Any, Any]) -> None:
        kept = dict(items)
        self._keep_all(kept.values())

        def put_back() -> None:
            if [*map(id, items)] != [*map(id, kept)]:  # the order of the keys is a part of it; they may be tensors
                items.clear()
            items.update(kept)

        self._put_back.append(put_back)

    def _keep_module(self, module: nn.Module) -> None:
        """Keep what a compiled (TorchScript) module does not hold in its `__dict__`."""
        self._keep_all(module.parameters(recurse=False))
        self._keep_all(module.buffers(recurse=False))
        self._keep_all(module.children())
        training = module.training

        def put_back() -> None:
            if module.training != training:
                module.training = training

        self._put_back.append(put_back)

    def _keep_tensor(self, tensor: Tensor) -> None:
        storage = tensor.data  # holds the storage, should the tensor be given another one
        whole = _without_repeats(storage)
        values = whole.to("cpu", copy=True)

        def put_back() -> None:
            tensor.data = storage
            whole.copy_(values)

        self._put_back.append(put_back)
        if tensor.is_leaf:
            self._keep_gradient(tensor)

    def _keep_gradient(self, leaf: Tensor) -> None:
        grad, wanted = leaf.grad, leaf.requires_grad

        def put_back() -> None:
            if leaf.requires_grad != wanted:
                leaf.requires_grad_(wanted)

        self._put_back.append(put_back)
        # On the host this is the gradient itself, which nothing changes while it is off its parameter.
        self._grads.append((leaf, None if grad is None else grad.to("cpu")))


def _without_repeats(tensor: Tensor) -> Tensor:
    """Return a view of each element of an expanded tensor once, as memory that repeats cannot be written to."""
    if tensor.layout is torch.strided:
        for dim, (size, stride) in enumerate(zip(tensor.shape, tensor.stride(), strict=True)):
            if size > 1 and stride == 0:
                tensor = tensor.narrow(dim, 0, 1)
    return tensor


@contextlib.contextmanager
def attributes_kept(*holders: Any) -> Iterator[None]:
    """Put the attributes of objects back at the end, and the contents of those that are dicts and lists."""
    kept = [(vars(holder), dict(vars(holder))) for holder in holders]
    containers = Snapshot([value for _, own in kept for value in own.values() if isinstance(value, (dict, list))])
    try:
        yield
    finally:
        for attributes, before in kept:
            attributes.clear()
            attributes.update(before)
        containers.restore()
