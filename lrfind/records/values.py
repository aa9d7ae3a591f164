"""The types of the values in a record. Pydantic checks them; without pydantic they cost nothing."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Le

from lrfind.errors import Fault, short
from lrfind.errors.fault import MisfitError

LEAST_LR, MOST_LR = 1e-100, 1e100
"""Limits of all trainings; beyond them, products and quotients of learning rates leave the range of a float."""

MOST_LOSS = 1e150
"""The squares of larger losses are not finite. They count as not finite themselves."""


class Described:
    """Lets the JSON Schema take the descriptions of fields from a dataclass."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"use_attribute_docstrings": True}


@dataclass(frozen=True)
class Checked:
    """Marks a value of a record with a check.

    Attributes:
        expected: What a value must be, in words.
        holds: Tells whether a value of JSON passes.
        absent: The value of null; None if null does not pass.
    """

    expected: str
    holds: Callable[[Any], bool]
    absent: float | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> dict[str, Any]:
        """Return pydantic's schema of the value behind the check, in the plain form that pydantic takes."""
        before = {"type": "no-info", "function": self._checked}
        return {"type": "function-before", "function": before, "schema": handler(source)}

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        """Return the JSON Schema of the value, which null may stand for."""
        schema: dict[str, Any] = handler(core)
        return schema if self.absent is None else {"anyOf": [schema, {"type": "null"}]}

    def _checked(self, value: Any) -> Any:
        if self.absent is not None and (value is None or (is_number(value) and abs(value) > MOST_LOSS)):
            return self.absent
        if not self.holds(value):
            raise MisfitError(Fault(expected=self.expected, got=short(value)))
        return value


def is_number(value: Any) -> bool:
    """Tell whether a value is a number that a finite float can hold; JSON may write one with any number of digits."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def is_whole(value: Any, least: int) -> bool:
    """Tell whether a value is a whole number of at least `least` that can count something."""
    return type(value) is int and least <= value < sys.maxsize


def is_lr(value: Any) -> bool:
    """Tell whether a value is a learning rate of a training."""
    return is_number(value) and LEAST_LR <= value <= MOST_LR


Number = Annotated[float, Checked("a number", is_number)]
Loss = Annotated[float, Checked("a number or null", is_number, absent=math.nan)]
"""A loss; null, for one that is not finite, is read as NaN, as is one whose square is not finite."""
LearningRate = Annotated[float, Gt(0), Checked("a learning rate above 0", is_lr)]
Amount = Annotated[float, Ge(0), Checked("a number, 0 or above", lambda value: is_number(value) and value >= 0)]
Updates = Annotated[float, Ge(1), Checked("a number of at least 1", lambda value: is_number(value) and value >= 1)]
Share = Annotated[float, Ge(0), Le(1), Checked("0 to 1", lambda value: is_number(value) and 0 <= value <= 1)]
Count = Annotated[int, Ge(1), Checked("a whole number above 0", lambda value: is_whole(value, 1))]
Natural = Annotated[int, Ge(0), Checked("a whole number, 0 or above", lambda value: is_whole(value, 0))]
Seed = Natural
Text = Annotated[str, Checked("a text", lambda value: isinstance(value, str))]
Name = Annotated[str, Checked("a text without NUL", lambda value: isinstance(value, str) and "\0" not in value)]
"""What a file or a process can be called, or be given as an argument."""
Flag = Annotated[bool, Checked("true or false", lambda value: isinstance(value, bool))]


def not_rising(lrs: Sequence[float]) -> Fault | None:
    """Return what is wrong with learning rates that do not rise; None if they do."""
    before = 0.0
    for number, lr in enumerate(lrs, 1):
        if not (before < lr and is_lr(lr)):
            got = f"{lr:g}{f' after {before:g}' if before else ''} as number {number}"
            expected = "learning rates above 0 that rise from one to the next"
            return Fault(expected=expected, got=got, fix="keep the rows of one sweep, in its order")
        before = lr
    return None
