"""Paths in a config: relative to its folder first, then to the working directory."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECTIONS = ("model", "data", "loss", "optimizer", "step")
"""Sections whose nodes may name files and folders."""
_NAMES = re.compile(r"(^|_)(root|path|dir|file|folder|filename|directory)s?$")
"""Arguments that are paths also if they look like words."""


def with_paths(document: dict[Any, Any], place: Callable[[str], str]) -> dict[Any, Any]:
    """Return a document in which each text of a node that may be a path is what `place` makes of it."""
    placed = {name: _placed(document[name], "", place) for name in SECTIONS if name in document}
    return {name: placed.get(name, value) for name, value in document.items()}


def _placed(value: Any, name: str, place: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: each if key == "_target_" else _placed(each, str(key), place) for key, each in value.items()}
    if isinstance(value, list):
        return [_placed(each, name, place) for each in value]
    is_path = isinstance(value, str) and ("/" in value or Path(value).suffix or _NAMES.search(name))
    return place(value) if is_path else value


def beside(folder: Path) -> Callable[[str], str]:
    """Return what makes of a relative path the one in a folder, if there is something; others stay as they are."""

    def place(given: str) -> str:
        there = folder / given
        try:
            return str(there) if given and not Path(given).is_absolute() and there.exists() else given
        except (OSError, ValueError):  # no path at all
            return given

    return place


def paths_beside(document: Any, folder: Path) -> list[str]:
    """Return the relative paths in a document that name something in a folder."""
    found: list[str] = []
    place = beside(folder)

    def collect(given: str) -> str:
        found.extend([given] if place(given) != given else [])
        return given

    with_paths(document, collect)
    return found
