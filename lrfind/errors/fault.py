"""Faults and notes: facts, from which a sentence is made for each audience."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lrfind.errors.legible import shown
from lrfind.errors.setting_names import CONFIG, Words


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        key: The setting at fault, by its config key, or a command-line flag; "" if it is none of them.
        expected: What would be right, such as "a number above 0". It may name settings, as `fix` may.
        got: The value that was given, literally.
        fix: What to do about it; `$num_iter` names a setting in the words of who reads it (`Words.fill`).
        docs: The page below `docs/` that helps, with its section: "config.md#parameter-groups".
        problem: What is wrong, literally, if "expected ..., got ..." does not say it.
    """

    key: str = ""
    expected: str = ""
    got: str = ""
    fix: str = ""
    docs: str = ""
    problem: str = ""

    def render(self, words: Words = CONFIG) -> str:
        """Return the fault as a sentence for an audience, legible whatever was given."""
        name = words.name(self.key)
        problem = self.problem or ", ".join(
            f"{label} {text}" for label, text in (("expected", words.fill(self.expected)), ("got", self.got)) if text
        )
        text = "; ".join(part for part in (problem, words.fill(self.fix)) if part)
        return shown(f"{name}: {text}" if name else text)

    def __str__(self) -> str:
        return self.render()


class MisfitError(ValueError):
    """A value is not as expected, or two values do not go together. The caller that knows the source catches it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class Level(enum.Enum):
    """How much a note matters."""

    INFO = "info"
    """Worth knowing."""
    WARNING = "warning"
    """The answer may not be that of the training meant."""


@dataclass(frozen=True)
class Note:
    """Something worth knowing about a run that is no fault.

    Attributes:
        text: A sentence; `$num_iter` names a setting, as in `Fault.fix`.
        level: How much it matters.
        literal: Follows the text unchanged, such as names from the user's model.
    """

    text: str
    level: Level = Level.INFO
    literal: str = ""

    def render(self, words: Words = CONFIG) -> str:
        """Return the note as a sentence for an audience."""
        return words.fill(self.text) + shown(self.literal)

    def __str__(self) -> str:
        return self.render()


def some(names: Sequence[str], most: int = 5) -> str:
    """Return the first names of a list, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return a question that offers the known name nearest to a misspelt one; `otherwise` if none is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else otherwise


def short(value: Any) -> str:
    """Return a value as text of at most 80 characters."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # ValueError: of a whole number with thousands of digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def first_line(error: BaseException) -> str:
    """Return the first line of the message of an error."""
    return str(error).strip().partition("\n")[0]
