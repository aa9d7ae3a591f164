"""The place of this process among those that torchrun started: read from the environment, without torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from lrfind.errors import ConfigError, Fault

TORCHRUN = "torchrun --nproc-per-node N -m lrfind run CONFIG"


@dataclass(frozen=True)
class Launch:
    """The place of this process among those that train together.

    Attributes:
        rank: Its number among all, from 0.
        local_rank: Its number on this machine, from 0.
        size: Number of processes.
    """

    rank: int
    local_rank: int
    size: int


def is_first(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether this process speaks and writes for all, as the first or the only one does."""
    return is_alone(environ) or environ.get("RANK", "0") == "0"


def is_alone(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether torchrun has started no other process beside this one."""
    return environ.get("WORLD_SIZE", "1") == "1"


def read_launch(
    parallel: str | None, world_size: int, source: str, environ: Mapping[str, str] = os.environ
) -> Launch | None:
    """Return the place of this process, None if it trains alone.

    Args:
        parallel: The key `parallel` of the config; None is ddp, if there are several processes.
        world_size: Its key `train.world_size`.
        source: Name of the config, for error messages.
        environ: The environment, in which torchrun leaves RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT.

    Raises:
        ConfigError: The environment is incomplete, or does not fit the config.
    """
    if fault := _misfit(parallel, world_size, environ):
        raise ConfigError(source, [fault])
    if int(environ.get("WORLD_SIZE", "1")) == 1:
        return None
    return Launch(int(environ["RANK"]), int(environ["LOCAL_RANK"]), int(environ["WORLD_SIZE"]))


def _misfit(parallel: str | None, world_size: int, environ: Mapping[str, str]) -> Fault | None:
    """Return what is wrong with the environment, or does not fit the config; None if a training can start."""
    given = environ.get("WORLD_SIZE")
    if given is None:
        fix = f"start them with {TORCHRUN}, or let one stand for N with train.world_size=N, or set parallel=null"
        fault = Fault("parallel", expected="several processes", got="one", fix=fix)
        return fault if parallel and world_size == 1 else None
    size = _whole(given)
    if not size:
        fix = f"start them with {TORCHRUN}"
        return Fault("WORLD_SIZE", expected="the number of processes", got=repr(given), fix=fix)
    if size == 1:
        return None
    if world_size not in (1, size):
        fix = f"drop it, or start {world_size} processes"
        return Fault("train.world_size", expected=f"the {size} processes that run", got=str(world_size), fix=fix)
    names = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    rank, local_rank, _, port = (_whole(environ.get(name, "")) for name in names)
    rank = -1 if rank is None else rank
    checks = (
        *((name, bool(environ.get(name)), f"a value in the environment beside WORLD_SIZE={size}") for name in names),
        ("RANK", 0 <= rank < size, f"a number from 0 to {size - 1}"),
        ("LOCAL_RANK", local_rank is not None and local_rank <= rank, f"a number from 0 to RANK={rank}"),
        ("MASTER_PORT", port is not None, "a port"),
    )
    for name, fits, expected in checks:
        if not fits:
            got = repr(environ[name]) if environ.get(name) else "none"
            return Fault(name, expected=expected, got=got, fix=f"start it with {TORCHRUN}")
    return None


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
