"""`lrfind` in the processes of one training as torchrun starts them, but forked where torch is loaded already."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from cli import Outcome

from lrfind.__main__ import main

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["ranks_by_hand", "lrfind.pipeline", "torch.distributed.fsdp"])


def by_hand(arguments: Sequence[str], folder: Path, ranks: int = 2) -> list[Outcome]:
    """Run `lrfind` in several processes, and return what each leaves behind.

    Args:
        arguments: Of the command, the same for all.
        folder: Where their output is kept meanwhile.
        ranks: How many processes.
    """
    port = _unused_port()
    started = []
    for rank in range(ranks):
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks)}
        environment = {**os.environ, **place, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        files = [folder / f"{port}-{rank}.{stream}" for stream in ("out", "err")]
        process = _FORKS.Process(target=_run, args=(arguments, environment, *files))
        process.start()
        started.append((process, files))
    outcomes = []
    for process, (out, err) in started:
        process.join(120)
        outcomes.append(Outcome(-1 if process.exitcode is None else process.exitcode, out.read_text(), err.read_text()))
        process.kill()
    return outcomes


def _run(arguments: Sequence[str], environment: dict[str, str], out: Path, err: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, file in enumerate((out, err), start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    sys.argv[1:] = arguments
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # which ends the process with the exit code of lrfind, as at the end of Python


def _unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
