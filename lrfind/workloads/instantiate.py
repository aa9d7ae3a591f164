"""From a `_target_` node of a config to the object that it describes, by Hydra."""

from __future__ import annotations

from typing import Any

import hydra.errors
import hydra.utils

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
            return hydra.utils.instantiate({"_convert_": "all", **node}, *arguments)
        except hydra.errors.InstantiationException as error:
            raise error.__cause__ or error  # noqa: B904 - Hydra's wrapper only repeats what the user's code said
