"""Reading a config file, with overrides, into a `Config`: every fault at once, each with its key path."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from omegaconf import DictConfig
from pydantic import ValidationError

from lrfind.config.document import (
    document_of_mapping,
    document_of_text,
    import_modules,
    overridden,
    read_text,
    resolved_values,
    set_values,
)
from lrfind.config.lightning_cli import in_keys_of_lrfind, is_of_lightning
from lrfind.config.paths import beside, with_paths
from lrfind.config.schema import Config
from lrfind.errors import CONFIG, ConfigError, Fault, MisfitError, blamed_on, did_you_mean, short
from lrfind.settings import range_of

IN_MEMORY = "config"
"""Name of a config that is no file."""


def load_config(
    source: Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    flags: Mapping[str, tuple[str, Any]] | None = None,
) -> Config:
    """Read a config.

    Args:
        source: A YAML file. Its folder becomes importable, so that `_target_: my_model.Net` finds `my_model.py`
            beside it, as it would for a script there. Or what such a file holds; then the working directory does.
        overrides: `key=value` pairs with dotted keys, applied in order; `~key` takes a key away, and `+key=value` adds
            one. Those of a config with a defaults list are Hydra's.
        flags: `{key: (flag, value)}` for values set by command-line flags, applied last; a fault in such a
            value is reported under the name of the flag.

    Raises:
        ConfigError: The file cannot be read, or any key or value in it is at fault.
    """
    flags, path = flags or {}, source if isinstance(source, Path) else Path(IN_MEMORY)
    values = {key: value for key, (_, value) in flags.items()}
    with blamed_on(str(path)):
        document = document_of_text(read_text(path)) if isinstance(source, Path) else document_of_mapping(source)
        composed = "defaults" in document and isinstance(source, Path)
        document = _composed(path, document, overrides) if composed else overridden(document, overrides)
        set_values(document, values)
        make_importable(path)
        import_modules(document)
        lightning = is_of_lightning(document)
        resolved = resolved_values(document, foreign=composed or lightning or isinstance(source, DictConfig))
        resolved = in_keys_of_lrfind(resolved) if lightning else resolved
        resolved = with_paths(resolved, beside(path.parent))
        return _place_checkpoint(validated(resolved, str(path), {key: flag for key, (flag, _) in flags.items()}), path)


def _composed(path: Path, document: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Return a document with its defaults list composed; that loads Hydra, which help does without."""
    from lrfind.config.compose import compose

    return compose(path, document.defaults, overrides)


def validated(document: Any, source: str, names: Mapping[str, str] | None = None) -> Config:
    """Return the config that a document holds.

    Args:
        document: Nested mappings, without interpolations.
        source: Its name, for error messages.
        names: What the user calls a value, by its config key, if that is not the key.

    Raises:
        ConfigError: Keys or values in it are at fault.
    """
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        faults = ConfigError(source, [_fault(detail) for detail in error.errors(include_url=False)])
        faults.words = CONFIG.with_names(names or {})
        raise faults from error


def make_importable(path: Path) -> None:
    """Let `_target_: my_model.Net` find `my_model.py` beside the file at `path`, or in the working directory."""
    for folder in (str(Path.cwd()), str(path.resolve().parent)):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def _place_checkpoint(config: Config, path: Path) -> Config:
    """Return `config` with its checkpoint looked up in the config's folder, then in the working directory."""
    if config.train.checkpoint is None:
        return config
    file = find_checkpoint(config.train.checkpoint, path)
    if file is None:
        places = " or ".join(map(str, _places(config.train.checkpoint, path)))
        raise MisfitError(Fault("train.checkpoint", expected="a file", got=f"none at {places}", fix="correct the path"))
    return with_checkpoint(config, file)


def with_checkpoint(config: Config, file: Path) -> Config:
    """Return `config` with that file as its checkpoint."""
    return config.model_copy(update={"train": replace(config.train, checkpoint=str(file))})


def find_checkpoint(given: str, config: Path) -> Path | None:
    """Return the first file among the places where a checkpoint may lie; None if there is none.

    Args:
        given: Its path as the config gives it.
        config: Where the config lies.
    """
    return next((place for place in _places(given, config) if place.is_file()), None)


def _places(given: str, config: Path) -> list[Path]:
    path = Path(os.path.expanduser(given))  # noqa: PTH111 - which raises for an unknown user
    return list(dict.fromkeys((config.parent / path, path)))


def _fault(detail: Any) -> Fault:
    """Return an error of pydantic as a fault."""
    location = tuple(part for part in detail["loc"] if not str(part).startswith(("constrained-", "[key]")))
    kind, got, cause = detail["type"], short(detail["input"]), detail.get("ctx", {}).get("error")
    if isinstance(cause, MisfitError):
        fault = cause.fault
    elif kind in ("extra_forbidden", "unexpected_keyword_argument"):
        fault = Fault(problem="unknown key", fix=_nearest(location))
    elif kind in ("model_type", "dict_type", "dataclass_type"):
        fault = Fault(expected="a mapping of keys", got="nothing" if detail["input"] is None else got)
    elif kind == "missing":
        fault = Fault(expected="a value", got="none", fix="add this key")
    elif kind == "string_pattern_mismatch":
        fault = Fault(expected="auto, cpu, cuda, cuda:N, mps or xpu", got=got)
    elif kind in ("greater_than_equal", "less_than", "less_than_equal", "int_parsing_size"):
        fault = Fault(expected=_range(location), got=got)
    else:
        fault = Fault(expected=detail["msg"].removeprefix("Input should be "), got=got)
    return replace(fault, key=fault.key or ".".join(map(str, location)))


def _range(location: tuple[int | str, ...]) -> str:
    """Return in words the range of numbers that the field at a location takes."""
    *parents, name = location
    hint = get_type_hints(_section(parents), include_extras=True)[str(name)]
    numbers = next((each for each in (hint, *get_args(hint)) if get_origin(each) is Annotated), hint)
    kind, *limits = get_args(numbers)
    return range_of(kind, limits)


def _section(parents: Sequence[int | str]) -> Any:
    """Return the class that describes the section of a config at a location."""
    section: Any = Config
    for parent in parents:
        if isinstance(parent, str):
            hint = get_type_hints(section)[parent]
            section = next(each for each in (*get_args(hint), hint) if isinstance(each, type))
    return section


def _nearest(location: tuple[int | str, ...]) -> str:
    """Return which known key an unknown one may stand for."""
    *parents, last = location
    key, known, sections = str(last), _keys(_section(parents)), get_type_hints(Config)
    if elsewhere := [] if parents else [f"{name}.{key}" for name in known if key in _keys(sections[name])]:
        return f"did you mean {elsewhere[0]}?"
    return did_you_mean(key, known, f"known here: {', '.join(known)}")


def keys_of_config() -> list[str]:
    """Return the dotted keys of a config, each with the `=` of an override, or the dot of a node."""
    keys = []
    for name, hint in get_type_hints(Config).items():
        if name in _keys(Config):
            keys += [f"{name}.{key}=" for key in _keys(hint)] or [f"{name}." if "dict" in str(hint) else f"{name}="]
    return keys


def _keys(section: Any) -> list[str]:
    """Return the keys of a section; none for a plain value."""
    fields: dict[str, Any] = getattr(section, "model_fields", None) or getattr(section, "__dataclass_fields__", {})
    return [name for name in fields if name != "unused"]  # which lrfind writes itself
