"""The nodes of a config as Python expressions, and the imports that these need.

A record is data, which must not write code of its own: names are checked, and values are written as literals.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
from collections.abc import Mapping
from typing import Any

from lrfind.errors import Fault, RecordError, short

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
_STEERING = ("_target_", "_partial_", "_args_", "_convert_", "_recursive_")
_LOOP = {"batch", "batches", "device", "group", "lr", "numbers", "scale", "scaler", "total", "validate", "warmup"}
_TAKEN = _LOOP | {
    *("EPOCHS", "ACCUMULATE", "GROUPS", "configure", "cooldown", "keep_fixed_lrs", "loss", "model", "moved", "name"),
    *("optimizer", "parameter", "parameter_groups", "re", "scheduler", "self", "settings", "torch", "train", "value"),
}
"""Names of the printed module, which no import may take."""
_FUNCTIONS = {"model", "loss", "sum", "vars", "getattr"}
_METHODS = {"items", "values"}
_NAMES = _FUNCTIONS | {"batch", "name", "value"}
_SYNTAX = (
    *(ast.Expression, ast.Call, ast.Name, ast.expr_context, ast.Attribute, ast.Subscript, ast.Slice, ast.Constant),
    *(ast.List, ast.Tuple, ast.Starred, ast.keyword, ast.DictComp, ast.GeneratorExp, ast.comprehension),
    *(ast.Compare, ast.NotEq),
)


class Imports:
    """The imports of a module that is being written."""

    def __init__(self) -> None:
        self._modules: set[str] = set()
        self._names: dict[str, tuple[str, str]] = {}

    def module(self, name: str) -> str:
        """Import a module, and return its name."""
        self._modules.add(name)
        return name

    def name(self, target: str, key: str = "") -> str:
        """Import what a dotted path names, and return what it is called.

        Raises:
            RecordError: It is no dotted path; `key` says where it stands.
        """
        parts = target.split(".")
        if not _DOTTED.fullmatch(target) or any(map(keyword.iskeyword, parts)):
            raise RecordError(Fault(key, expected="the dotted path of a class or function", got=short(target)))
        # A class comes from a module; what stands behind it is an attribute of it.
        last = next((i for i, part in enumerate(parts) if i and part[0].isupper()), len(parts) - 1)
        origin = ".".join(parts[:last]), parts[last]
        local = parts[last]
        while local in _TAKEN or self._names.get(local, origin) != origin:
            local = f"own_{local}"
        self._names[local] = origin
        return ".".join((local, *parts[last + 1 :]))

    def lines(self) -> list[str]:
        """Return the lines of the imports, in order."""
        by_module: dict[str, list[str]] = {}
        for local, (module, name) in sorted(self._names.items(), key=lambda item: item[1]):
            by_module.setdefault(module, []).append(name if local == name else f"{name} as {local}")
        whole = [f"import {name}" for name in sorted(self._modules)]
        return whole + [f"from {module} import {', '.join(names)}" for module, names in sorted(by_module.items())]


def call(node: Mapping[str, Any], imports: Imports, key: str, *first: str, **extra: Any) -> str:
    """Return the call that Hydra makes of a `_target_` node.

    Args:
        node: The node.
        imports: Takes its imports.
        key: Where it stands in the config, for error messages.
        first: Expressions of positional arguments.
        extra: Further arguments, before those of the node.
    """
    called = imports.name(str(node.get("_target_")), f"{key}._target_")
    recursive = bool(node.get("_recursive_", True))
    given = {name: value for name, value in node.items() if name not in _STEERING}
    positional = node.get("_args_") or []
    arguments = [
        *first,
        *(expression(value, imports, f"{key}._args_", recursive=recursive) for value in positional),
        *keywords({**extra, **given}, imports, key, recursive=recursive),
    ]
    if node.get("_partial_") and not first:
        return f"{imports.name('functools.partial')}({', '.join((called, *arguments))})" if arguments else called
    return f"{called}({', '.join(arguments)})"


def keywords(arguments: Mapping[str, Any], imports: Imports, key: str = "", *, recursive: bool = True) -> list[str]:
    """Return keyword arguments as Python.

    Raises:
        RecordError: A name cannot be one.
    """
    for name in arguments:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise RecordError(Fault(f"{key}.{name}", expected="the name of an argument", got=short(name)))
    return [
        f"{name}={expression(value, imports, f'{key}.{name}', recursive=recursive)}"
        for name, value in arguments.items()
    ]


def expression(value: Any, imports: Imports, key: str = "", *, recursive: bool = True) -> str:
    """Return a value of a config as Python; a sequence of numbers is a tuple, such as betas."""
    if isinstance(value, Mapping):
        if recursive and "_target_" in value:
            return call(value, imports, key)
        items = (
            f"{str(name)!r}: {expression(item, imports, key, recursive=recursive)}" for name, item in value.items()
        )
        return f"{{{', '.join(items)}}}"
    if isinstance(value, (list, tuple)):
        listed = ", ".join(expression(item, imports, key, recursive=recursive) for item in value)
        if any(isinstance(item, float) for item in value):
            return f"({listed}{',' * (len(value) == 1)})"
        return f"[{listed}]"
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    return repr(value)


def checked_loss(code: str) -> str:
    """Return the expression of a loss, if it calls nothing but the model and the loss.

    Raises:
        RecordError: It is something else.
    """
    try:
        nodes = list(ast.walk(ast.parse(code, mode="eval")))
    except (SyntaxError, ValueError, RecursionError):
        nodes = [ast.Pass()]
    if "\n" in code or not all(isinstance(node, _SYNTAX) and _harmless(node) for node in nodes):
        raise RecordError(Fault("loop.loss", expected="the loss of a mini-batch as Python", got=short(code)))
    return code


def _harmless(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _NAMES
    if isinstance(node, ast.Attribute):
        return not node.attr.startswith("_")
    if isinstance(node, ast.Call):
        function = node.func
        return (isinstance(function, ast.Name) and function.id in _FUNCTIONS) or (
            isinstance(function, ast.Attribute) and function.attr in _METHODS
        )
    return True
