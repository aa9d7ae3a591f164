"""Keeps what a training changes and puts it back in place: the same objects, the same storages, the same bits."""

from __future__ import annotations

import contextlib
import copy
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from lrfind.training.reach import cells, globals_of, is_users, methods

PutBack = Callable[[], object]
HOLDERS = (nn.Module, torch.optim.Optimizer, torch.amp.GradScaler)
"""What a training changes by its attributes."""


NO_STATE = (Dataset, DataLoader, Sampler)
"""What may hold much, and no state that a snapshot keeps."""
GENERATORS = (torch.Generator, random.Random, np.random.Generator, np.random.RandomState)
LARGE = 2**28
"""Bytes beyond which a tensor or an array that the training only names is taken for data, which no step changes."""
CONTAINERS = (dict, list, tuple, set, deque)


class Snapshot:
    """All that a training changes in modules, optimizers and scalers, and in what they and their hooks reach.

    It follows tensors, arrays, containers, random generators, and the functions and objects of the user's: their
    closures, global variables and attributes. Of an object of a library it keeps the `state_dict`, if it has one. The
    values of tensors are kept in host memory; a snapshot takes none of an accelerator's. Anything else is kept as a
    reference: a change within it stays.
    """

    def __init__(self, *roots: Any, whole: Iterable[Any] = ()) -> None:
        """Keep the present state.

        Args:
            roots: What is followed.
            whole: Objects that are followed into their attributes, whoever wrote them.
        """
        self._seen: dict[int, Any] = {}  # by id; holding the objects keeps their ids from being given again
        self._held: list[Any] = []  # for the same reason
        self._put_back: list[PutBack] = []
        self._grads: list[tuple[Tensor, Tensor | None]] = []
        self._watched: list[tuple[str, Callable[[], bool]]] = []
        for value in whole:
            if not isinstance(value, tuple(kinds for kinds, _ in self._ways)):
                self._seen[id(value)] = value
                self._keep_whole(value, type(value).__name__)
        for root in (*roots, *whole):
            self._keep(root)

    @property
    def changed(self) -> list[str]:
        """What was not kept, and has changed: objects of libraries without a `state_dict`, and large tensors."""
        return [name for name, has_changed in self._watched if has_changed()]

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

    def _keep(self, value: Any, name: str = "") -> None:
        """Keep a value; a `name` says that it is not of a holder, but of a function or an object of the user's."""
        if id(value) in self._seen or isinstance(value, (type, ModuleType, *NO_STATE)):
            return
        self._seen[id(value)] = value
        for kinds, keep in self._ways:
            if isinstance(value, kinds):
                keep(value, name)
                return
        if hasattr(value, "__dict__") and is_users(value):
            self._keep_whole(value, name)
        elif hasattr(value, "__dict__") and name:
            self._keep_foreign(value, name)

    @property
    def _ways(self) -> tuple[tuple[Any, Callable[[Any, str], None]], ...]:
        return (
            (Tensor, self._keep_tensor),
            (np.ndarray, self._keep_array),
            (CONTAINERS, self._keep_container),
            (GENERATORS, lambda value, name: self._put_back.append(generator_put_back(value))),
            (HOLDERS, self._keep_whole),
            (partial, lambda value, name: self._keep_all((value.func, value.args, value.keywords), name or "partial")),
            (MethodType, lambda value, name: self._keep_all((value.__func__, value.__self__), name or value.__name__)),
            (FunctionType, self._keep_function),
        )

    def _keep_all(self, values: Iterable[Any], name: str) -> None:
        for value in values:
            self._keep(value, name)

    def _keep_container(self, value: Any, name: str) -> None:
        if isinstance(value, dict):
            self._keep_items(value, name)
            return
        kept = list(value)
        self._keep_all(kept, name)
        if isinstance(value, list):
            self._put_back.append(lambda: value.__setitem__(slice(None), kept))
        elif not isinstance(value, tuple):
            add = value.extend if isinstance(value, deque) else value.update
            self._put_back += [value.clear, lambda: add(kept)]

    def _keep_items(self, items: dict[Any, Any], name: str) -> None:
        kept = dict(items)
        self._keep_all(kept.values(), name)

        def put_back() -> None:
            if [*map(id, items)] != [*map(id, kept)]:  # the order of the keys is a part of it; they may be tensors
                items.clear()
            items.update(kept)

        self._put_back.append(put_back)

    def _keep_whole(self, value: Any, name: str) -> None:
        """Keep an object with its attributes."""
        if isinstance(value, HOLDERS):
            self._keep_items(vars(value), "")
        else:
            for attribute, held in vars(value).items():
                self._keep(held, f"{name}.{attribute}")
            self._keep_items(vars(value), name)
        if isinstance(value, nn.Module):
            self._keep_module(value)
        self._keep_all(methods(value), name)

    def _keep_function(self, function: FunctionType, name: str) -> None:
        """Keep what a function of the user's holds and names."""
        if not is_users(function):
            return
        self._keep_items(vars(function), name)
        self._keep_all((function.__defaults__, function.__kwdefaults__), name or function.__name__)
        for variable, cell in cells(function):
            self._keep(cell.cell_contents, variable)
            self._put_back.append(partial(setattr, cell, "cell_contents", cell.cell_contents))
        named = globals_of(function)
        for variable, value in named.items():
            self._keep(value, variable)
        self._put_back.append(partial(function.__globals__.update, named))

    def _keep_foreign(self, value: Any, name: str) -> None:
        """Keep the state of an object of a library, or watch it."""
        if callable(getattr(value, "load_state_dict", None)) and callable(getattr(value, "state_dict", None)):
            state = copy.deepcopy(value.state_dict())
            self._put_back.append(lambda: value.load_state_dict(copy.deepcopy(state)))
        else:
            self._held += vars(value).values()
            self._watch(value, name, lambda: {key: id(each) for key, each in vars(value).items()})

    def _watch(self, value: Any, name: str, state: Callable[[], Any]) -> None:
        before = state()
        self._watched.append((f"{name} ({type(value).__name__})", lambda: state() != before))

    def _keep_array(self, array: Any, name: str) -> None:
        if array.flags.writeable and array.nbytes <= LARGE and array.dtype != object:
            self._put_back.append(partial(np.copyto, array, array.copy()))

    def _keep_module(self, module: nn.Module) -> None:
        """Keep what a compiled (TorchScript) module does not hold in its `__dict__`."""
        self._keep_all((*module.parameters(recurse=False), *module.buffers(recurse=False), *module.children()), "")
        training = module.training

        def put_back() -> None:
            if module.training != training:
                module.training = training

        self._put_back.append(put_back)

    def _keep_tensor(self, tensor: Tensor, name: str) -> None:
        if name and not tensor.requires_grad and tensor.layout is torch.strided and tensor.nbytes > LARGE:
            self._watch(tensor, name, lambda: tensor._version)
            return
        storage = tensor.data  # holds the storage, should the tensor be given another one
        whole = _without_repeats(storage)
        values = whole.to("cpu", copy=True)

        def put_back() -> None:
            tensor.data = storage
            whole.copy_(values)

        self._put_back.append(put_back)
        self._keep_all((tensor._backward_hooks, getattr(tensor, "_post_accumulate_grad_hooks", None)), "")
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


def generator_put_back(generator: Any) -> PutBack:
    """Return a call that puts a random generator back to its present state."""
    if isinstance(generator, random.Random):
        return partial(generator.setstate, generator.getstate())
    if isinstance(generator, np.random.Generator):
        return partial(setattr, generator.bit_generator, "state", generator.bit_generator.state)
    return partial(generator.set_state, generator.get_state())


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
