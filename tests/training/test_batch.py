from __future__ import annotations

import math
from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence

from lrfind.training.batch import describe, not_finite, to_device

X, Y = torch.ones(2, 3), torch.zeros(2, 1)
META = torch.device("meta")


def devices(value: Any) -> set[str]:
    """Return the devices of all tensors in nested containers."""
    if isinstance(value, Tensor):
        return {value.device.type}
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return set().union(*map(devices, items))


Pair = namedtuple("Pair", "image label")


class Keyed(dict[str, Any]):
    """A dict whose keys are attributes."""

    __getattr__ = dict.__getitem__


@pytest.mark.parametrize(
    "batch",
    [
        X,
        (X, Y),
        [X, [Y]],
        {"a": [X, (Y, "text")], 3: Pair(X, 3)},
        OrderedDict(a=X),
        defaultdict(list, a=X, b=[Y]),
        Keyed(a=X),
        Pair(X, {"a": Y}),
        torch.max(X, dim=0),
    ],
    ids=lambda batch: type(batch).__name__,
)
def test_every_tensor_of_a_nested_batch_is_moved_and_types_are_kept(batch: Any) -> None:
    moved = to_device(batch, META)
    assert type(moved) is type(batch)
    assert devices(moved) == {"meta"}
    assert devices(batch) == {"cpu"}


def test_what_is_no_tensor_stays() -> None:
    moved = to_device({"a": (Y, "text"), "b": Pair(X, 3), "c": None, "d": torch.Tensor}, META)
    assert (moved["a"][1], moved["b"].label, moved["c"], moved["d"]) == ("text", 3, None, torch.Tensor)


def test_a_mapping_that_does_not_change_becomes_a_dict() -> None:
    moved = to_device(MappingProxyType({"a": X}), META)
    assert type(moved) is dict
    assert devices(moved) == {"meta"}


@dataclass
class Open:
    image: Any
    label: Any = 3
    count: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.count += 1


@dataclass(frozen=True)
class Closed:
    image: Any
    label: Any = 3
    count: int = field(init=False, default=1)


@dataclass(frozen=True, slots=True)
class Slots:
    image: Any
    label: Any = 3
    count: int = field(init=False, default=1)


@pytest.mark.parametrize("batch", [Open([X]), Closed([X]), Slots([X])])
def test_a_dataclass_is_moved_as_it_is(batch: Any) -> None:
    moved = to_device(batch, META)
    assert type(moved) is type(batch)
    assert devices(moved.image) == {"meta"}
    assert devices(batch.image) == {"cpu"}
    assert (moved.label, moved.count) == (3, 1)


def test_a_class_in_a_batch_is_no_batch() -> None:
    assert to_device([Open, Tensor], META) == [Open, Tensor]
    assert describe(Open) == "type"


def test_a_packed_sequence_moves_itself() -> None:
    moved = to_device({"x": pack_sequence([torch.ones(3, 2), torch.ones(1, 2)])}, META)["x"]
    assert moved.data.device.type == "meta"
    assert moved.batch_sizes.device.type == "cpu"  # which it needs there


class Graph:
    def __init__(self, x: Tensor) -> None:
        self.x = x

    def to(self, device: torch.device) -> Graph:
        return Graph(self.x.to(device))


def test_whatever_can_move_itself_does() -> None:
    assert to_device([Graph(X)], META)[0].x.device.type == "meta"


def test_a_tensor_that_is_there_already_is_not_copied() -> None:
    assert to_device(X, torch.device("cpu")) is X


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")
def test_a_sparse_tensor_is_moved() -> None:
    assert to_device(torch.eye(3).to_sparse(), META).device.type == "meta"


def test_a_batch_is_described_by_shapes_and_types() -> None:
    assert describe((X, {"y": Y.long()})) == (
        "tuple of 2 (a float32 tensor of shape (2, 3), {y: a int64 tensor of shape (2, 1)})"
    )
    assert describe(Closed(X, "a")) == "Closed(image: a float32 tensor of shape (2, 3), label: str, count: int)"


def test_where_a_batch_is_not_finite() -> None:
    good, bad = torch.ones(2, 3), torch.ones(2, 3)
    bad[0, 1], bad[1, 2] = math.nan, math.inf
    assert not_finite((good, torch.tensor([1, 2]), "text", None)) == []
    assert not_finite(bad) == ["the batch (column 1, 2)"]
    assert not_finite([good, bad]) == ["item 1 (column 1, 2)"]
    assert not_finite({"image": bad.reshape(1, 2, 3), "label": bad[0]}) == ["image", "label"]
