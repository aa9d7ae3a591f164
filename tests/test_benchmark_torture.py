from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torture.table import HERE, table
from torture.training import names


def outcome(kind: str, *problems: str, script: bool = False, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "script": script, "problems": problems, **more}


def test_the_table_counts_each_run_once_for_each_kind_of_problem(tmp_path: Path) -> None:
    kills = [
        outcome("SIGINT", "lost 3", "torn", "exit code 0"),
        outcome("SIGINT", script=True),
        outcome("SIGINT", "exit code -2", started=False),
        outcome("SIGKILL", "litter", script=True),
    ]
    for part, outcomes in (("kills", kills), ("environment", [outcome("no HOME", "silent")]), ("training", [])):
        (tmp_path / f"{part}.json").write_text(json.dumps(dict(enumerate(outcomes))))
    assert table(tmp_path).splitlines()[2:] == [
        "| SIGINT at a random moment | 2 | 1 / 1 | 1 | 1 | 0 | 0 |",
        "| SIGKILL at a random moment | 1 | 0 / 1 | 0 | 0 | 0 | 1 |",
        "| a fault of the environment | 1 | 1 / 0 | 0 | 0 | 1 | 0 |",
        "| a fault of the training | 0 | 0 / 0 | 0 | 0 | 0 | 0 |",
    ]


def test_the_faults_of_trainings_are_read_from_their_file() -> None:
    source = (HERE / "files" / "faults.py").read_text()
    assert len(names()) > 30
    assert all(f'"{name}": ' in source for name in names())
