"""Reading a config file, with overrides, into a `Config`: every fault at once, each with its key path."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from lrfind.config.schema import Config
from lrfind.config.yaml_limits import MOST_BYTES, SHALLOW, checked_nodes
from lrfind.errors import CONFIG, ConfigError, Fault, MisfitError, blamed_on, did_you_mean, first_line, short
from lrfind.settings import range_of


def load_config(
    path: Path, overrides: Sequence[str] = (), flags: Mapping[str, tuple[str, Any]] | None = None
) -> Config:
    """Read the config at `path`.

    Args:
        path: A YAML file. Its folder becomes importable, so that `_target_: my_model.Net` finds `my_model.py`
            beside it, as it would for a script there.
        overrides: `key=value` pairs with dotted keys, applied in order.
        flags: `{key: (flag, value)}` for values set by command-line flags, applied last; a fault in such a
            value is reported under the name of the flag.

    Raises:
        ConfigError: The file cannot be read, or any key or value in it is at fault.
    """
    flags = flags or {}
    with blamed_on(str(path)):
        document = parse(read_text(path), overrides, {key: value for key, (_, value) in flags.items()})
        make_importable(path)
        try:
            resolved = OmegaConf.to_container(document, resolve=True, throw_on_missing=True)
        except RecursionError as error:
            raise MisfitError(Fault(expected=SHALLOW, got="more")) from error
        except OmegaConfBaseException as error:
            key = getattr(error, "full_key", None) or ""
            raise MisfitError(Fault(key, problem=first_line(error))) from error
        return _place_checkpoint(validated(resolved, str(path), {key: flag for key, (flag, _) in flags.items()}), path)


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


def read_text(path: Path) -> str:
    """Return the text of the config at `path`, line ends and byte order mark included.

    Raises:
        MisfitError: The file does not exist, or is not text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)  # a device may never end
        text = data.decode()
    except FileNotFoundError as error:
        neighbours = {file.stem: file for file in path.parent.glob("*.y*ml")} if path.parent.is_dir() else {}
        near = difflib.get_close_matches(path.stem, neighbours, n=1)
        fix = f"did you mean {neighbours[near[0]]}?" if near else "check the path"
        raise MisfitError(Fault(problem="no such file", fix=fix)) from error
    except IsADirectoryError as error:
        raise MisfitError(Fault(problem="is a folder", fix="name a YAML file")) from error
    except (OSError, ValueError) as error:  # ValueError: another encoding, or a NUL in the name
        raise MisfitError(Fault(problem=f"cannot be read as UTF-8 text: {error}")) from error
    if len(data) > MOST_BYTES:
        raise MisfitError(Fault(expected="a config", got="more than 1 MB"))
    return text


def parse(text: str, overrides: Sequence[str] = (), flags: Mapping[str, Any] | None = None) -> DictConfig:
    """Return the document in the text of a config, with overrides and then flags applied.

    Raises:
        MisfitError: The text is not a YAML mapping, or an override cannot be applied.
    """
    try:
        root = checked_nodes(text)
        if not isinstance(root, yaml.MappingNode):
            got = "an empty file" if root is None else f"a {type(root).__name__[:-4].lower()}"
            raise MisfitError(Fault(expected="a mapping of config keys at the top", got=got))
        if {"schema", "sweeps"} <= {key.value for key, _ in root.value if isinstance(key, yaml.ScalarNode)}:
            raise MisfitError(Fault(expected="a config", got="a record", fix="name the config of its run"))
        document = cast(DictConfig, OmegaConf.create(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise MisfitError(Fault(where, problem=f"not valid YAML: {error.problem}")) from error
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        raise MisfitError(Fault(problem=f"not valid YAML: {first_line(error)}")) from error
    except RecursionError as error:
        raise MisfitError(Fault(expected=SHALLOW, got="more")) from error
    for override in overrides:
        _apply(document, override)
    for key, value in (flags or {}).items():
        section = key.rpartition(".")[0]
        if not section or section not in document or isinstance(document[section], DictConfig):
            OmegaConf.update(document, key, value, force_add=True)  # else `validated` finds the section at fault
    return document


def _apply(document: DictConfig, override: str) -> None:
    """Apply one `key=value` to a document."""
    key, equals, value = override.partition("=")
    if not (key and equals):
        expected = "an override of the form key=value, such as sweep.num_iter=200"
        raise MisfitError(Fault(override, expected=expected))
    try:
        checked_nodes(value, key)
        document.merge_with_dotlist([override])
    except MisfitError:
        raise
    except yaml.MarkedYAMLError as error:
        raise MisfitError(Fault(override, problem=f"cannot be applied: not valid YAML: {error.problem}")) from error
    except RecursionError as error:
        raise MisfitError(Fault(key, expected=SHALLOW, got="more")) from error
    except TypeError as error:  # OmegaConf cannot merge a mapping with anything else
        raise MisfitError(Fault(key, expected="a mapping of keys", got=value)) from error
    except (yaml.YAMLError, OmegaConfBaseException, ValueError) as error:
        raise MisfitError(Fault(override, problem=f"cannot be applied: {first_line(error)}")) from error


def make_importable(path: Path) -> None:
    """Let `_target_: my_model.Net` find `my_model.py` beside the file at `path`."""
    folder = str(path.resolve().parent)
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


def _keys(section: Any) -> list[str]:
    """Return the keys of a section; none for a plain value."""
    fields: dict[str, Any] = getattr(section, "model_fields", None) or getattr(section, "__dataclass_fields__", {})
    return list(fields)
