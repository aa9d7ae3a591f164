"""Reading and parsing files and stdin: records, or a curve that another tool recorded."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from lrfind.errors import Fault, RecordError
from lrfind.records.columns import printed_rows

MOST_BYTES = 100 * 2**20
"""Far more than any record has."""

MOST_LEVELS = 100
"""Of nesting in JSON, likewise."""

Content = Any
"""What a file holds: parsed JSON, or the text of a table."""
_NEXT = re.compile(r"[^\s,]")


def read_text(name: str, stream: BinaryIO | None = None) -> str:
    """Return the text of a file that may be a record or a curve.

    Args:
        name: Its path, or a name for the stream.
        stream: Is read instead of a file.

    Raises:
        RecordError: It cannot be read, or is no text.
    """
    try:
        with contextlib.nullcontext(stream) if stream else Path(name).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        fault = Fault(problem="no such file", fix="`lrfind run` writes records as CONFIG.lrfind.json")
        raise RecordError(fault, source=name) from error
    except IsADirectoryError as error:
        raise RecordError(Fault(expected="a file", got="a folder", fix="name the record in it"), source=name) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        problem = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise RecordError(Fault(problem=problem), source=name) from error
    if len(data) > MOST_BYTES:
        expected = "a record or a table of lr and loss"
        raise RecordError(Fault(expected=expected, got="more than 100 MB"), source=name)
    with contextlib.suppress(UnicodeDecodeError):
        if b"\0" not in data:
            return data.decode("utf-8-sig")
    fault = Fault(expected="text in UTF-8 (JSON or CSV)", got="binary data", fix="name the record, CONFIG.lrfind.json")
    raise RecordError(fault, source=name)


def parse(text: str, source: str) -> list[Content]:
    """Return the records in a text, one for each run, or its one content of another kind.

    Several runs print their records as JSON Lines, `jq -s` makes a list of them, and joined files hold records of many
    lines each. JSON Lines of another kind are the rows of one curve.

    Args:
        text: JSON, JSON Lines, or a table.
        source: Its name, for error messages.

    Raises:
        RecordError: It begins as JSON does, and has a fault.
    """
    if text.lstrip()[:1] not in ("{", "["):
        return [text]
    try:
        values = _values(text, source)
    except RecordError:
        if printed_rows(text):  # the dicts that a Trainer prints
            return [text]
        raise
    if len(values) == 1 and isinstance(values[0], list) and all(map(is_record, values[0])):
        values = values[0] or values
    return values if len(values) == 1 or any(map(is_record, values)) else [values]


def _values(text: str, source: str) -> list[Any]:
    """Return the JSON values of a text, one after the other."""
    decoder, values, end = json.JSONDecoder(), [], 0
    try:
        while start := _NEXT.search(text, end):
            value, end = decoder.raw_decode(text, start.start())
            _check_levels(value)
            values.append(value)
    except (ValueError, RecursionError) as error:
        fault = Fault(expected="JSON", got=f"a fault in it: {error}", fix="is the file whole?")
        raise RecordError(fault, source=source) from error
    return values


def _check_levels(value: Any) -> None:
    """Check that a value is not nested deeper than Python can follow.

    Raises:
        ValueError: It is.
    """
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [inner for outer in level if isinstance(outer, (dict, list)) for inner in _inside(outer)]
        if not level:
            return
    raise ValueError(f"more than {MOST_LEVELS} levels of nesting")


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def is_record(content: Content) -> bool:
    """Tell whether a content is a record or a failed run, also if it has faults."""
    return isinstance(content, dict) and ("schema" in content or "sweeps" in content)


def failure_in(content: Content) -> str | None:
    """Return what went wrong in the failed run that a content describes; None for any other content."""
    failed = isinstance(content, dict) and content.get("status") == "failed"
    return str(content.get("message")) if failed else None


def only(contents: list[Content], source: str) -> Content:
    """Return the one content of a text.

    Raises:
        RecordError: It holds the records of several runs, or of one that failed.
    """
    if len(contents) > 1:
        fix = "`lrfind plot` compares them, and `jq -s 'flatten[0]' FILE` takes the first"
        raise RecordError(Fault(expected="one record", got=str(len(contents)), fix=fix), source=source)
    if problem := failure_in(contents[0]):
        fix = "correct that, and run it again"
        raise RecordError(Fault(problem=f"holds no record, as the run failed: {problem}", fix=fix), source=source)
    return contents[0]
