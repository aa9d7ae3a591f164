"""The records and curves that a command is given: files, or `-` for stdin."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lrfind.analysis.recorded import read
from lrfind.errors import ConfigError, Fault
from lrfind.output.streams import tell
from lrfind.records.read import failure_in, one_record, read_text, records

if TYPE_CHECKING:
    from lrfind.records.external import Tool
    from lrfind.records.types import Result

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

    The arguments and errors beyond `place` are those of `lrfind.analysis.recorded.read`.
    """
    path, text = _read(place)
    return _source(one_record(text, str(path)), path, place, tool, after_update=after_update)


def load_all(places: Sequence[str]) -> list[Source]:
    """Read several, as `load` does, and all records where one holds those of several runs; stdin can be one of them.

    Of those, runs that failed are named on stderr and left out.
    """
    if places.count(STDIN) > 1:
        raise ConfigError(STDIN, [Fault("", problem="stdin can be read but once; name it once")])
    return [source for place in places for source in _load_lines(place)]


def _load_lines(place: str) -> Iterator[Source]:
    path, text = _read(place)
    texts = records(text)
    problems = [failure_in(text) for text in texts]
    if all(problems):
        one_record(texts[0], str(path))  # says why there is none
    for text, problem in zip(texts, problems, strict=True):
        if problem:
            tell(f"lrfind: {path}: left out, as the run failed: {problem.splitlines()[0]}")
        else:
            source = _source(text, path, place)
            named = source.result.source if len(texts) > 1 else None
            yield replace(source, name=Path(named).stem) if named else source


def _read(place: str) -> tuple[Path, str]:
    """Return what a place is called, and its text."""
    path = Path("stdin" if place == STDIN else place)
    return path, read_text(str(path), sys.stdin.buffer if place == STDIN else None)


def _source(text: str, path: Path, place: str, tool: Tool | None = None, *, after_update: bool = False) -> Source:
    result = read(text, path.name, tool, after_update=after_update)
    return Source(result, _stem(path), Path() if place == STDIN else path.parent)


def _stem(path: Path) -> str:
    return path.name.removesuffix(".json").removesuffix(".lrfind") if path.suffix == ".json" else path.stem
