"""The files of a run, on disk from its first sweep on: what ends the run, even a kill, does not end them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from lrfind.errors import LrfindError, OutputError
from lrfind.output.files import record_path, write_atomically
from lrfind.output.formats import save
from lrfind.output.look import PLAIN, Look
from lrfind.output.streams import tell
from lrfind.records.json_format import to_json, to_result
from lrfind.records.read import only, parse, read_text
from lrfind.records.types import Result


class RunFiles:
    """Record and plot of a run; those of one that was cut short do not replace the record of one that was not.

    Args:
        stem: Path of the files without their suffixes.
    """

    def __init__(self, stem: Path) -> None:
        self._folder = stem.parent
        self._whole = Path(os.path.abspath(stem))  # the training may go to another folder  # noqa: PTH100
        self._part = self._whole.with_name(f"{stem.name}.partial")
        self._stands = _is_whole(record_path(self._whole))
        self._kept = False

    def _stem(self, result: Result) -> Path:
        return self._part if self._stands and result.cut_short else self._whole

    def keep(self, result: Result) -> None:
        """Write the record of what is known so far; if that fails, so will the last one, which tells."""
        record = record_path(self._stem(result))
        if not record.exists() or record.is_file():  # a pipe would take only the first
            with contextlib.suppress(OutputError):
                write_atomically(record, (to_json(result) + "\n").encode())
                self._kept = True

    def save(self, result: Result, plot: str, look: Look = PLAIN) -> tuple[list[Path], str | None]:
        """Write record and plot of the whole run; return the written files, and a fault that stopped it."""
        stem = self._stem(result)
        files, fault = save(result, stem, plot, look)
        if files and stem == self._part:
            whole = self._folder / record_path(self._whole).name
            tell(f"lrfind: {whole} is of a run that was not cut short, and stays as it is")
        elif files and self._kept and self._stands:
            with contextlib.suppress(OSError):
                record_path(self._part).unlink()
        return [self._folder / file.name for file in files], fault


def _is_whole(record: Path) -> bool:
    """Tell whether a file is the record of a run that was not cut short."""
    if not record.is_file():
        return False
    try:
        content = only(parse(read_text(str(record)), str(record)), str(record))
        return not to_result(content, str(record)).cut_short
    except LrfindError:
        return False
