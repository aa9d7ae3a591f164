"""From a `_target_` node of a config to the object that it describes, by Hydra."""

from __future__ import annotations

import copy
from typing import Any

import hydra.errors
import hydra.utils

from lrfind.config.targets import is_object, resolve
from lrfind.errors import Fault, UserCodeError, user_code


def called_later(key: str, node: dict[str, Any]) -> Any:
    """Return what a node makes, something that lrfind calls itself.

    Raises:
        UserCodeError: The target raises, or makes something that cannot be called.
    """
    built = instantiate(key, node)
    if not callable(built):
        fix = f"for a function {node['_target_']} add _partial_: true"
        raise UserCodeError(Fault(key, expected="something to call", got=type(built).__name__, fix=fix))
    return built


def instantiate(key: str, node: dict[str, Any], *arguments: Any) -> Any:
    """Return what a node makes, called with further arguments.

    Raises:
        UserCodeError: The target raises.
    """
    with user_code(f"building {node['_target_']}", key=key):
        try:
            return hydra.utils.instantiate({"_convert_": "all", **_objects_named(key, node)}, *arguments)
        except hydra.errors.InstantiationException as error:
            raise error.__cause__ or error  # noqa: B904 - Hydra's wrapper only repeats what the user's code said


def _objects_named(key: str, node: Any) -> Any:
    """Return a node in which those that mean an object that is there already get it, instead of a call of it."""
    if isinstance(node, list):
        return [_objects_named(key, each) for each in node]
    if not isinstance(node, dict):
        return node
    target = node.get("_target_")
    if isinstance(target, str) and key != "optimizer" and is_object(node, resolve(target, key)):
        # Every training starts with a model of its own; data may be too large to copy.
        get = hydra.utils.get_object if key.startswith("data") else copied_object
        return {"_target_": f"{get.__module__}.{get.__qualname__}", "path": target}
    return {name: _objects_named(f"{key}.{name}", value) for name, value in node.items()}


def copied_object(path: str) -> Any:
    """Return a copy of the object at a dotted path."""
    return copy.deepcopy(hydra.utils.get_object(path))
