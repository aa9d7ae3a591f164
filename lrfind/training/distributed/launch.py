"""What torchrun tells a process of its place among the others: read from the environment, without torch."""

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
        size: How many there are.
    """

    rank: int
    local_rank: int
    size: int


def is_first(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether this is the process that speaks and writes for all; yes, if there is only one."""
    return is_alone(environ) or environ.get("RANK", "0") == "0"


def is_alone(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether torchrun has started no other process beside this one."""
    return environ.get("WORLD_SIZE", "1") == "1"


def read_launch(
    parallel: str | None, world_size: int, source: str, environ: Mapping[str, str] = os.environ
) -> Launch | None:
    """Return the place of this process, None if it trains alone.

    Args:
        parallel: The key `parallel` of the config.
        world_size: Its key `train.world_size`.
        source: Name of the config, for error messages.
        environ: The environment, in which torchrun leaves RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT.

    Raises:
        ConfigError: The environment is not whole, or does not fit the config.
    """
    given = environ.get("WORLD_SIZE")
    if given is None:
        if parallel and world_size == 1:
            fix = f"start them with {TORCHRUN}, or let one stand for N with train.world_size=N, or set parallel=null"
            raise ConfigError(source, [Fault("parallel", expected="several processes", got="one", fix=fix)])
        return None
    size = _whole(given)
    if not size:
        fault = Fault(
            "WORLD_SIZE", expected="the number of processes", got=repr(given), fix=f"start them with {TORCHRUN}"
        )
        raise ConfigError(source, [fault])
    if size == 1:
        return None
    if not parallel:
        fix = "set parallel: ddp, or start one process"
        fault = Fault("parallel", expected=f"ddp or fsdp, as WORLD_SIZE is {size}", got="null", fix=fix)
        raise ConfigError(source, [fault])
    if world_size not in (1, size):
        fix = f"drop it, or start {world_size} processes"
        fault = Fault("train.world_size", expected=f"the {size} processes that run", got=str(world_size), fix=fix)
        raise ConfigError(source, [fault])
    return _place(size, environ, source)


def _place(size: int, environ: Mapping[str, str], source: str) -> Launch:
    names = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    missing = [name for name in names if not environ.get(name)]
    rank, local_rank = _whole(environ.get("RANK", "")), _whole(environ.get("LOCAL_RANK", ""))
    if missing:
        key, expected, got = missing[0], f"it in the environment beside WORLD_SIZE={size}", "none"
    elif rank is None or rank >= size:
        key, expected, got = "RANK", f"a number from 0 to {size - 1}", repr(environ["RANK"])
    elif local_rank is None or local_rank > rank:
        key, expected, got = "LOCAL_RANK", f"a number from 0 to RANK={rank}", repr(environ["LOCAL_RANK"])
    elif _whole(environ["MASTER_PORT"]) is None:
        key, expected, got = "MASTER_PORT", "a port", repr(environ["MASTER_PORT"])
    else:
        return Launch(rank, local_rank, size)
    raise ConfigError(source, [Fault(key, expected=expected, got=got, fix=f"start it with {TORCHRUN}")])


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
