"""What a shell offers at the Tab key, beside the names of commands, flags and choices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def trainings(incomplete: str) -> list[str]:
    """Return folders, scripts and configs whose names begin so."""
    return list(_files(incomplete, (".py", ".yaml", ".yml")))


def records(incomplete: str) -> list[str]:
    """Return folders, records and tables whose names begin so."""
    return list(_files(incomplete, (".json", ".jsonl", ".csv", ".log", ".txt")))


def overrides(incomplete: str) -> list[str]:
    """Return the keys of a config that begin so, each with its `=`, and further configs."""
    from lrfind.config.load import keys_of_config  # loads pydantic, which plot and analyze do without

    keys = (key for key in keys_of_config() if key.startswith(incomplete))
    return [*keys, *_files(incomplete, (".yaml", ".yml"))] if "=" not in incomplete else []


def _files(incomplete: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    folder = Path(incomplete if incomplete.endswith("/") else Path(incomplete).parent).expanduser()
    begun = incomplete.rpartition("/")[0] + "/" * ("/" in incomplete)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if (found := begun + path.name).startswith(incomplete) and not path.name.startswith("."):
            if path.is_dir():
                yield f"{found}/"
            elif path.suffix in suffixes:
                yield found
