"""Whether a JSON document has the keys of a record, before a `Result` is made of it."""

from __future__ import annotations

import enum
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from lrfind.errors import RecordError
from lrfind.records.types import Candidate, Group, Landmarks, Probe, Refusal, Repeat, Status, StopReason, Sweep

SCHEMA = 1
"""Number of the JSON layout; it rises when a reader of the old layout would misread the new one."""

WAY_OUT = "take the record as `lrfind run` wrote it"

ANALYSIS_KEYS = ("status", "reason", "message", "suggested_lr", "suggested_lrs", "safe_range", "confidence", "method")
RUN_KEYS = ("title", "config", "environment", "timing", "error", "interrupted")
_NUMBERS = ("lrs", "losses", "smoothed", "safe_range")
_WORDS: Mapping[str, type[enum.Enum]] = {"status": Status, "reason": Refusal, "stop_reason": StopReason}


def _names(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind)]


_LISTS: Mapping[str, Sequence[str]] = {
    "sweeps": [*_names(Sweep), "smoothed", "used"],
    "probes": _names(Probe),
    "candidates": _names(Candidate),
    "repeats": _names(Repeat),
    "groups": _names(Group),
}


def check_shape(document: Any) -> None:
    """Make sure that a `Result` can be made of a document; what its numbers and texts are is another matter.

    Raises:
        RecordError: It is of another schema, lacks a key, or has something else than expected below one.
    """
    _check_object("", document, ("schema",))
    if document["schema"] != SCHEMA:
        raise RecordError(
            f"schema: expected {SCHEMA}, got {short(document['schema'])}; "
            "read this record with the lrfind version that wrote it"
        )
    _check_object("", document, (*ANALYSIS_KEYS, *_LISTS, "landmarks", *RUN_KEYS))
    for key, names in _LISTS.items():
        if not isinstance(document[key], list):
            raise _fault(key, "a list", document[key])
        for index, item in enumerate(document[key]):
            _check_object(f"{key}.{index}", item, names)
    used = [sweep["used"] for sweep in document["sweeps"]]
    if used.count(True) != 1:
        raise _fault("sweeps", "one that is used", used)
    if document["landmarks"]:
        _check_object("landmarks", document["landmarks"], _names(Landmarks))


def _check_object(place: str, value: Any, names: Sequence[str]) -> None:
    """Check that `value` is an object with these keys, and what is below those of one meaning everywhere."""
    if not isinstance(value, dict):
        raise _fault(place, "an object", value)
    for name in names:
        key = f"{place}.{name}".lstrip(".")
        if name not in value:
            raise RecordError(f"not a record of lrfind: expected the key {key}, got none; {WAY_OUT}")
        got = value[name]
        if name in _NUMBERS and not (_are_numbers(got) or (name == "safe_range" and got is None)):
            raise _fault(key, "a list of numbers", got)
        if name in _WORDS and got not in _known(name):
            raise _fault(key, " or ".join(word or "null" for word in _known(name)), got)


def _known(name: str) -> list[str | None]:
    return [*(word.value for word in _WORDS[name]), *[None] * (name == "reason")]


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(value is None or _is_number(value) for value in values)


def _is_number(value: Any) -> bool:
    """Tell whether a value is a number that a float can be; JSON may write whole ones with any number of digits."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= sys.float_info.max)


def _fault(key: str, expected: str, got: Any) -> RecordError:
    where = f"{key}: " if key else ""
    return RecordError(f"not a record of lrfind: {where}expected {expected}, got {short(got)}; {WAY_OUT}")


def short(value: Any) -> str:
    """Return a value as text, its beginning if it is a long one."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
