"""Filling a learning rate into the text of a config; the rest of the text stays."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from lrfind.config.document import parse, read_text
from lrfind.config.load import find_checkpoint
from lrfind.config.paths import paths_beside
from lrfind.config.schema import Config
from lrfind.config.targets import resolve, target_nodes
from lrfind.config.validate import first_parameter, takes
from lrfind.config.yaml_edit import CannotEditError, Key, differences, set_value
from lrfind.errors import Fault, MisfitError, blamed_on


@dataclass(frozen=True)
class Draft:
    """A config to fill a learning rate into.

    Attributes:
        path: Where it lies.
        text: Its text, with the byte order mark if it has one.
        overrides: Each `key=value` of the sweep; they are filled in as well.
        config: What the text says with them and with the flags of the command; the flags are not filled in.
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

        The result describes the training that was swept, apart from these learning rates and the references to them
        (`${optimizer.lr}`).

        Raises:
            ConfigError: Changing these values alone cannot do it.
        """
        text = self.text
        path: tuple[Key, ...] = ()
        with blamed_on(str(self.path)):
            wanted = self._wanted(lr)
            try:
                for path, value in differences(_values(text), wanted):
                    text = set_value(text, path, value)
                written = _values(text)
            except (CannotEditError, yaml.YAMLError, MisfitError) as error:
                raise _misfit(f"cannot set {_dotted(path)} in the file: {error}", "write it there by hand") from error
            for path, _ in (*differences(wanted, written), *differences(written, wanted)):
                problem = f"cannot set the learning rate without changing {_dotted(path)}"
                raise _misfit(problem, "write both out, without an anchor")
        return text

    def _wanted(self, lr: float) -> Any:
        wanted, config = self._swept_with(), self.config
        old = (config.optimizer or {}).get("lr")
        wanted["optimizer"]["lr"] = lr
        for index, group in enumerate(config.param_groups):
            if group.lr is not None and old:
                if not isinstance(wanted["param_groups"], list) or not isinstance(wanted["param_groups"][index], dict):
                    raise _misfit(f"param_groups.{index}.lr comes from elsewhere by a reference", "write it out")
                # Twelve digits hold the ratio, and none of them shows that it was multiplied.
                wanted["param_groups"][index]["lr"] = float(f"{group.lr / old * lr:.12g}")
        return wanted

    def _swept_with(self) -> Any:
        values = _values(self.text, self.overrides)
        if not isinstance(values.get("optimizer"), dict):
            raise _misfit(f"the file has no node optimizer, but {values.get('optimizer')}", "write it out there")
        return values


def read_draft(path: Path, overrides: Sequence[str], config: Config, out: Path) -> Draft:
    """Return the config at `path` as a draft, after checking that `out` can be made from it.

    Args:
        path: The config.
        overrides: Each `key=value` that is swept with.
        config: What the config says with them, its targets checked.
        out: Where the filled config will lie.

    Raises:
        ConfigError: The training takes its learning rate from elsewhere than the config, the text cannot be changed in
            that place alone, or the config would lose what lies beside it.
    """
    with blamed_on(str(path)):
        text = read_text(path)
        if "defaults" in parse(text):
            problem = "the config is composed of several files"
            raise _misfit(problem, "drop the flag, and set optimizer.lr in the one that it stands in")
        if config.optimizer is None:
            problem = "the config has no optimizer to set lr of"
            raise _misfit(problem, "drop the flag, and set it in configure_optimizers")
        target = config.optimizer["_target_"]
        if not takes(resolve(target, "optimizer"), "lr"):
            problem = f"{target} takes no argument lr, so optimizer.lr does nothing"
            raise _misfit(problem, "give it one, or drop the flag")
        draft = Draft(path, text, tuple(overrides), config)
        draft.filled(config.sweep.start_lr)
        if lost := list(_left_behind(draft, out)):
            problem = f"the config finds {', '.join(lost)} in its own folder, but {out} lies in another"
            raise _misfit(problem, f"name {path.parent / out.name}")
        return draft


def _misfit(problem: str, fix: str) -> MisfitError:
    return MisfitError(Fault("--write-config", problem=problem, fix=fix))


def _left_behind(draft: Draft, out: Path) -> Iterator[str]:
    """Yield what the config finds in its own folder, and would not find in the folder of `out`."""
    here, there = draft.path.resolve().parent, out.resolve().parent
    if here == there:
        return
    targets = {node["_target_"] for _, node in target_nodes(draft.config.model_dump())}
    for name in sorted({target.partition(".")[0] for target in targets}):
        spec = importlib.util.find_spec(name)
        places = [] if spec is None else spec.submodule_search_locations or [spec.origin or ""]
        if here in [Path(place).resolve().parent for place in places]:
            yield f"the module {name}"
    document = OmegaConf.to_container(parse(draft.text, draft.overrides))
    for path in paths_beside(document, here):
        if not (there / path).exists():
            yield f"the path {path}"
    given = OmegaConf.select(parse(draft.text, draft.overrides), "train.checkpoint")
    if given is not None:
        file, file_there = find_checkpoint(given, draft.path), find_checkpoint(given, out)
        if file and not (file_there and file_there.samefile(file)):
            yield f"the checkpoint {given}"


def _values(text: str, overrides: Sequence[str] = ()) -> Any:
    """Return the values of a config, its references unresolved."""
    return OmegaConf.to_container(parse(text, overrides))


def _dotted(path: Sequence[Key]) -> str:
    return ".".join(map(str, path)) or "the learning rate"
