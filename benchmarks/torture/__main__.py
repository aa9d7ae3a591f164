"""`python -m torture`: all parts, so many cases each, saved as they go."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from torture import environment, kills, training
from torture.process import adopt_orphans

PARTS = {"kills": (kills.one, 400), "environment": (environment.one, 60), "training": (training.one, 150)}
SAVE_EVERY = 5


def main(arguments: list[str]) -> None:
    """Run the parts that are named, or all."""
    adopt_orphans()
    counts = dict(argument.split("=") for argument in arguments)
    folder = tempfile.mkdtemp()  # a TemporaryDirectory would be removed by the exit handlers of each fork
    try:
        for part, (one, usual) in PARTS.items():
            if counts and part not in counts:
                continue
            file = Path(__file__).with_name(f"{part}.json")
            done: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
            for number in range(int(counts.get(part, usual))):
                if str(number) in done:
                    continue
                done[str(number)] = outcome = one(number, Path(folder, "run"))
                if outcome["problems"]:
                    print(part, number, outcome["kind"], outcome["problems"], flush=True)
                if number % SAVE_EVERY == 0:
                    _save(file, done)
            _save(file, done)
            print(part, len(done), "cases,", sum(bool(each["problems"]) for each in done.values()), "with problems")
    finally:
        shutil.rmtree(folder)


def _save(file: Path, done: dict[str, Any]) -> None:
    temporary = file.with_suffix(".tmp")
    lines = ",\n".join(f'"{number}": {json.dumps(outcome)}' for number, outcome in done.items())
    temporary.write_text(f"{{\n{lines}\n}}\n")
    temporary.replace(file)


if __name__ == "__main__":
    main(sys.argv[1:])
