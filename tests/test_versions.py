"""What `make test-versions` has found is of the versions that pyproject.toml promises now."""

from __future__ import annotations

import json

from helpers import ROOT
from packaging.version import Version
from versions import OLDEST, minima, project, pythons

RUNS = json.loads((ROOT / "benchmarks" / "versions.json").read_text())


def test_the_oldest_libraries_were_tested_as_they_stand_in_pyproject() -> None:
    tested = {name: Version(version) for name, version in RUNS[OLDEST]["libraries"].items()}
    assert tested == {name: Version(version) for name, version in minima().items()}, "run `make test-oldest`"


def test_every_python_that_is_promised_was_tested_without_a_failure() -> None:
    assert project()["requires-python"] == f">={pythons()[0]}"
    assert RUNS.keys() == {OLDEST, *pythons()}, "run `make test-versions`"
    for name, row in RUNS.items():
        assert row["python"].startswith(f"{pythons()[0] if name == OLDEST else name}.")
        assert row["tests"] - row["skipped"] > 2500
        assert row["failures"] == row["errors"] == 0
