"""Names and titles: told apart, and in one line."""

from __future__ import annotations

import itertools
from collections.abc import Sequence


def unique(places: Sequence[tuple[str, str]]) -> list[str]:
    """Return a name for each (folder, name): the name alone if it is the only one of its kind.

    What the folder does not tell apart either is numbered.
    """
    names = [name for _, name in places]
    longer = [f"{folder}/{name}" if names.count(name) > 1 and folder else name for folder, name in places]
    counts = {name: itertools.count(1) for name in longer}
    return [f"{name} #{next(counts[name])}" if longer.count(name) > 1 else name for name in longer]


def printable(text: str) -> str:
    """Return `text` on one line, with a space for each character that cannot be printed."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
