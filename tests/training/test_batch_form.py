"""Mini-batches in which each sample has the target of another."""

from __future__ import annotations

from collections import UserDict, namedtuple
from typing import Any

import pytest
import torch

from lrfind.training.batch_form import with_other_targets

X, Y = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([1, 2, 3])
ROTATED = [3, 1, 2]
Named = namedtuple("Named", ("y", "x"))


@pytest.mark.parametrize(
    ("batch", "target"),
    [
        ((X, Y), 1),
        ([X, Y], 1),
        ((X, [1, 2, 3]), 1),
        (Named(Y, X), 0),
        ({"x": X, "labels": Y}, "labels"),
        (UserDict({"x": X, "y": Y}), "y"),
    ],
    ids=["tuple", "list", "list of targets", "named tuple", "dict", "encoding"],
)
def test_the_targets_move_on_by_one_sample(batch: Any, target: Any) -> None:
    other = with_other_targets(batch, known=False)
    assert type(other) is type(batch)
    assert torch.as_tensor(other[target]).tolist() == ROTATED
    assert torch.as_tensor(batch[target]).tolist() == [1, 2, 3]
    inputs = 1 - target if isinstance(target, int) else "x"
    assert other[inputs] is batch[inputs]


@pytest.mark.parametrize(
    "batch",
    [X, (X, X, Y), (X[:1], Y[:1]), (X, 1.0), {"x": X}, {"y": Y, "label": Y}, (X, torch.tensor(1.0))],
    ids=["tensor", "three parts", "one sample", "a number", "no target", "two targets", "a scalar"],
)
def test_without_known_targets_there_are_no_others(batch: Any) -> None:
    assert with_other_targets(batch, known=False) is None


def test_the_default_step_takes_the_last_of_several_parts_as_the_target() -> None:
    other = with_other_targets((X, X, Y), known=True)
    assert other is not None
    assert other[2].tolist() == ROTATED
