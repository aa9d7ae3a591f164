from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from helpers import example_result, example_sweep, refused_result
from hypothesis import given
from strategies import sweeps

from lrfind.analysis.suggest import analyze
from lrfind.errors import RecordError
from lrfind.records.document import SCHEMA
from lrfind.records.json_format import to_json, to_result
from lrfind.records.types import Group, Result, Sweep


def result_of(sweep: Sweep) -> Result:
    analysis = analyze(sweep)
    return Result((sweep,), (analysis.smoothed,), 0, analysis, "title", {}, {}, {})


@pytest.mark.parametrize("result", [example_result(), refused_result()])
def test_a_record_reads_back_equal(result: Result) -> None:
    assert to_result(json.loads(to_json(result)), "r.json") == result


def test_a_record_from_before_its_config_was_named_is_read() -> None:
    document = json.loads(to_json(example_result()))
    del document["source"]
    assert to_result(document, "r.json") == example_result()


@given(sweep=sweeps())
def test_any_sweep_makes_a_strict_document_that_reads_back(sweep: Sweep) -> None:
    text = to_json(result_of(sweep))
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not strict JSON"))
    assert to_json(to_result(json.loads(text), "r.json")) == text


def test_the_keys_of_the_contract() -> None:
    document = json.loads(to_json(example_result()))
    assert document["schema"] == SCHEMA == 1
    assert document["status"] == "ok"
    assert document["suggested_lr"] == pytest.approx(6.3e-3)
    assert document["safe_range"] == pytest.approx([2e-3, 4e-2])
    assert document["stop_reason"] == "diverged"
    assert {"message", "confidence", "candidates", "config", "environment", "timing"} <= document.keys()
    assert [set(sweep) for sweep in document["sweeps"]] == [
        {"seed", "lrs", "losses", "smoothed", "stop_reason", "used"}
    ]
    assert document["sweeps"][0]["used"] is True


def test_numbers_that_are_not_finite_are_null() -> None:
    sweep = example_sweep()
    sweep = Sweep(0, sweep.lrs[:3], (1.0, math.nan, math.inf), sweep.stop_reason)
    document = json.loads(to_json(result_of(sweep)))
    assert document["sweeps"][0]["losses"] == [1.0, None, None]


def test_a_refusal_has_no_number() -> None:
    document = json.loads(to_json(refused_result()))
    assert document["status"] == "no_suggestion"
    assert document["reason"] == "noise"
    assert document["suggested_lr"] is None
    assert document["safe_range"] is None
    assert document["confidence"] == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", r"expected an object, got \[\]"),
        ("{}", "schema: expected a value, got none"),
    ],
)
def test_what_is_no_record_is_said_to_be_none(text: str, words: str) -> None:
    with pytest.raises(RecordError, match=words):
        to_result(json.loads(text), "r.json")


def test_every_group_has_its_learning_rate_at_the_suggestion() -> None:
    groups = (Group("default", 1.0, None), Group("body", 0.1, None), Group("head", None, 0.02))
    result = replace(example_result(), groups=groups)
    document = json.loads(to_json(result))
    assert document["group_lrs"] == pytest.approx({"default": 6.3e-3, "body": 6.3e-4, "head": 0.02})
    assert document["groups"][1] == {"name": "body", "lr_scale": 0.1, "fixed_lr": None}
    assert to_result(json.loads(to_json(result)), "r.json") == result
    assert json.loads(to_json(replace(refused_result(), groups=groups)))["group_lrs"] == {}
