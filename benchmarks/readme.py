"""Write the figures, tables and examples of the README and the pages below docs/ from real runs.

    python benchmarks/readme.py

Each block of a page between `<!-- begin: NAME -->` and `<!-- end: NAME -->` is replaced by what the function of that
name in this file returns.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from accuracy import picture, reliability
from accuracy.summary import summary
from fuzz.verdict import table as table_of_fuzz
from speed.table import table
from torture.table import table as table_of_faults
from user_scripts import commands as table_of_commands
from user_scripts import table as table_of_scripts
from versions import table as table_of_versions

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
IMAGES = ROOT / "docs" / "images"
RECORD = "digits.lrfind.json"
SHOWN = (
    "lrfind",
    "lrfind --refine",
    "fastai minimum",
    "fastai valley",
    "torch-lr-finder",
    "ignite",
    "Lightning",
    "four learning rates, 75 steps each",
    "Optuna, four trials of 75 steps",
    "folk defaults",
)
"""The finders in the table of the README."""
KEPT = 3
"""Numbers of a long list that a page shows."""


def report(folder: Path) -> str:
    """Return what the first command of the README prints, and keep its picture."""
    (folder / "configs").symlink_to(ROOT / "configs")  # the record names the config as the command does
    shown = _console(folder, "run configs/digits.yaml", "--device", "cpu")
    (IMAGES / "digits.png").write_bytes((folder / "digits.lrfind.png").read_bytes())
    return shown


def explain(folder: Path) -> str:
    """Return what `lrfind explain` prints of the run of `report`, and keep its picture."""
    shown = _console(folder, f"explain {RECORD}")
    (IMAGES / "explain.png").write_bytes((folder / "digits.lrfind.explain.png").read_bytes())
    return shown


def _console(folder: Path, shown: str, *hidden: str) -> str:
    """Run lrfind, and return what it prints below the command as it is shown."""
    command = [sys.executable, "-m", "lrfind", *shown.split(), *hidden]
    environment = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    return "\n".join(["```console", f"$ lrfind {shown}", *lines, "```"])


def record(folder: Path) -> str:
    """Return the JSON of the run of `report`, its long lists cut short."""
    document = json.loads((folder / RECORD).read_text())
    text = re.sub(r'"\.\.\. (\d+) more"', r"... \1 more", json.dumps(_cut(document), indent=2))
    short = re.sub(r"\[\s+((?:[^\[\]{}]|\.\.\.)*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)
    return f"```text\n{short}\n```"


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cut(item) for key, item in value.items()}
    if isinstance(value, list) and len(value) > 2 * KEPT and not isinstance(value[0], dict):
        return [*value[:KEPT], f"... {len(value) - KEPT} more"]
    return [_cut(item) for item in value] if isinstance(value, list) else value


def speed(folder: Path) -> str:
    """Return the table of the last `make bench`."""
    figures: dict[str, Any] = json.loads((ROOT / "benchmarks" / "speed.json").read_text())
    return table(figures)


def accuracy(folder: Path) -> str:
    """Return the tables of the last `make bench-accuracy`, and draw its pictures."""
    picture.draw(IMAGES / "accuracy.png")
    reliability.draw(IMAGES / "reliability.png")
    return summary()


def accuracy_short(folder: Path) -> str:
    """Return the rows of the last `make bench-accuracy` that compare lrfind with each existing finder at its best."""
    rows = [line for line in summary().splitlines() if line.count("|") == 7]
    head, finders = rows[:2], [row for row in rows[2:] if row.split(" | ")[0].strip("| ") in SHOWN]
    columns = [[cell.strip() for cell in row.strip("|").split("|")] for row in (*head, *finders)]
    return "\n".join("| " + " | ".join([row[0], row[1], row[3], row[4], row[5]]) + " |" for row in columns)


def user_scripts(folder: Path) -> str:
    """Return the table of the last run of benchmarks/user_scripts.py."""
    rows: dict[str, Any] = json.loads((ROOT / "benchmarks" / "user_scripts.json").read_text())
    return table_of_scripts(rows)


def recipes(folder: Path) -> str:
    """Return how each script of the last run of benchmarks/user_scripts.py was started."""
    rows: dict[str, Any] = json.loads((ROOT / "benchmarks" / "user_scripts.json").read_text())
    return table_of_commands(rows)


def fuzz(folder: Path) -> str:
    """Return the table of the last `make fuzz`."""
    counts: dict[str, Any] = json.loads((ROOT / "benchmarks" / "fuzz.json").read_text())
    return table_of_fuzz(counts)


def versions(folder: Path) -> str:
    """Return the table of the last `make test-versions`."""
    return table_of_versions(json.loads((ROOT / "benchmarks" / "versions.json").read_text()))


def faults(folder: Path) -> str:
    """Return the table of the last `make torture`."""
    return table_of_faults()


BLOCKS = (report, record, explain, accuracy, accuracy_short, speed, user_scripts, recipes, fuzz, versions, faults)
"""In the order in which they can be made: later ones read what earlier ones have written."""


def main() -> None:
    """Replace every block of every page."""
    with tempfile.TemporaryDirectory() as folder:
        texts = {block.__name__: block(Path(folder)) for block in BLOCKS}
    for page in PAGES:
        text = page.read_text()
        for name, shown in texts.items():
            begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
            if begin in text:
                head, rest = text.split(begin)
                text = "\n".join((head + begin, shown, end + rest.split(end)[1]))
        page.write_text(text)


if __name__ == "__main__":
    main()
