"""What short trainings show, as text and as JSON."""

from __future__ import annotations

import io
import json
import math

import pytest
from explained import ALPHA, SLOW, example_explanation, probe
from rich.console import Console

from lrfind.explain.text import as_document, as_parts
from lrfind.explain.types import Explanation
from lrfind.records.json_format import dumps
from lrfind.records.types import Probe, StopReason


def text(said: Explanation, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False)
    for part in as_parts(said, width):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_report_has_a_row_and_a_sentence_for_each() -> None:
    said = example_explanation()
    shown = text(said)
    rows = {line.split()[0]: line.split() for line in shown.splitlines() if line and line[0].isdigit()}
    assert rows["0.01"][1:3] == ["crawls:", "ends"]
    for run in said.runs:
        assert f"{run.lr:.3g} {run.outcome.value}: {run.note}" in shown
    (row,) = (line for line in shown.splitlines() if line.startswith("0.1 ") and "100.0%" in line)
    assert row.split() == ["0.1", "suggested", f"{said.of_alpha.probe.end_loss:.3g}", "100.0%", *row.split()[4:]]
    assert row.rstrip().endswith("steps   descends")
    assert "not in 100" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_narrow_terminal_is_enough() -> None:
    said = example_explanation()
    lines = text(said, 40).splitlines()
    assert max(map(len, lines)) <= 40
    rows = {tuple(line.split()) for line in lines}
    assert ("0.1", f"{said.of_alpha.probe.end_loss:.3g}", "descends") in rows
    assert ("1", "-", "diverges") in rows


def test_the_document_is_strict_json() -> None:
    nan = Probe(10 * ALPHA, 100, (2.3, math.nan), StopReason.NON_FINITE)
    document = json.loads(dumps(as_document(example_explanation(probe(ALPHA / 10, SLOW), nan))))
    assert (document["alpha"], document["steps"], document["start_loss"]) == (ALPHA, 100, 2.3)
    assert [run["outcome"] for run in document["runs"]] == ["crawls", "descends", "diverges"]
    assert [run["factor"] for run in document["runs"]] == pytest.approx([0.1, 1.0, 10.0])
    last = document["runs"][2]
    assert (last["end_loss"], last["losses"], last["stop_reason"]) == (None, [2.3, None], "non_finite")
