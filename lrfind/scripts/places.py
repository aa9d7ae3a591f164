"""Places in the user's code: where an optimizer was made, where a loss goes backward, and what it is called."""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType

import torch

import lrfind
from lrfind.errors.user_code import INSTALLED

_NOT_SHOWN = tuple(f"{Path(str(package.__file__)).parent}/" for package in (torch, lrfind))


@dataclass(frozen=True)
class Place:
    """A line of code.

    Attributes:
        file: Its file.
        line: Its number, from 1.
        through: The library that stands between it and what happened there, such as `transformers`; "" if none does.
    """

    file: str
    line: int
    through: str = ""


def frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames of a call stack, the innermost first, without those of lrfind, torch and Python's loader."""
    while frame is not None:
        if is_shown(frame.f_code):
            yield frame
        frame = frame.f_back


def is_shown(code: CodeType) -> bool:
    """Tell whether code is neither of lrfind nor of torch."""
    return not code.co_filename.startswith((*_NOT_SHOWN, "<frozen "))


def is_users(code: CodeType) -> bool:
    """Tell whether code is in no installed package."""
    return is_shown(code) and not code.co_filename.startswith(INSTALLED)


def place_of(frame: FrameType | None) -> Place:
    """Return the innermost line of the user's own code; that of a library if there is no other."""
    shown = list(frames(frame))
    own = next((each for each in shown if is_users(each.f_code)), shown[0] if shown else None)
    if own is None:
        return Place("", 0)
    through = "" if own is shown[0] else str(shown[0].f_globals.get("__name__", "")).partition(".")[0]
    return Place(own.f_code.co_filename, own.f_lineno, through)


class Site:
    """A line of code where something is called, one object for each: equal only to itself, as code is slow to hash.

    Attributes:
        file: Its file, "" if it is not known.
        line: Its number, from 1.
    """

    __slots__ = ("file", "line")

    def __init__(self, file: str, line: int) -> None:
        self.file, self.line = file, line


class Sites:
    """Tells the places of a call apart, at the cost of a few look-ups for each call."""

    def __init__(self) -> None:
        self._kinds: dict[int, tuple[CodeType, bool, bool]] = {}
        """By the `id` of code: the code, which keeps that id taken, and whether it is shown, and the user's."""
        self._at: dict[tuple[int, int], Site] = {}
        """By the `id` of code and the place of an instruction, which costs less than its line."""
        self._sites: dict[tuple[int, int], Site] = {}
        """By the `id` of code and the line."""

    def of(self, frame: FrameType | None) -> Site:
        """Return the line of the innermost frame of the user's code; that of a library if there is none."""
        shown: FrameType | None = None
        while frame is not None:
            code = frame.f_code
            kind = self._kinds.get(id(code))
            if kind is None:
                kind = self._kinds[id(code)] = (code, is_shown(code), is_users(code))
            if kind[2]:
                return self._at.get((id(code), frame.f_lasti)) or self._site(frame)
            if shown is None and kind[1]:
                shown = frame
            frame = frame.f_back
        return self._site(shown)

    def _site(self, frame: FrameType | None) -> Site:
        if frame is None:
            return self._sites.setdefault((0, 0), Site("", 0))
        code, line = frame.f_code, frame.f_lineno
        site = self._sites.setdefault((id(code), line), Site(code.co_filename, line))
        self._at[id(code), frame.f_lasti] = site
        return site


def loss_name(file: str, line: int) -> str:
    """Return what the code calls the loss that it propagates backward on a line: `loss` of `loss.backward()`.

    `(loss / 4).backward()` and `scaler.scale(loss).backward()` are named after what is divided or scaled, and
    `f(x).backward()` after the function. Where no name shows, it is the number of the line.
    """
    text = linecache.getline(file, line).strip()
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return f"line {line}"
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr.endswith("backward"):
            named = call.args[0] if call.args else call.func.value
            return ast.unparse(_innermost(named))
    return f"line {line}"


def _innermost(node: ast.expr) -> ast.expr:
    while True:
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Mult)):
            node = node.left if not isinstance(node.left, ast.Constant) else node.right
        elif not isinstance(node, ast.Call):
            return node
        elif not node.args and isinstance(node.func, ast.Attribute):  # loss.mean()
            node = node.func.value
        elif getattr(node.func, "attr", "") == "scale":
            node = node.args[0]
        else:
            return node.func


def caller() -> FrameType | None:
    """Return the frame of who called the caller."""
    return sys._getframe(2)
