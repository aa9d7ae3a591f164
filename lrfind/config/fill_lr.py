"""A config with the learning rate that was found filled in, the rest of its text as it is."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from lrfind.config.load import find_checkpoint, parse, read_text
from lrfind.config.schema import Config
from lrfind.config.validate import first_parameter, resolve, takes, target_nodes
from lrfind.config.yaml_edit import CannotEditError, Key, differences, set_value
from lrfind.errors import ConfigError, Fault

FLAG = "--write-config"


@dataclass(frozen=True)
class Draft:
    """A config whose learning rate is to be filled in.

    Attributes:
        path: Where it lies.
        text: Its text, with the byte order mark if it has one.
        overrides: Each `key=value` that was swept with; they are filled in as well.
        config: What it says with them, and with the flags of the command, which are not filled in.
    """

    path: Path
    text: str
    overrides: Sequence[str]
    config: Config

    @property
    def reference(self) -> str | None:
        """What `optimizer.lr` was taken from, if the file names no number there, such as `${oc.env:LR}`."""
        lr = self._swept_with()["optimizer"].get("lr")
        return lr if isinstance(lr, str) and "${" in lr else None

    @property
    def makes_own_groups(self) -> bool:
        """Whether the optimizer takes the model, and so makes the parameter groups itself."""
        target = (self.config.optimizer or {}).get("_target_", "")
        return first_parameter(resolve(target, "optimizer")) == "model"

    def filled(self, lr: float) -> str:
        """Return the text with `optimizer.lr` set, the lr of parameter groups at their ratios to it, and the overrides.

        Read back, it says what was swept with, these learning rates apart and what refers to them (`${optimizer.lr}`).

        Raises:
            ConfigError: That cannot be reached by changing these values alone.
        """
        wanted, text = self._wanted(lr), self.text
        path: tuple[Key, ...] = ()
        try:
            for path, value in differences(_values(self.text, self.path), wanted):
                text = set_value(text, path, value)
            written = _values(text, self.path)
        except (CannotEditError, yaml.YAMLError, ConfigError) as error:
            raise self._error(f"cannot set {_dotted(path)} in the file: {error}", "write it there by hand") from error
        for path, _ in (*differences(wanted, written), *differences(written, wanted)):
            problem = f"cannot set the learning rate without changing {_dotted(path)}"
            raise self._error(problem, "write both out, without an anchor")
        return text

    def _wanted(self, lr: float) -> Any:
        wanted, config = self._swept_with(), self.config
        old = (config.optimizer or {}).get("lr")
        wanted["optimizer"]["lr"] = lr
        for index, group in enumerate(config.param_groups):
            if group.lr is not None and old:
                if not isinstance(wanted["param_groups"], list) or not isinstance(wanted["param_groups"][index], dict):
                    raise self._error(f"param_groups.{index}.lr comes from elsewhere by a reference", "write it out")
                # Twelve digits hold the ratio, and none of them shows that it was multiplied.
                wanted["param_groups"][index]["lr"] = float(f"{group.lr / old * lr:.12g}")
        return wanted

    def _swept_with(self) -> Any:
        values = _values(self.text, self.path, self.overrides)
        if not isinstance(values.get("optimizer"), dict):
            problem = f"the file has no node optimizer, but {values.get('optimizer')}"
            raise self._error(problem, "write it out there")
        return values

    def _error(self, problem: str, fix: str) -> ConfigError:
        return ConfigError(str(self.path), [Fault(FLAG, problem=problem, fix=fix)])


def read_draft(path: Path, overrides: Sequence[str], config: Config, out: Path) -> Draft:
    """Return the config at `path` as a draft, once it is sure that `out` can be made of it.

    Args:
        path: The config.
        overrides: Each `key=value` that is swept with.
        config: What the config says with them, its targets checked.
        out: Where the filled config will lie.

    Raises:
        ConfigError: The training takes its learning rate from elsewhere than the config, the text cannot be changed in
            that place alone, or the config would lose what lies beside it.
    """

    def error(problem: str, fix: str) -> ConfigError:
        return ConfigError(str(path), [Fault(FLAG, problem=problem, fix=fix)])

    if config.optimizer is None:
        raise error("the config has no optimizer to set lr of", "drop the flag, and set it in configure_optimizers")
    target = config.optimizer["_target_"]
    if not takes(resolve(target, "optimizer"), "lr"):
        raise error(f"{target} takes no argument lr, so optimizer.lr does nothing", "give it one, or drop the flag")
    draft = Draft(path, read_text(path), tuple(overrides), config)
    draft.filled(config.sweep.start_lr)
    if lost := list(_left_behind(draft, out)):
        beside = path.parent / out.name
        raise error(
            f"the config finds {', '.join(lost)} in its own folder, but {out} lies in another", f"name {beside}"
        )
    return draft


def _left_behind(draft: Draft, out: Path) -> Iterator[str]:
    """Yield what the config takes from its own folder, and would not find in that of `out`."""
    here, there = draft.path.resolve().parent, out.resolve().parent
    targets = {node["_target_"] for _, node in target_nodes(draft.config.model_dump())}
    for name in sorted({target.partition(".")[0] for target in targets}):
        if here != there and here in _folders(name):
            yield f"the module {name}"
    given = OmegaConf.select(parse(draft.text, draft.path, draft.overrides), "train.checkpoint")
    if given is not None and _file(given, draft.path) != _file(given, out):
        yield f"the checkpoint {given}"


def _folders(module: str) -> list[Path]:
    """Return the folders that a module was found in."""
    spec = importlib.util.find_spec(module)
    places = [] if spec is None else spec.submodule_search_locations or [spec.origin or ""]
    return [Path(place).resolve().parent for place in places]


def _file(checkpoint: str, config: Path) -> Path | None:
    found = find_checkpoint(checkpoint, config)
    return found and found.resolve()


def _values(text: str, path: Path, overrides: Sequence[str] = ()) -> Any:
    """Return what a config says, references as they are written."""
    return OmegaConf.to_container(parse(text, path, overrides))


def _dotted(path: Sequence[Key]) -> str:
    return ".".join(map(str, path)) or "the learning rate"
