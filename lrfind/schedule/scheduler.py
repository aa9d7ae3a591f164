"""A scheduler of PyTorch set up for a training: what to build, and the learning rate of each update."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MODULE = "torch.optim.lr_scheduler"


@dataclass(frozen=True)
class Length:
    """How long a training is: `epochs` times `steps` updates of the weights."""

    epochs: int
    steps: int

    @property
    def total(self) -> int:
        """All updates."""
        return self.epochs * self.steps


@dataclass(frozen=True)
class Node:
    """A scheduler to be built.

    Attributes:
        name: Its class in `MODULE`.
        arguments: Its arguments beside the optimizer, nodes among them.
        code: As Python, those that depend on `total`, the updates of the training, and on `Scheduler.names`.
    """

    name: str
    arguments: dict[str, Any]
    code: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scheduler:
    """A scheduler set up for a training.

    Attributes:
        node: What to build.
        per: After what `step()` is called.
        lr: The learning rate that the optimizer is built with.
        at: The learning rate of an update, by its index from 0.
        names: Numbers that the code of the node names, as Python of `total`.
    """

    node: Node
    per: Literal["update", "epoch"]
    lr: float
    at: Callable[[int], float]
    names: Mapping[str, str] = field(default_factory=dict)
