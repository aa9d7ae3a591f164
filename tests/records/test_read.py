"""Every kind of file that is no record, in every place that reads one: what was expected, what was got, the way out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli import Project
from helpers import example_result

import lrfind
from lrfind.commands.finished_runs import failure
from lrfind.errors import ExitCode, RecordError
from lrfind.records.json_format import dumps, to_json, to_result

RECORD = to_json(example_result())
LINE = to_json(example_result(), line=True)
FAILED = dumps(failure("bad.yaml", ExitCode.USAGE, "bad.yaml: model: expected a value, got none"), line=True)
SEVERAL = "expected one record, got 2; `lrfind plot` compares them, and `jq -s 'flatten[0]' FILE` takes the first"


def but(**changes: Any) -> bytes:
    return json.dumps(json.loads(RECORD) | changes).encode()


def without(key: str) -> bytes:
    return json.dumps({name: value for name, value in json.loads(RECORD).items() if name != key}).encode()


def sweep_but(**changes: Any) -> bytes:
    return but(sweeps=[json.loads(RECORD)["sweeps"][0] | changes])


KINDS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "expected a record or a table of lr and loss, got an empty file; run again"),
    "png": (b"\x89PNG\r\n\x1a\n\x00\xff", "expected text in UTF-8 (JSON or CSV), got binary data; name the record"),
    "other csv": (b"epoch,accuracy\n1,0.5\n", "got no lr and loss among 'epoch', 'accuracy'; name them with"),
    "config": (b"seed: 0\nmodel: {_target_: own.net}\n", "expected a record of lrfind, or columns lr and loss"),
    "cut": (RECORD[:900].encode(), "expected JSON, got a fault in it"),
    "object": (b"{}", "got no lr and loss among none"),
    "array": (b"[]", "got other JSON; name the record, CONFIG.lrfind.json"),
    "failed": (FAILED.encode(), "holds no record, as the run failed: bad.yaml: model: expected a value"),
    "newer": (but(schema=2), "schema: expected 1, got 2; read this record with the lrfind version that wrote it"),
    **{
        f"no {key}": (without(key), f"{key}: expected a value, got none; take the record as `lrfind run` wrote it")
        for key in json.loads(RECORD)
        if key not in ("schema", "group_lrs", "stop_reason", "spread", "source", "settings")  # not read, or newer
    },
    "no lrs": (but(sweeps=[{"seed": 0}]), "sweeps.0.lrs: expected a value, got none"),
    "sweeps": (but(sweeps={"a": 1}), "sweeps: expected a list, got {'a': 1}"),
    "sweep": (but(sweeps=["a"]), "sweeps.0: expected an object, got 'a'"),
    "no sweep": (but(sweeps=[]), "sweeps: expected one that is used, got []"),
    "losses": (sweep_but(losses=["high"]), "sweeps.0.losses.0: expected a number or null, got 'high'"),
    "huge": (sweep_but(losses=[10**400]), "sweeps.0.losses.0: expected a number or null, got 1000"),
    "stop reason": (sweep_but(stop_reason="odd"), "sweeps.0.stop_reason: expected 'completed', "),
    "status": (but(status=3), "status: expected 'ok' or 'no_suggestion', got 3"),
    "reason": (but(reason={}), "or 'still_descending', got {}"),
    "safe range": (but(safe_range=5), "safe_range: expected a list, got 5"),
    "landmarks": (but(landmarks=[1]), "landmarks: expected an object, got [1]"),
    "landmark": (but(landmarks={"plateau_loss": 1}), "landmarks.noise: expected a value, got none"),
    "candidates": (but(candidates=[{"method": "x"}]), "candidates.0.lr: expected a value, got none"),
    "levels": (but(config={"model": json.loads("[" * 490 + "]" * 490)}), "more than 100 levels of nesting"),
    "NUL": (but(source="a\0.yaml"), "source: expected a text without NUL, got 'a"),
    "many": (
        sweep_but(lrs=[k / 1e6 for k in range(1, 10_002)]),
        "sweeps.0.lrs: expected at most 10,000",
    ),
    "none": (sweep_but(lrs=[], losses=[], smoothed=[]), "sweeps.0.lrs: expected learning rates, got none"),
    "title": (but(title=3), "title: expected a text, got 3; take the record as"),
    "rate": (but(suggested_lr="0.1"), "suggested_lr: expected a learning rate above 0, got '0.1'; take the record"),
}
SEVERAL_KINDS: dict[str, str] = {
    "lines": f"{LINE}\n{LINE}\n",
    "lines of which one failed": f"{FAILED}\n\n{LINE}",
    "files joined": f"{RECORD}\n{RECORD}\n",
    "a list": f"[{LINE},\n{RECORD}]",
}


def by_load(project: Project, path: Path) -> str:
    with pytest.raises(RecordError) as raised:
        lrfind.load(path)
    return str(raised.value)


def by_command(*arguments: str) -> Callable[[Project, Path], str]:
    def said(project: Project, path: Path) -> str:
        filled = [argument.format(config=project.config, path=path) for argument in arguments]
        outcome = project.main(*filled)
        assert (outcome.code, outcome.out) == (2, "")
        outcome.says()
        return outcome.err.removeprefix("lrfind: ")

    return said


READERS = {
    "load": by_load,
    "analyze": by_command("analyze", "{path}"),
    "plot": by_command("plot", "{path}", "--terminal"),
    "schedule": by_command("schedule", "{path}"),
    "explain": by_command("explain", "{path}"),
    "check": by_command("check", "{config}", "--lr", "0.1", "--against", "{path}"),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_what_is_no_record_is_told_in_each_place_that_reads_one(
    project: Project, reader: Callable[[Project, Path], str]
) -> None:
    path = project.folder / "a.json"
    for kind, (content, words) in KINDS.items():
        path.write_bytes(content)
        said = reader(project, path)
        assert Path(said.partition(": ")[0]).name == path.name, kind
        assert words in said, kind
        assert "Error" not in said, kind


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_folder_and_a_missing_file_are_told(project: Project, reader: Callable[[Project, Path], str]) -> None:
    assert "expected a file, got a folder; name the record in it" in reader(project, project.folder)
    missing = project.folder / "none.json"
    assert f"{missing}: no such file; `lrfind run` writes records as CONFIG.lrfind.json" in reader(project, missing)


@pytest.mark.parametrize("text", SEVERAL_KINDS.values(), ids=SEVERAL_KINDS)
def test_of_several_records_one_is_to_be_named_or_plot_takes_all(project: Project, text: str) -> None:
    path = project.folder / "a.jsonl"
    path.write_text(text)
    for name, reader in READERS.items():
        if name != "plot":
            assert f"{path}: {SEVERAL}" in reader(project, path)
    rows = json.loads(project.main("plot", str(path), "--json", "--out", str(project.folder / "p.svg")).out)
    assert len(rows) == 2 - text.count('"failed"')


def test_keys_that_a_later_version_added_are_left_out() -> None:
    document = json.loads(RECORD)
    document["landmarks"]["knee_lr"] = document["candidates"][0]["weight"] = document["new"] = 1
    assert to_result(document, "r.json") == to_result(json.loads(RECORD), "r.json")
