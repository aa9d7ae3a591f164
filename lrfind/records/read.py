"""From files and stdin to the text of a record, one of several or the only one."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import BinaryIO

from lrfind.errors import RecordError

MOST_BYTES = 100 * 2**20
"""No record comes near; what does is another file."""


def read_text(name: str, stream: BinaryIO | None = None) -> str:
    """Return the text of a file that may be a record or a curve.

    Args:
        name: Its path, or what the stream is called.
        stream: What to read instead of a file.

    Raises:
        RecordError: It cannot be read, or is no text.
    """
    try:
        with contextlib.nullcontext(stream) if stream else Path(name).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise RecordError(f"{name}: no such file; `lrfind run` writes records as CONFIG.lrfind.json") from error
    except IsADirectoryError as error:
        raise RecordError(f"{name}: expected a file, got a folder; name the record in it") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise RecordError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > MOST_BYTES:
        raise RecordError(f"{name}: expected a record or a table of lr and loss, got more than 100 MB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise RecordError(
            f"{name}: expected text in UTF-8 (JSON or CSV), got binary data; name the record, CONFIG.lrfind.json"
        )
    return text


def records(text: str) -> list[str]:
    """Return the records of several runs that a text holds, one after the other; any other text as it is.

    JSON Lines are what several runs print, `jq -s` makes a list of them, and in files that were joined each stretches
    over many lines.
    """
    decoder, found, start = json.JSONDecoder(), [], 0
    if not re.match(r'[\s\[]*\{\s*"schema"', text):
        return [text]
    try:
        while rest := re.compile(r"[\s\[,]*\{").match(text, start):
            begin = rest.end() - 1
            start = decoder.raw_decode(text, begin)[1]
            found.append(text[begin:start])
    except (ValueError, RecursionError):
        return [text]
    return [text] if text[start:].strip(" \t\r\n]") else found


def one_record(text: str, source: str) -> str:
    """Return the record in a text, or what may be one, once it is sure that it does not hold several, or none.

    Raises:
        RecordError: It holds several, or a run that failed.
    """
    several = records(text)
    if len(several) > 1:
        raise RecordError(
            f"{source}: expected one record, got {len(several)}; `lrfind plot` compares them, and "
            "`jq -s 'flatten[0]' FILE` takes the first"
        )
    if problem := failure_in(several[0]):
        raise RecordError(f"{source}: holds no record, as the run failed: {problem}; mend that, and run it again")
    return several[0]


def failure_in(text: str) -> str | None:
    """Return what went wrong, if a text stands for a run that failed."""
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("status") != "failed":
        return None
    return str(document.get("message"))
