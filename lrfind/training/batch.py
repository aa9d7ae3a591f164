"""Moving a mini-batch of any structure to a device, and describing it in a message."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor

from lrfind.errors import some


def to_device(batch: Any, device: torch.device) -> Any:
    """Return `batch` with every tensor in it on `device`; pinned ones are copied without waiting.

    An object with a method `to(device)` moves itself: a batch encoding, a packed sequence, a graph.
    Otherwise mappings, tuples, lists, namedtuples and dataclasses are moved item by item, and keep their types.
    """
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=batch.layout is torch.strided and batch.is_pinned())
    if callable(getattr(type(batch), "to", None)):  # of the class: a dict may have its keys as attributes
        return batch.to(device)
    if isinstance(batch, Mapping):
        return _moved_mapping(batch, device)
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):  # a namedtuple takes its fields one by one
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)([to_device(value, device) for value in batch])
    if is_dataclass(batch):
        return _moved_dataclass(batch, device)
    return batch


def _moved_mapping(batch: Mapping[Any, Any], device: torch.device) -> Mapping[Any, Any]:
    moved = {key: to_device(value, device) for key, value in batch.items()}
    if type(batch) is dict or not isinstance(batch, MutableMapping):
        return moved
    try:
        like = copy.copy(batch)  # keeps other attributes, such as the factory of a defaultdict
    except KeyError:  # Python 3.10 looks for a __getstate__, which a dict whose keys are attributes takes for a key
        like = type(batch)(batch)  # type: ignore[call-arg]
    for key, value in moved.items():
        like[key] = value
    return like


def _moved_dataclass(batch: Any, device: torch.device) -> Any:
    moved = copy.copy(batch)  # no new one: __init__ may take other arguments, or compute
    for field in dataclasses.fields(batch):
        if hasattr(batch, field.name):
            value = to_device(getattr(batch, field.name), device)
            object.__setattr__(moved, field.name, value)  # a frozen one refuses the plain assignment
    return moved


def is_dataclass(value: Any) -> bool:
    """Tell whether `value` is an instance of a dataclass."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def describe(value: Any) -> str:
    """Return a short description of a batch or an output: shapes and types, as an error message needs them."""
    if isinstance(value, Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {describe(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__} of {len(value)} (" + ", ".join(describe(item) for item in value[:4]) + ")"
    if is_dataclass(value):
        fields = (f"{field.name}: {describe(getattr(value, field.name, None))}" for field in dataclasses.fields(value))
        return f"{type(value).__name__}({', '.join(fields)})"
    return f"{type(value).__name__}"


def not_finite(value: Any, name: str = "the batch") -> list[str]:
    """Return where a batch holds numbers that are NaN or infinite: its parts, and of a table the columns."""
    if isinstance(value, Tensor):
        bad = ~torch.isfinite(value.detach()) if value.is_floating_point() and value.layout is torch.strided else None
        if bad is None or not bad.any():
            return []
        columns = bad.any(0).nonzero().flatten().tolist() if bad.ndim == 2 else []
        return [f"{name} (column {some([str(column) for column in columns])})" if columns else name]
    if isinstance(value, Mapping):
        parts = [(str(key), item) for key, item in value.items()]
    elif is_dataclass(value):
        parts = [(field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value)]
    else:
        parts = [(f"item {at}", item) for at, item in enumerate(value)] if isinstance(value, (tuple, list)) else []
    return [place for part, item in parts for place in not_finite(item, part)]
