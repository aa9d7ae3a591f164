"""What a shell offers at the Tab key, beside the names of commands, flags and choices."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def trainings(incomplete: str) -> list[str]:
    """Return folders, scripts and configs whose names begin so."""
    return list(_files(incomplete, (".py", ".yaml", ".yml")))


def records(incomplete: str) -> list[str]:
    """Return folders, records and tables whose names begin so."""
    return list(_files(incomplete, (".json", ".jsonl", ".csv", ".log", ".txt")))


def overrides(incomplete: str) -> list[str]:
    """Return the keys of a config that begin so, each with its `=`, and further configs."""
    keys = (key for key in _loaded("lrfind.config.load").keys_of_config() if key.startswith(incomplete))
    return [*keys, *_files(incomplete, (".yaml", ".yml"))] if "=" not in incomplete else []


def schedulers(incomplete: str) -> list[str]:
    """Return the names of schedulers that begin so."""
    return [name for name in _loaded("lrfind.schedule.kinds").KINDS if name.startswith(incomplete)]


def _loaded(module: str) -> Any:
    """Return a module that loads pydantic or NumPy, which the help does without."""
    return importlib.import_module(module)


def _files(incomplete: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    folder = Path(incomplete if incomplete.endswith("/") else Path(incomplete).parent).expanduser()
    begun = incomplete.rpartition("/")[0] + "/" * ("/" in incomplete)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if (found := begun + path.name).startswith(incomplete) and not path.name.startswith("."):
            if path.is_dir():
                yield f"{found}/"
            elif path.suffix in suffixes:
                yield found
