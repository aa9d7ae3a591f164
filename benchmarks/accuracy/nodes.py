"""Nodes of a config that many tasks share."""

from __future__ import annotations

from typing import Any

from accuracy.task import Node


def model(name: str, **more: Any) -> Node:
    """Return the node of a network, or of a loss, in `accuracy.models`."""
    return {"_target_": f"accuracy.models.{name}", **more}


def mlp(*sizes: int, **more: Any) -> Node:
    """Return the node of a fully connected network."""
    return model("mlp", sizes=list(sizes), **more)


def optimizer(name: str, **more: Any) -> Node:
    """Return the node of an optimizer of torch."""
    return {"_target_": f"torch.optim.{name}", **more}


def loss(name: str, **more: Any) -> Node:
    """Return the node of a loss of torch."""
    return {"_target_": f"torch.nn.{name}", **more}


MSE = loss("MSELoss")
SGD, ADAM = optimizer("SGD"), optimizer("Adam")
MOMENTUM = optimizer("SGD", momentum=0.9)
WEIGHT_DECAY = {"weight_decay": 5e-4}
NESTEROV = MOMENTUM | WEIGHT_DECAY | {"nesterov": True}
