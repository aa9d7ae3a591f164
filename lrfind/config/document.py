"""The document of a config before it is checked: text, overrides, composition, variables."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lrfind.config.lightning_cli import KEYS
from lrfind.config.schema import Config
from lrfind.config.yaml_limits import MOST_BYTES, SHALLOW, checked_nodes
from lrfind.errors import Fault, MisfitError, did_you_mean, first_line, user_code

VARIABLES = ("vars", "imports")
"""Sections that other values refer to, as they may to keys that begin with an underscore."""


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


def parse(text: str, overrides: Sequence[str] = ()) -> DictConfig:
    """Return the document in the text of a config, with overrides applied.

    Raises:
        MisfitError: The text is not a YAML mapping, or an override cannot be applied.
    """
    return overridden(document_of_text(text), overrides)


def document_of_mapping(source: Mapping[str, Any]) -> DictConfig:
    """Return a copy of the document that a script holds, with or without the restrictions of Hydra."""
    document = cast(DictConfig, OmegaConf.create(cast(Any, source)))
    OmegaConf.set_struct(document, False)
    OmegaConf.set_readonly(document, False)
    return document


def document_of_text(text: str) -> DictConfig:
    """Return the document in the text of a config.

    Raises:
        MisfitError: The text is not a YAML mapping.
    """
    try:
        root = checked_nodes(text)
        if not isinstance(root, yaml.MappingNode):
            got = "an empty file" if root is None else f"a {type(root).__name__[:-4].lower()}"
            raise MisfitError(Fault(expected="a mapping of config keys at the top", got=got))
        if {"schema", "sweeps"} <= {key.value for key, _ in root.value if isinstance(key, yaml.ScalarNode)}:
            raise MisfitError(Fault(expected="a config", got="a record", fix="name the config of its run"))
        return cast(DictConfig, OmegaConf.create(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise MisfitError(Fault(where, problem=f"not valid YAML: {error.problem}")) from error
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        raise MisfitError(Fault(problem=f"not valid YAML: {first_line(error)}")) from error
    except RecursionError as error:
        raise MisfitError(Fault(expected=SHALLOW, got="more")) from error


def overridden(document: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Return a document after applying `key=value`, `+key=value` and `~key` to it.

    Raises:
        MisfitError: An override cannot be applied.
    """
    for override in overrides:
        if override.startswith("~"):
            _drop(document, override[1:].partition("=")[0])
        else:
            _apply(document, override.lstrip("+"))
    return document


def set_values(document: DictConfig, values: Mapping[str, Any]) -> None:
    """Set values at dotted keys of a document."""
    for key, value in values.items():
        section = key.rpartition(".")[0]
        if not section or section not in document or isinstance(document[section], DictConfig):
            OmegaConf.update(document, key, value, force_add=True)  # else `validated` finds the section at fault


def _drop(document: DictConfig, key: str) -> None:
    """Take a key away."""
    *sections, name = key.split(".")
    section: Any = document
    for part in sections:
        section = section.get(part) if isinstance(section, DictConfig) else None
    if not isinstance(section, DictConfig) or name not in section:
        known = [str(each) for each in section] if isinstance(section, DictConfig) else []
        fix = did_you_mean(name, known, f"known here: {', '.join(known)}" if known else "")
        raise MisfitError(Fault(f"~{key}", expected="a key that is there", got="none", fix=fix))
    del section[name]


def _apply(document: DictConfig, override: str) -> None:
    """Apply one `key=value` to a document; a node of another `_target_` replaces the one that is there."""
    key, equals, value = override.partition("=")
    if not (key and equals):
        expected = "an override of the form key=value, such as sweep.num_iter=200"
        raise MisfitError(Fault(override, expected=expected))
    try:
        checked_nodes(value, key)
        new, old = _value_at(OmegaConf.from_dotlist([override]), key), _value_at(document, key)
        nodes = isinstance(new, dict) and isinstance(old, dict) and "_target_" in new
        if nodes and new["_target_"] != old.get("_target_"):
            OmegaConf.update(document, key, new, merge=False)
        else:
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


def _value_at(document: Any, key: str) -> Any:
    """Return the value at a dotted key, its references unresolved; None if there is none."""
    value: Any = OmegaConf.to_container(document)
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def import_modules(document: DictConfig) -> None:
    """Import what `imports` names, such as a module that registers resolvers."""
    names = document.get("imports") or ()
    for name in (names,) if isinstance(names, str) else names:
        with user_code(f"importing {name}", key="imports"):
            importlib.import_module(str(name))


def resolved_values(document: DictConfig, *, foreign: bool) -> dict[Any, Any]:
    """Return the values of a document without its variables, and of a foreign one without what lrfind does not know.

    A key of a foreign document that is almost one of lrfind's stays, so that it is found at fault.
    """
    resolved: dict[Any, Any] = {}
    known, unused = [*Config.model_fields, *(KEYS if foreign else ())], []
    for name in document:
        if name in VARIABLES or str(name).startswith("_"):
            continue
        if foreign and not difflib.get_close_matches(str(name), known, 1, cutoff=0.85):
            unused.append(str(name))
            continue
        try:
            value = document[name]
            value = (
                OmegaConf.to_container(value, resolve=True, throw_on_missing=True)
                if OmegaConf.is_config(value)
                else value
            )
        except RecursionError as error:
            raise MisfitError(Fault(expected=SHALLOW, got="more")) from error
        except OmegaConfBaseException as error:
            raise MisfitError(Fault(getattr(error, "full_key", None) or "", problem=first_line(error))) from error
        if foreign and name == "train" and not isinstance(value, dict):
            unused.append("train")
        else:
            resolved[name] = value
    return resolved | ({"unused": unused} if unused else {})
