"""Configs of Hydra projects: composed from the files that their defaults list names, by Hydra itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lrfind.errors import Fault, MisfitError


def compose(path: Path, defaults: object, overrides: Sequence[str]) -> DictConfig:
    """Return the config at `path` with its defaults list composed, as `hydra.compose` does it.

    A key that the project lacks need not be marked by `+`, so that settings of lrfind can be given. `${hydra:...}` can
    be resolved afterwards; the output folder of the run is the working directory.

    Args:
        path: The primary config.
        defaults: Its defaults list.
        overrides: In Hydra's grammar: `model=resnet`, `+trainer=gpu`, `~callbacks`, `sweep.num_iter=200`.

    Raises:
        MisfitError: Hydra finds a fault.
    """
    given = [override if _is_of_hydra(override, path.parent, defaults) else f"++{override}" for override in overrides]
    try:
        with _no_app(), hydra.initialize_config_dir(str(path.resolve().parent), version_base=None):
            document = hydra.compose(path.stem, given, return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise MisfitError(Fault(getattr(error, "override", ""), problem=" ".join(str(error).split()))) from error
    OmegaConf.set_struct(document, False)
    if not GlobalHydra.instance().is_initialized():  # by an app, whose own it would be
        document.hydra.runtime.output_dir = str(Path.cwd())
        HydraConfig.instance().set_config(document)
    del document["hydra"]
    return document


def _is_of_hydra(override: str, folder: Path, defaults: object) -> bool:
    """Tell whether an override says by itself what it does: it has a prefix, or chooses a config of a group."""
    key = override.partition("=")[0]
    entries = [entry for entry in defaults if isinstance(entry, Mapping)] if isinstance(defaults, ListConfig) else []
    groups = {str(name).split()[-1].removeprefix("/").partition("@")[0] for entry in entries for name in entry}
    return key[:1] in ("+", "~") or "/" in key or "@" in key or key in groups or (folder / key).is_dir()


@contextlib.contextmanager
def _no_app() -> Iterator[None]:
    """Set the Hydra app aside that runs in this process, if there is one."""
    app, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = app
