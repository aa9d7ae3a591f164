"""Records that lrfind 0.1.0 wrote are read as ever, by every method and for every schedule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lrfind.analysis.recorded import reanalyze, result_of
from lrfind.records.document import json_schema
from lrfind.records.json_format import to_json, to_result
from lrfind.records.read import only, parse, read_text

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[1] / "fixtures" / "records"
EXPECTED: dict[str, dict[str, dict[str, Any]]] = json.loads((FOLDER / "analyses.json").read_text())
"""What `lrfind analyze --json` says, by record, then by method and schedule; `none` is the record's own. It is what
they are read as today: 0.1.0 knew no probes' ties, and took no account of the updates in a decade (14.1 here)."""


def test_there_are_ten_of_them() -> None:
    assert sorted(EXPECTED) == sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "analyses")
    assert len(EXPECTED) == 10


@pytest.mark.parametrize("name", EXPECTED)
def test_it_is_read_and_written_back_the_same(name: str) -> None:
    document = json.loads((FOLDER / f"{name}.json").read_text())
    jsonschema.Draft202012Validator(json_schema()).validate(document)
    assert json.loads(to_json(to_result(document, name))) == {**document, "settings": {}}


@pytest.mark.parametrize("name", EXPECTED)
def test_it_gives_the_same_analysis(name: str) -> None:
    path = str(FOLDER / f"{name}.json")
    result = result_of(only(parse(read_text(path), path), path), path)
    for asked, expected in EXPECTED[name].items():
        method, schedule = (None if word == "none" else word for word in asked.split())
        found = json.loads(to_json(reanalyze(result, method, schedule)))  # type: ignore[arg-type]
        assert expected.pop("exit_code") == (0 if expected["status"] == "ok" else 3), asked
        for key, value in expected.items():
            assert found[key] == pytest.approx(value) if isinstance(value, (int, float, dict)) else value == found[key]
