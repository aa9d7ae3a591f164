"""The config that `explain` trains: the one on disk, unless the user trusts the record's own.

A record is data. Its config names targets that would run as code, so it is trained only if the user says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lrfind.config.load import make_importable, validated, with_checkpoint
from lrfind.config.paths import with_paths
from lrfind.config.schema import Config
from lrfind.config.validate import check_targets
from lrfind.errors import ConfigError, Fault, short
from lrfind.records.types import Result
from lrfind.training.distributed.launch import read_launch

NO_PART = ("output", "sweep", "probes", "analysis", "refine", "scheduler", "device")
"""Sections of a config that a training at a constant learning rate does not depend on, or that a flag decides."""
TRUST = "--trust-record"


def trusted_config(result: Result, name: str, place: Path, device: str | None = None) -> Config:
    """Return the config that a record holds, after checking all that can be checked without building anything.

    Args:
        result: The record, whose targets are imported.
        name: Name of the record, for error messages.
        place: Path of the config, which need not exist any more; its folder becomes importable.
        device: Instead of the one in the config.

    Raises:
        ConfigError: The config of the record cannot be trained from, or not here.
    """
    document = {**result.config, **({} if device is None else {"device": device})}
    document = with_paths(document, lambda given: _found_again(given, result, place))
    config = _found(validated(document, name, {"device": "--device"} if device else {}), result, name, place)
    read_launch(config.parallel, config.train.world_size, name)
    make_importable(place)
    return check_targets(config, name)


def _found(config: Config, result: Result, name: str, place: Path) -> Config:
    """Return `config` with the path of its checkpoint: as recorded, or at the same place relative to the config."""
    given = config.train.checkpoint
    if given is None or Path(given).is_file():
        return config
    moved = _moved(given, result, place)
    if not moved.is_file():
        fix = "put it there, or go to the folder of the run"
        raise ConfigError(
            name, [Fault("train.checkpoint", expected="a file", got=f"none at {given} or {moved}", fix=fix)]
        )
    return with_checkpoint(config, moved)


def _found_again(given: str, result: Result, place: Path) -> str:
    moved = _moved(given, result, place)
    return str(moved) if moved.exists() and not Path(given).exists() else given


def _moved(given: str, result: Result, place: Path) -> Path:
    """Return a path of a record, at the same place relative to the config as when it was run."""
    return place.parent / os.path.relpath(given, Path(result.source or "").parent)


def differences(config: Config, result: Result) -> list[str]:
    """Return the differences between a config and that of a record that a training depends on, in words."""
    here, there = (
        dict(_flat({key: value for key, value in document.items() if key not in NO_PART}))
        for document in (config.model_dump(mode="json"), result.config)
    )
    keys = [key for key in here if here[key] != there.get(key, here[key])]
    keys += [key for key in there if key not in here and there[key] is not None]
    # A path depends on where lrfind runs.
    moved = [key for key in keys if Path(str(here.get(key))).name == Path(str(there.get(key))).name]
    keys = [key for key in keys if key not in moved]
    return [f"{key} ({_said(here, key)} in the file, {_said(there, key)} in the record)" for key in keys]


def _said(document: Mapping[str, Any], key: str) -> str:
    return short(document[key]) if key in document else "nothing"


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings by their dotted keys."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}".lstrip("."))
    else:
        yield key, value
