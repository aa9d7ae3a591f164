"""Write the figures, tables and examples of README.md from real runs.

    python benchmarks/readme.py

Each block of the README between `<!-- begin: NAME -->` and `<!-- end: NAME -->` is replaced by what the function of
that name in this file returns.
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
from speed import table

ROOT = Path(__file__).parent.parent
PICTURE = Path("benchmarks") / "digits.png"
EXPLAINED = Path("benchmarks") / "explain.png"
RECORD = "digits.lrfind.json"
KEPT = 3
"""Numbers of a long list that the README shows."""


def report(folder: Path) -> str:
    """Return what the command of the README prints, and keep its picture."""
    (folder / "configs").symlink_to(ROOT / "configs")  # the record names the config as the command does
    shown = _console(folder, "run configs/digits.yaml", "--device", "cpu")
    (ROOT / PICTURE).write_bytes((folder / "digits.lrfind.png").read_bytes())
    return shown


def explain(folder: Path) -> str:
    """Return what `lrfind explain` prints of the run of `report`, and keep its picture."""
    shown = _console(folder, f"explain {RECORD}")
    (ROOT / EXPLAINED).write_bytes((folder / "digits.lrfind.explain.png").read_bytes())
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
    picture.draw(ROOT / "benchmarks" / "accuracy.png")
    reliability.draw(ROOT / "benchmarks" / "reliability.png")
    return summary()


def main() -> None:
    """Replace every block of the README."""
    readme = ROOT / "README.md"
    text = readme.read_text()
    with tempfile.TemporaryDirectory() as folder:
        for block in (report, record, explain, accuracy, speed):
            name = block.__name__
            begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
            head, rest = text.split(begin)
            text = "\n".join((head + begin, block(Path(folder)), end + rest.split(end)[1]))
    readme.write_text(text)


if __name__ == "__main__":
    main()
