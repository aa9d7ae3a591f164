"""The JSON Schema that is shipped: every record obeys it, and what it says is what the dataclasses say."""

from __future__ import annotations

import dataclasses
import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pydantic
import pytest
from cli import Project
from helpers import example_result, example_sweep, refused_result
from packaging.version import Version

from lrfind.commands.finished_runs import failure
from lrfind.errors import ExitCode
from lrfind.records.document import SCHEMA, SweepEntry, json_schema
from lrfind.records.facts import LoopFacts, ScriptFacts
from lrfind.records.json_format import to_json
from lrfind.records.types import Candidate, Group, Landmarks, Probe, Refusal, Repeat, Result, Status, StopReason, Sweep

DOCUMENT: dict[str, Any] = json.loads(
    files("lrfind.records").joinpath("record.schema.json").read_text(encoding="utf-8")
)


def obeys(record: Any) -> None:
    jsonschema.Draft202012Validator(DOCUMENT).validate(record)


@pytest.mark.skipif(Version(pydantic.VERSION) < Version("2.13"), reason="pydantic told less of a dataclass then")
def test_it_is_what_the_definition_says() -> None:
    assert json_schema() == DOCUMENT, "run `make schema`"


def test_it_is_a_schema_of_this_layout() -> None:
    jsonschema.Draft202012Validator.check_schema(DOCUMENT)
    assert DOCUMENT["$defs"]["Record"]["properties"]["schema"]["const"] == SCHEMA


def test_it_knows_every_field_and_value() -> None:
    parts = DOCUMENT["$defs"]
    script = ScriptFacts("train.py", (), False, 0.1, "SGD(lr", "train.py", 3, "", "--lr", "")
    assert set(parts["Record"]["properties"]) == set(
        json.loads(to_json(dataclasses.replace(example_result(), script=script, loop=LoopFacts())))
    )
    for kind in (Group, Candidate, Probe, Repeat, Landmarks, ScriptFacts, LoopFacts):
        assert list(parts[kind.__name__]["properties"]) == [field.name for field in dataclasses.fields(kind)]
    assert set(parts["SweepEntry"]["properties"]) == {field.name for field in dataclasses.fields(SweepEntry)}
    for kind in (Status, Refusal, StopReason):
        assert parts[kind.__name__]["enum"] == [each.value for each in kind]


def test_every_key_that_the_first_records_had_and_that_is_read_is_required() -> None:
    optional = {"group_lrs", "stop_reason", "spread", "source", "settings", "script", "loop"}
    optional |= {field.name for field in dataclasses.fields(LoopFacts)}
    optional |= {"held_out_steps", "held_out", "shuffled", "updates_per_point"}
    for name, part in DOCUMENT["$defs"].items():
        if not name.startswith("_"):
            assert set(part.get("properties", ())) - set(part.get("required", ())) <= optional


def test_every_key_is_described() -> None:
    for name in ("Record", "Failure"):
        for key, described in DOCUMENT["$defs"][name]["properties"].items():
            assert described.get("description") or key == "status", (name, key)


@pytest.mark.parametrize(
    "result",
    [
        example_result(),
        refused_result(),
        example_result(example_sweep(lambda lr: math.inf), smooth=None),
        refused_result(landmarks=None, candidates=(), sweep=Sweep(0, (), (), StopReason.INTERRUPTED)),
    ],
    ids=["suggestion", "refusal", "not finite", "nothing"],
)
def test_records_obey(result: Result) -> None:
    obeys(json.loads(to_json(result)))


@pytest.mark.parametrize(
    "arguments", [(), ("probes.enabled=false",), ("--refine",), ("--end-lr", "1e-4")], ids=" ".join
)
def test_the_json_of_run_and_analyze_obeys(project: Project, arguments: tuple[str, ...]) -> None:
    obeys(project.run("--json", *arguments).json)
    obeys(project.main("analyze", str(project.record), "--json", "--method", "minimum").json)


def test_the_json_of_a_curve_from_elsewhere_obeys(project: Project) -> None:
    path = project.folder / "curve.csv"
    path.write_text("lr,loss\n" + "".join(f"{1e-7 * 1.2**i},{2.0 if i < 20 else 'nan'}\n" for i in range(40)))
    obeys(project.main("analyze", str(path), "--json").json)


@pytest.mark.parametrize("change", [{"schema": 2}, {"status": "fine"}, {"suggested_lr": "high"}, {"safe_range": [1]}])
def test_what_is_no_record_does_not(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        obeys(json.loads(to_json(example_result())) | change)


FAILURE = failure("c.yaml", ExitCode.USAGE, "c.yaml: no such file")


def test_a_failure_obeys() -> None:
    obeys(FAILURE)


@pytest.mark.parametrize(
    "change", [{"schema": 2}, {"status": "ok"}, {"exit_code": 0}, {"exit_code": 3}, {"source": None}, {"sweeps": []}]
)
def test_what_is_no_failure_does_not(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        obeys(FAILURE | change)


def test_a_record_is_no_failure() -> None:
    with pytest.raises(jsonschema.ValidationError):
        obeys(json.loads(to_json(example_result())) | {"status": "failed"})


def test_analyze_prints_it(project: Project) -> None:
    outcome = project.main("analyze", "--schema")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.json == DOCUMENT


def test_it_is_beside_the_package_as_the_build_takes_all_of_it() -> None:
    root = Path(__file__).parents[2]
    assert (root / "lrfind" / "records" / "record.schema.json").is_file()
    assert 'packages = ["lrfind"]' in (root / "pyproject.toml").read_text()
