"""What the `_target_` nodes of a config name: classes and functions to call, or objects that are there already."""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

from lrfind.errors import EXTRAS, how_to_install, user_code

HYDRA_VALUES: Mapping[str, tuple[Any, ...]] = {
    **dict.fromkeys(("_partial_", "_recursive_"), (True, False)),
    "_convert_": ("none", "partial", "object", "all"),
}
"""What the keys of a node that steer Hydra's `instantiate` may be."""
HYDRA_KEYS = ("_target_", "_args_", *HYDRA_VALUES)
"""Keys that are no arguments."""
CALLED_LATER = ("step", "loss", "data.collate_fn", "data.worker_init_fn")
"""Nodes whose objects lrfind, or a DataLoader, calls itself."""
FUNCTIONS = ("transform", "transforms", "target_transform", "collate_fn", "worker_init_fn")
"""Arguments whose text is the dotted path of what is to be called, as in `transform: my_module.augment`."""


def resolve(path: str, key: str) -> Any:
    """Return the object at a dotted path, such as `torch.optim.SGD` or `my_module.Net.from_file`.

    Args:
        path: The dotted path.
        key: The config key that names it, for the message when a module raises.

    Raises:
        LookupError: The module or attribute does not exist; the message names the nearest one.
        UserCodeError: A module raises as it is imported.
    """
    parts = path.split(".")
    if not all(part.isidentifier() for part in parts):
        raise LookupError(f"expected a dotted path such as torch.optim.SGD, got {path!r}")
    target: Any = None
    for depth, part in enumerate(parts):
        prefix = ".".join(parts[: depth + 1])
        if target is not None and hasattr(target, part):
            target = getattr(target, part)
        elif (target is None or inspect.ismodule(target)) and _is_module(prefix):
            with user_code(f"importing {prefix}", key=key):
                target = importlib.import_module(prefix)
        else:
            raise LookupError(_not_found(target, part, ".".join(parts[:depth])))
    return target


def _is_module(path: str) -> bool:
    try:
        return importlib.util.find_spec(path) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def _not_found(parent: Any, name: str, parent_path: str) -> str:
    if name in EXTRAS and parent is None:
        return f"{name} does not come with lrfind: {how_to_install(name)}"
    if parent is None:
        return f"there is no module {name}; install it, or put {name}.py beside the config"
    known = [known for known in dir(parent) if not known.startswith("_")]
    if hasattr(parent, "__path__"):
        known += [module.name for module in pkgutil.iter_modules(parent.__path__)]
    near = difflib.get_close_matches(name, known, n=1)
    return f"{parent_path} has no {name}" + (f"; did you mean {parent_path}.{near[0]}?" if near else "")


def target_nodes(document: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every `_target_` node that Hydra will build, with its key path, outer nodes first."""
    if isinstance(document, dict):
        if "_target_" in document:
            yield path, document
        if document.get("_recursive_", True):
            for key, value in document.items():
                yield from target_nodes(value, f"{path}.{key}" if path else str(key))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from target_nodes(value, f"{path}[{index}]")


def is_object(node: Mapping[str, Any], target: Any) -> bool:
    """Tell whether a node means the object itself that its target is, such as a DataLoader that a module has made.

    Classes, functions, and what else can be called with the arguments beside it, are called.
    """
    if inspect.isclass(target) or inspect.isroutine(target) or isinstance(target, functools.partial):
        return False
    if any(name not in HYDRA_KEYS for name in node) or node.get("_args_"):
        return not callable(target)
    if not callable(target) or hasattr(target, "forward"):  # a torch module seems to take anything
        return True
    try:
        inspect.signature(target).bind()
    except (TypeError, ValueError):
        return True
    return False


def name_functions(document: Any, path: str = "") -> None:
    """Make nodes of the texts in a document that name what is to be called; change it in place.

    A function stands for itself then (`_partial_`), as does one that is called later, with arguments that it needs; a
    class is called.
    """
    items: Any = enumerate(document) if isinstance(document, list) else ()
    for key, value in document.items() if isinstance(document, dict) else items:
        place = f"{path}.{key}" if path else str(key)
        if key in FUNCTIONS and isinstance(value, str) and _names_something(value):
            document[key] = value = {"_target_": value, "_partial_": True}
            _decide_partial(value, place)
        elif place in CALLED_LATER and isinstance(value, dict):
            _decide_partial(value, place)
        name_functions(value, place)


def _names_something(path: str) -> bool:
    module, *rest = path.split(".")
    return bool(rest) and path.replace(".", "").isidentifier() and _is_module(module)


def _decide_partial(node: dict[str, Any], key: str) -> None:
    try:
        target = resolve(node.get("_target_", ""), key)
    except (LookupError, AttributeError):  # which the check of the node reports
        return
    if inspect.isclass(target) and node.get("_partial_"):
        del node["_partial_"]
    elif inspect.isroutine(target) and "_partial_" not in node and _needs_more(target, node):
        node["_partial_"] = True


def _needs_more(function: Any, node: Mapping[str, Any]) -> bool:
    """Tell whether a function has arguments that a node does not give."""
    arguments = {key: value for key, value in node.items() if key not in HYDRA_KEYS}
    try:
        inspect.signature(function).bind(*node.get("_args_", ()), **arguments)
    except TypeError as error:
        return "missing a required" in str(error)
    except ValueError:
        return False
    return False
