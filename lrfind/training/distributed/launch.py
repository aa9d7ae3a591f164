"""What torchrun tells a process of its place among the others: read from the environment, without torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lrfind.errors import ConfigError, Fault

MakeError = Callable[[str, str], ConfigError]
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
    """Tell whether this is the process that speaks and writes for all; yes, where there is but one."""
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

    def fault(key: str, problem: str) -> ConfigError:
        return ConfigError(source, [Fault(key, problem=problem)])

    given = environ.get("WORLD_SIZE")
    if given is None:
        if parallel and world_size == 1:
            problem = (
                f"expected several processes, got one; start them with {TORCHRUN}, or let one stand for N with "
                "train.world_size=N, or set parallel=null"
            )
            raise fault("parallel", problem)
        return None
    size = _whole(given)
    if not size:
        raise fault("WORLD_SIZE", f"expected the number of processes, got {given!r}; start them with {TORCHRUN}")
    if size == 1:
        return None
    if not parallel:
        problem = f"expected ddp or fsdp, as WORLD_SIZE is {size}, got null; set parallel: ddp, or start one process"
        raise fault("parallel", problem)
    if world_size not in (1, size):
        problem = f"expected the {size} processes that run, got {world_size}; drop it, or start {world_size} processes"
        raise fault("train.world_size", problem)
    return _place(size, environ, fault_in=lambda key, problem: fault(key, f"{problem}; start it with {TORCHRUN}"))


def _place(size: int, environ: Mapping[str, str], fault_in: MakeError) -> Launch:
    names = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    if missing := [name for name in names if not environ.get(name)]:
        raise fault_in(missing[0], f"expected it in the environment beside WORLD_SIZE={size}, got none")
    rank, local_rank = _whole(environ["RANK"]), _whole(environ["LOCAL_RANK"])
    if rank is None or rank >= size:
        raise fault_in("RANK", f"expected a number from 0 to {size - 1}, got {environ['RANK']!r}")
    if local_rank is None or local_rank > rank:
        raise fault_in("LOCAL_RANK", f"expected a number from 0 to RANK={rank}, got {environ['LOCAL_RANK']!r}")
    if _whole(environ["MASTER_PORT"]) is None:
        raise fault_in("MASTER_PORT", f"expected a port, got {environ['MASTER_PORT']!r}")
    return Launch(rank, local_rank, size)


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
