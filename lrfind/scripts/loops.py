"""How often a line of a script runs, as far as the loops around it show: `for epoch in range(args.epochs)` and such.

Nothing of the script is run for this: names, attributes, constants and their arithmetic are read, and lengths.
"""

from __future__ import annotations

import ast
import linecache
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import FrameType
from typing import Any

OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {"len": len, "int": int, "min": min, "max": max, "round": round}
RANGES = ("range", "trange")

PASSING = (
    *("enumerate", "zip", "list", "tuple", "iter", "sorted", "reversed"),
    *("tqdm", "track", "progress_bar", "master_bar", "log_every"),  # the last of torchvision's references
)
"""Functions that yield as many items as their first argument has."""


class _Unknown(Exception):  # noqa: N818 - an answer, not a fault
    """A value cannot be told without running code."""


def repetitions(stack: Iterable[FrameType]) -> int | None:
    """Return how often the current line of the innermost frame will have run at the end; None if that does not show.

    Args:
        stack: Frames of the user's own code, the innermost first. Functions called within loops count those.
    """
    total = 1
    found = False
    try:
        for frame in stack:
            for loop in _loops_around(frame):
                total *= _turns(loop, frame)
                found = True
    except _Unknown:
        return None
    return total if found and total > 0 else None


@lru_cache(maxsize=32)
def _tree(file: str) -> ast.Module | None:
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return None


def _loops_around(frame: FrameType) -> Iterator[ast.For | ast.While]:
    """Yield the loops whose bodies hold the current line of a frame, in its own function."""
    tree, line = _tree(frame.f_code.co_filename), frame.f_lineno
    if tree is None:
        raise _Unknown
    body: Sequence[ast.AST] = tree.body
    loops: list[ast.For | ast.While] = []
    while (node := next((each for each in body if _holds(each, line)), None)) is not None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            loops = []  # those around a definition do not repeat what is defined
        elif isinstance(node, (ast.For, ast.While)) and any(_holds(each, line) for each in node.body):
            loops.append(node)
        body = list(ast.iter_child_nodes(node))
    yield from loops


def _holds(node: ast.AST, line: int) -> bool:
    if not hasattr(node, "lineno"):  # such as the arms of a match
        return any(_holds(each, line) for each in ast.iter_child_nodes(node))
    return bool(node.lineno <= line <= (getattr(node, "end_lineno", None) or node.lineno))


def _turns(loop: ast.For | ast.While, frame: FrameType) -> int:
    if _breaks(loop.body):
        return 1
    if isinstance(loop, ast.While):
        raise _Unknown
    return _length(loop.iter, frame)


def _breaks(body: Sequence[ast.stmt]) -> bool:
    """Tell whether a loop ends with its first turn: it breaks without a condition, as where attempts are made."""
    return any(isinstance(each, ast.Break) or (isinstance(each, ast.Try) and _breaks(each.body)) for each in body)


def _length(node: ast.expr, frame: FrameType) -> int:
    """Return the number of items that an expression yields; some calls yield those of their first argument."""
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if not node.args:
            raise _Unknown
        if name in RANGES:
            return len(range(*(int(_value(each, frame)) for each in node.args)))
        if name not in PASSING:
            raise _Unknown
        return _length(node.args[0], frame)
    value = _value(node, frame)
    try:
        return len(value)
    except Exception as error:  # of whatever class the script has there
        raise _Unknown from error


def _value(node: ast.expr, frame: FrameType) -> Any:
    """Return the value of an expression, as far as it can be read."""
    try:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return frame.f_locals[node.id] if node.id in frame.f_locals else frame.f_globals[node.id]
        if isinstance(node, ast.Attribute):
            return getattr(_value(node.value, frame), node.attr)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            return _value(node.value, frame)[node.slice.value]
        if isinstance(node, ast.BinOp):
            return OPERATORS[type(node.op)](_value(node.left, frame), _value(node.right, frame))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return FUNCTIONS[node.func.id](*(_value(each, frame) for each in node.args))
    except _Unknown:
        raise
    except Exception as error:  # a missing name, or whatever an attribute of the script raises
        raise _Unknown from error
    raise _Unknown
