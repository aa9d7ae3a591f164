"""What a function or an object of the user's reaches: closures, global names, attributes, methods."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CellType, CodeType, FunctionType
from typing import Any

import lrfind
from lrfind.errors.user_code import INSTALLED

_LIBRARIES = (*INSTALLED, f"{Path(lrfind.__file__).parent}/", "<frozen ")
CALLED = ("__call__", "forward", "training_step")
"""Methods by which an object or a module takes part in a training step."""


def is_users(value: Any) -> bool:
    """Tell whether a function, or the class of an object, is neither of Python, nor of an installed package."""
    if isinstance(value, FunctionType):
        file: Any = value.__code__.co_filename
    else:
        module = sys.modules.get(type(value).__module__)
        file = getattr(module, "__file__", None) or ("" if type(value).__module__ == "__main__" else "<frozen ")
    return not str(file).startswith(_LIBRARIES)


def cells(function: FunctionType) -> Iterator[tuple[str, CellType]]:
    """Yield the variables that a function shares with the one around it, as far as they hold something."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            _ = cell.cell_contents
        except ValueError:  # it is empty
            continue
        yield name, cell


def globals_of(function: FunctionType) -> dict[str, Any]:
    """Return the global variables that a function names, without modules and classes."""
    names = set(_names(function.__code__))
    return {
        name: value
        for name, value in function.__globals__.items()
        if name in names and not inspect.ismodule(value) and not inspect.isclass(value)
    }


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def methods(value: Any) -> Iterator[FunctionType]:
    """Yield the methods of the user's by which an object takes part in a training step."""
    for name in CALLED:
        method = inspect.getattr_static(type(value), name, None)
        if isinstance(method, FunctionType) and is_users(method):
            yield method
