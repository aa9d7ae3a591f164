"""Records that were edited by hand: whatever is changed in them, they are read or refused, never a crash."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from helpers import example_result
from hypothesis import given, settings
from hypothesis import strategies as st

from lrfind.document import from_json, to_json
from lrfind.errors import LrfindError, RecordError
from lrfind.record import Group, Probe, Repeat, StopReason
from lrfind.reread import read, reread
from lrfind.sanity import consistent

PARTS: dict[str, Any] = {
    "probes": (Probe(0.1, 3, (1.0, 0.5, 0.2), StopReason.COMPLETED),),
    "groups": (Group("head", 1.0, None),),
    "repeats": (Repeat(0, 0.1, 0.9),),
}
RECORD = json.loads(to_json(replace(example_result(), **PARTS)))
ABSENT = object()
VALUES = (
    *(ABSENT, None, True, 0, -1, 1e308, 1e-320, float("nan"), float("inf"), 10**400),
    *("x", "", [], {}, [1], {"a": 1}),
)


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a document, of a list the first two."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    return [path for key, item in items for path in ((*above, key), *places(item, (*above, key)))]


def changed(place: tuple[Any, ...], value: Any) -> str:
    document = json.loads(json.dumps(RECORD))
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    if value is ABSENT:
        del inner[place[-1]]
    return json.dumps(document)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(places(RECORD)), st.sampled_from(VALUES))
def test_any_value_may_be_anything(place: tuple[Any, ...], value: Any) -> None:
    with contextlib.suppress(LrfindError):
        to_json(reread(read(changed(place, value), "r.json")))


def test_a_record_as_it_was_written_is_returned() -> None:
    result = from_json(json.dumps(RECORD))
    assert consistent(result, "r.json") is result


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("timing",), [], "timing: expected an object, got []"),
        (("environment",), [], "environment: expected an object, got []"),
        (("title",), 3, "title: expected a text, got 3"),
        (("confidence",), 2, "confidence: expected 0 to 1, got 2"),
        (("landmarks", "noise"), "low", "landmarks.noise: expected a number, got 'low'"),
        (("landmarks", "divergence_lr"), 0, "landmarks.divergence_lr: expected learning rates above 0, got [0]"),
        (("safe_range", 0), None, "safe_range: expected learning rates above 0"),
        (("repeats", 0, "suggested_lr"), 0, "repeats: expected learning rates above 0, got [0]"),
        (("sweeps", 0, "lrs", 5), 1e-9, "rise from one to the next"),
    ],
)
def test_the_fault_is_named(place: tuple[Any, ...], value: Any, words: str) -> None:
    with pytest.raises(RecordError) as raised:
        read(changed(place, value), "r.json")
    assert words in str(raised.value)
