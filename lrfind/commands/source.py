"""The records and curves that a command is given: files, or `-` for stdin."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lrfind.errors import ConfigError, Fault, RecordError

if TYPE_CHECKING:
    from lrfind.history import Tool
    from lrfind.record import Result

STDIN = "-"
MOST_BYTES = 100 * 2**20
"""No record comes near; what does is another file."""


@dataclass(frozen=True)
class Source:
    """A record or curve that was read.

    Attributes:
        result: What it holds.
        name: What it is called among others: the file's name without its suffixes.
        folder: Where the file lies; the current folder for stdin.
    """

    result: Result
    name: str
    folder: Path


def load(place: str, tool: Tool | None = None, *, after_update: bool = False) -> Source:
    """Read the record or curve at `place`.

    The arguments and errors beyond `place` are those of `lrfind.reread.read`.
    """
    from lrfind.reread import read

    path = Path("stdin" if place == STDIN else place)
    text = _text(_bytes(place), path)
    result = read(text, path.name, tool, after_update=after_update)
    return Source(result, _stem(path), Path() if place == STDIN else path.parent)


def load_all(places: Sequence[str]) -> list[Source]:
    """Read several, as `load` does; stdin can be one of them."""
    if places.count(STDIN) > 1:
        raise ConfigError(STDIN, [Fault("", "stdin can be read but once; name it once")])
    return [load(place) for place in places]


def _bytes(place: str) -> bytes:
    try:
        if place == STDIN:
            return sys.stdin.buffer.read(MOST_BYTES + 1)
        with Path(place).open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise RecordError(f"{place}: no such file; `lrfind run` writes records as CONFIG.lrfind.json") from error
    except IsADirectoryError as error:
        raise RecordError(f"{place}: expected a file, got a folder; name the record in it") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise RecordError(f"{place}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _text(data: bytes, path: Path) -> str:
    if len(data) > MOST_BYTES:
        raise RecordError(f"{path}: expected a record or a table of lr and loss, got more than 100 MB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise RecordError(f"{path}: expected text in UTF-8 (JSON or CSV), got binary data")
    return text


def _stem(path: Path) -> str:
    return path.name.removesuffix(".json").removesuffix(".lrfind") if path.suffix == ".json" else path.stem
