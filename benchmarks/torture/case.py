"""What a run has left behind, and what is wrong with that."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lrfind
from torture.process import Ended

FILES = Path(__file__).with_name("files")
SWEEP = 30
"""Steps of the sweep in files/train.yaml."""
SCRIPT = ("--num-iter", str(SWEEP), "--start-lr", "1e-5", "--budget", "75")
"""What a script is run with, to be as short."""
OWN_FRAME = f'File "{Path(lrfind.__file__).parent}'
"""A line of a traceback of lrfind's own."""


@dataclass
class Case:
    """A folder with a training, as a config or as a script.

    Attributes:
        folder: Where it runs.
        script: Whether it is a script.
    """

    folder: Path
    script: bool

    def __post_init__(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(FILES, self.folder)
        self.environment = {"STEPS": str(self.folder / "steps")}

    @property
    def arguments(self) -> list[str]:
        """The arguments of `lrfind`."""
        target = ["train.py", *SCRIPT] if self.script else ["train.yaml"]
        return ["run", *target, "--json", "--out", "out"]

    @property
    def steps(self) -> int:
        """The steps of trainings that have begun."""
        file = self.folder / "steps"
        return file.stat().st_size if file.exists() else 0

    @property
    def record(self) -> Path:
        """Where the record of a whole run stands."""
        return self.folder / "out" / "train.lrfind.json"

    def documents(self) -> Iterator[dict[str, Any]]:
        """Yield the records there are, that of a part of a run first.

        Raises:
            ValueError: One of them is torn.
        """
        for name in ("train.partial.lrfind.json", "train.lrfind.json"):
            file = self.folder / "out" / name
            if file.is_file():
                yield json.loads(file.read_text())

    def kept(self) -> int | None:
        """Return how many losses the fullest record holds; None if one of them is torn."""
        try:
            return max(map(updates, self.documents()), default=0)
        except ValueError:
            return None

    def litter(self) -> list[str]:
        """Return the temporary files that were left."""
        return [file.name for file in (self.folder / "out").glob(".lrfind-*")]


def updates(document: dict[str, Any]) -> int:
    """Return how many losses a record holds."""
    return sum(len(each["losses"]) for kind in ("sweeps", "probes") for each in document[kind])


def common_faults(ended: Ended) -> Iterator[str]:
    """Yield what must not happen in any run."""
    if ended.code == -999 or ended.seconds > 80:
        yield "hang"
    if OWN_FRAME in ended.err:
        yield "traceback"
    if ended.orphans:
        yield "orphan"
