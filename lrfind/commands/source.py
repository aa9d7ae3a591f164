"""The records and curves that a command is given: files, or `-` for stdin."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lrfind.commands.streams import tell
from lrfind.errors import ConfigError, Fault, RecordError
from lrfind.reread import read, read_text

if TYPE_CHECKING:
    from lrfind.history import Tool
    from lrfind.record import Result

STDIN = "-"


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
    path, texts = _read(place)
    if len(texts) > 1:
        raise RecordError(f"{path}: expected one record, got {len(texts)}, a line each; take one, as with `sed -n 1p`")
    if problem := _failure(texts[0]):
        raise RecordError(f"{path}: holds no record, as the run failed: {problem}")
    return _source(texts[0], path, place, tool, after_update=after_update)


def load_all(places: Sequence[str]) -> list[Source]:
    """Read several, as `load` does, and all records of JSON Lines; stdin can be one of them.

    Of JSON Lines, runs that failed are named on stderr and left out.
    """
    if places.count(STDIN) > 1:
        raise ConfigError(STDIN, [Fault("", "stdin can be read but once; name it once")])
    return [source for place in places for source in _load_lines(place)]


def _load_lines(place: str) -> Iterator[Source]:
    path, texts = _read(place)
    problems = [_failure(text) for text in texts]
    if all(problems):
        raise RecordError(f"{path}: holds no record, as the run failed: {problems[0]}")
    for text, problem in zip(texts, problems, strict=True):
        if problem:
            tell(f"lrfind: {path}: left out, as the run failed: {problem.splitlines()[0]}")
        else:
            source = _source(text, path, place)
            named = source.result.source if len(texts) > 1 else None
            yield replace(source, name=Path(named).stem) if named else source


def _read(place: str) -> tuple[Path, list[str]]:
    """Return what a place is called, and what it holds: one text, or the lines of JSON Lines."""
    path = Path("stdin" if place == STDIN else place)
    text = read_text(str(path), sys.stdin.buffer if place == STDIN else None)
    lines = [line for line in text.split("\n") if line.strip()]
    return path, lines if lines and all(line.startswith('{"schema"') for line in lines) else [text]


def _failure(text: str) -> str | None:
    """Return what went wrong, if a text stands for a run that failed."""
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("status") != "failed":
        return None
    return str(document.get("message"))


def _source(text: str, path: Path, place: str, tool: Tool | None = None, *, after_update: bool = False) -> Source:
    result = read(text, path.name, tool, after_update=after_update)
    return Source(result, _stem(path), Path() if place == STDIN else path.parent)


def _stem(path: Path) -> str:
    return path.name.removesuffix(".json").removesuffix(".lrfind") if path.suffix == ".json" else path.stem
