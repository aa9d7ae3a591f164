"""Records that were edited by hand: whatever is changed in them, they are refused, or read and obey the schema."""

from __future__ import annotations

import contextlib
import itertools
import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from helpers import example_result

from lrfind.analysis.recorded import reanalyze, result_of
from lrfind.errors import LrfindError, RecordError
from lrfind.records.json_format import to_json, to_result
from lrfind.records.read import only, parse
from lrfind.records.types import Group, Probe, Repeat, Result, StopReason

PARTS: dict[str, Any] = {
    "probes": (Probe(0.1, 3, (1.0, 0.5, 0.2), StopReason.COMPLETED),),
    "groups": (Group("head", 1.0, None),),
    "repeats": (Repeat(0, 0.1, 0.9),),
}
RECORD = json.loads(to_json(replace(example_result(), **PARTS)))
VALIDATOR = jsonschema.Draft202012Validator(
    json.loads(files("lrfind.records").joinpath("record.schema.json").read_text())
)
ABSENT = object()
VALUES = (
    *(ABSENT, None, True, 0, -1, 1e308, 1e-320, float("nan"), float("inf"), 10**400),
    *("x", "", [], {}, [1], {"a": 1}),
)


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a document, of a list the first two."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    return [path for key, item in items for path in ((*above, key), *places(item, (*above, key)))]


def read(text: str) -> Result:
    return result_of(only(parse(text, "r.json"), "r.json"), "r.json")


def changed(place: tuple[Any, ...], value: Any) -> str:
    document = json.loads(json.dumps(RECORD))
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    if value is ABSENT:
        del inner[place[-1]]
    return json.dumps(document)


@pytest.mark.slow
def test_any_value_may_be_anything() -> None:
    for place, value in itertools.product(places(RECORD), VALUES):
        with contextlib.suppress(LrfindError):
            VALIDATOR.validate(json.loads(to_json(reanalyze(read(changed(place, value))))))


def test_a_record_as_it_was_written_is_returned() -> None:
    assert json.loads(to_json(to_result(RECORD, "r.json"))) == RECORD


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("timing",), [], "timing: expected an object, got []"),
        (("environment",), [], "environment: expected an object, got []"),
        (("title",), 3, "title: expected a text, got 3"),
        (("confidence",), 2, "confidence: expected 0 to 1, got 2"),
        (("landmarks", "noise"), "low", "landmarks.noise: expected a number, got 'low'"),
        (("landmarks", "divergence_lr"), 0, "landmarks.divergence_lr: expected a learning rate above 0, got 0"),
        (("safe_range", 0), None, "safe_range.0: expected a learning rate above 0"),
        (("repeats", 0, "suggested_lr"), 0, "repeats.0.suggested_lr: expected a learning rate above 0, got 0"),
        (("landmarks", "plateau_loss"), None, "landmarks.plateau_loss: expected a number, got None"),
        (("error",), 3, "error: expected a text, got 3"),
        (("interrupted",), "no", "interrupted: expected true or false, got 'no'"),
        (("sweeps", 0, "seed"), "x", "sweeps.0.seed: expected a whole number, 0 or above, got 'x'"),
        (("timing", "sweep_seconds"), -1, "timing.sweep_seconds: expected a number, 0 or above, got -1"),
        (("sweeps", 0, "lrs", 5), 1e-9, "rise from one to the next"),
    ],
)
def test_the_fault_is_named(place: tuple[Any, ...], value: Any, words: str) -> None:
    with pytest.raises(RecordError) as raised:
        read(changed(place, value))
    assert words in str(raised.value)
