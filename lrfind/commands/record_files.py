"""The records and curves that a command is given: files, or `-` for stdin."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lrfind.analysis.recorded import result_of
from lrfind.errors import ConfigError, Fault
from lrfind.output.streams import tell
from lrfind.records.external import Tool
from lrfind.records.read import Content, failure_in, only, parse, read_text
from lrfind.records.types import Result

STDIN = "-"


@dataclass(frozen=True)
class RecordFile:
    """A record or curve that was read.

    Attributes:
        result: What it holds.
        name: The name of the file without its suffixes.
        folder: Where the file lies; the current folder for stdin.
    """

    result: Result
    name: str
    folder: Path


def load(place: str, tool: Tool | None = None, rates: str | None = None, **how: Any) -> RecordFile:
    """Read the record or curve at `place`, and the learning rates of it at `rates` if they have a file of their own.

    The arguments and errors beyond these are those of `lrfind.analysis.recorded.result_of`.
    """
    path, contents = _read(place)
    if rates is not None:
        how["rates"] = only(_read(rates)[1], rates)
    return _record_file(only(contents, str(path)), path, place, tool, **how)


def load_all(places: Sequence[str]) -> list[RecordFile]:
    """Read several, as `load` does, and all records of a file that holds those of several runs; stdin can be one.

    Runs that failed are named on stderr and left out.
    """
    if places.count(STDIN) > 1:
        raise ConfigError(STDIN, [Fault(problem="stdin can be read only once", fix="name it once")])
    return [record for place in places for record in _load_each(place)]


def _load_each(place: str) -> Iterator[RecordFile]:
    path, contents = _read(place)
    problems = [failure_in(content) for content in contents]
    if all(problems):
        only(contents[:1], str(path))  # says why there is none
    for content, problem in zip(contents, problems, strict=True):
        if problem:
            tell(f"lrfind: {path}: left out, as the run failed: {problem.splitlines()[0]}")
        else:
            record = _record_file(content, path, place)
            config = record.result.source if len(contents) > 1 else None
            yield replace(record, name=Path(config).stem) if config else record


def _read(place: str) -> tuple[Path, list[Content]]:
    """Return what a place is called, and what it holds."""
    path = Path("stdin" if place == STDIN else place)
    return path, parse(read_text(str(path), sys.stdin.buffer if place == STDIN else None), str(path))


def _record_file(content: Content, path: Path, place: str, tool: Tool | None = None, **how: Any) -> RecordFile:
    result = result_of(content, path.name, tool, **how)
    name = path.name.removesuffix(".json").removesuffix(".lrfind") if path.suffix == ".json" else path.stem
    return RecordFile(result, name, Path() if place == STDIN else path.parent)
