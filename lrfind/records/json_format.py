"""The JSON form of a `Result`, both ways.

The JSON is strict, as everywhere in lrfind (numbers that are not finite are null), and carries a schema number.
Reading a document back gives an equal `Result`.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from typing import Any

from lrfind.records.document import SCHEMA, Record, SweepEntry, read_record
from lrfind.records.types import Analysis, Result, Sweep

_OF_ANALYSIS = [field.name for field in dataclasses.fields(Analysis) if field.name != "smoothed"]
_OF_SWEEP = [field.name for field in dataclasses.fields(Sweep)]
_OF_RESULT = ("title", "error", "interrupted", "source", "probes", "groups", "repeats", "script", "loop")

_LATER = {"held_out_steps": (), "held_out": (), "shuffled": (), "updates_per_point": 1.0}
"""Fields that the first records lacked, and what these mean by that; with this value they are not written."""


def to_json(result: Result, *, line: bool = False) -> str:
    """Return the JSON document of a result as text, on request in one line; the same result gives the same text."""
    sweeps = [
        SweepEntry(**vars(sweep), smoothed=smoothed, used=index == result.used)
        for index, (sweep, smoothed) in enumerate(zip(result.sweeps, result.smoothed, strict=True))
    ]
    computed = {"schema_": SCHEMA, "sweeps": sweeps, "stop_reason": result.sweep.stop_reason}
    document = {}
    for name, field in Record.model_fields.items():
        holder = result.analysis if name in _OF_ANALYSIS else result
        document[field.alias or name] = computed[name] if name in computed else getattr(holder, name)
    for name in ("script", "loop"):  # the first records lacked them
        if document[name] is None:
            del document[name]
    return dumps(document, line=line)


def dumps(document: Any, *, line: bool = False) -> str:
    """Return a document as strict JSON: for people to read as well, or in one line."""
    layout: dict[str, Any] = {"separators": (",", ":")} if line else {"indent": 2}
    return json.dumps(_plain(document), allow_nan=False, **layout)


def to_result(document: Any, source: str) -> Result:
    """Return the result that a parsed JSON document holds.

    Args:
        document: JSON, as `to_json` wrote it.
        source: Its name, for error messages.

    Raises:
        RecordError: It is no record.
    """
    record = read_record(document, source)
    smoothed = tuple(sweep.smoothed for sweep in record.sweeps)
    used = [sweep.used for sweep in record.sweeps].index(True)
    return Result(
        sweeps=tuple(Sweep(**{name: getattr(sweep, name) for name in _OF_SWEEP}) for sweep in record.sweeps),
        smoothed=smoothed,
        used=used,
        analysis=Analysis(**{name: getattr(record, name) for name in _OF_ANALYSIS}, smoothed=smoothed[used]),
        # From the document itself, as the schema checks only a part of them.
        **{name: document.get(name, {}) for name in ("config", "settings", "environment", "timing")},
        **{name: getattr(record, name) for name in _OF_RESULT},
    )


def _plain(value: Any) -> Any:
    """Return a copy of `value` in JSON types, with None for every number that is not finite."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value):
        value = {name: item for name, item in vars(value).items() if name not in _LATER or item != _LATER[name]}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (str, int)) else str(value)
