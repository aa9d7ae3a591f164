"""The JSON form of a `Result`, both ways.

It is strict, as all JSON that lrfind writes (a number that is not finite is null), and carries a schema number.
Reading a document back gives an equal `Result`.
"""

from __future__ import annotations

import enum
import json
import math
from dataclasses import fields
from typing import Any

from lrfind.errors import RecordError
from lrfind.records.shape import ANALYSIS_KEYS, RUN_KEYS, SCHEMA, check_shape
from lrfind.records.types import (
    Analysis,
    Candidate,
    Group,
    Landmarks,
    Probe,
    Refusal,
    Repeat,
    Result,
    Status,
    StopReason,
    Sweep,
)


def to_json(result: Result, *, line: bool = False) -> str:
    """Return the JSON document of a result as text, on request in one line; the same result gives the same text."""
    document = {
        "schema": SCHEMA,
        **{name: getattr(result.analysis, name) for name in ANALYSIS_KEYS},
        "group_lrs": result.group_lrs,
        "groups": [vars(group) for group in result.groups],
        "candidates": [vars(candidate) for candidate in result.analysis.candidates],
        "landmarks": result.analysis.landmarks and vars(result.analysis.landmarks),
        "stop_reason": result.sweep.stop_reason,
        "error": result.error,
        "interrupted": result.interrupted,
        "sweeps": [
            {**vars(sweep), "smoothed": smoothed, "used": index == result.used}
            for index, (sweep, smoothed) in enumerate(zip(result.sweeps, result.smoothed, strict=True))
        ],
        "probes": [vars(probe) for probe in result.probes],
        "repeats": [vars(repeat) for repeat in result.repeats],
        "spread": result.spread,
        "title": result.title,
        "source": result.source,
        "config": result.config,
        "environment": result.environment,
        "timing": result.timing,
    }
    return dumps(document, line=line)


def dumps(document: Any, *, line: bool = False) -> str:
    """Return a document as strict JSON: for people to read as well, or in one line."""
    layout: dict[str, Any] = {"separators": (",", ":")} if line else {"indent": 2}
    return json.dumps(_finite(document), allow_nan=False, **layout)


def from_json(text: str) -> Result:
    """Read a document that `to_json` wrote.

    Raises:
        RecordError: The text is no JSON, or not of the shape of a record.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise RecordError(f"not a record of lrfind: expected JSON, got a fault in it: {error}") from error
    check_shape(document)
    return _result_from(document)


def _result_from(document: dict[str, Any]) -> Result:
    sweeps = document["sweeps"]
    smoothed = tuple(_numbers(sweep["smoothed"]) for sweep in sweeps)
    used = [sweep["used"] for sweep in sweeps].index(True)
    landmarks = document["landmarks"]
    analysis = Analysis(
        **{name: document[name] for name in ("message", "suggested_lr", "suggested_lrs", "confidence", "method")},
        status=Status(document["status"]),
        reason=Refusal(document["reason"]) if document["reason"] else None,
        safe_range=tuple(document["safe_range"]) if document["safe_range"] else None,
        candidates=tuple(_made(Candidate, candidate) for candidate in document["candidates"]),
        landmarks=_made(Landmarks, landmarks) if landmarks else None,
        smoothed=smoothed[used],
    )
    return Result(
        sweeps=tuple(
            Sweep(
                seed=sweep["seed"],
                lrs=_numbers(sweep["lrs"]),
                losses=_numbers(sweep["losses"]),
                stop_reason=StopReason(sweep["stop_reason"]),
            )
            for sweep in sweeps
        ),
        smoothed=smoothed,
        used=used,
        analysis=analysis,
        probes=tuple(
            Probe(probe["lr"], probe["steps"], _numbers(probe["losses"]), StopReason(probe["stop_reason"]))
            for probe in document["probes"]
        ),
        repeats=tuple(_made(Repeat, repeat) for repeat in document["repeats"]),
        groups=tuple(_made(Group, group) for group in document["groups"]),
        **{name: document[name] for name in RUN_KEYS},
        source=document.get("source"),  # records from before it was kept have none
    )


def _made(kind: type[Any], values: dict[str, Any]) -> Any:
    """Return a dataclass of its own keys; a later version may have added others beside them."""
    return kind(**{field.name: values[field.name] for field in fields(kind)})


def _numbers(values: list[float | None]) -> tuple[float, ...]:
    """Return the numbers of a JSON list, with NaN for null."""
    return tuple(math.nan if value is None else float(value) for value in values)


def _finite(value: Any) -> Any:
    """Return a copy of `value` in JSON types, with None for every number that is not finite."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value if value is None or isinstance(value, (str, int)) else str(value)
