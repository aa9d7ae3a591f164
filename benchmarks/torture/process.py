"""Runs of `lrfind` that start fast: forks of a process that has imported all of it, but has computed nothing."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import matplotlib.figure  # noqa: F401 - loaded here, and not by each run
import torch

import lrfind.__main__
import lrfind.commands.command
import lrfind.commands.run
import lrfind.output.plot
import lrfind.scripts.launcher
import lrfind.workloads.from_config
from lrfind.errors import interrupts
from lrfind.scripts import child, server

PR_SET_CHILD_SUBREAPER = 36
HANGS_SECONDS = 90.0
"""No run takes that long."""
LINGERS_SECONDS = 15.0
"""Longest that a process of a run may outlive it: a worker of torch looks after its parent every five seconds."""
Prepare = Callable[[], object]
"""Called in the process of a run, before `lrfind`."""


@dataclass
class Ended:
    """How a run has ended.

    Attributes:
        code: The exit code, or minus the signal.
        out: What it printed to stdout.
        err: What it printed to stderr.
        seconds: How long it took.
        orphans: Processes that outlived it.
    """

    code: int
    out: str
    err: str
    seconds: float
    orphans: int = 0
    documents: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        with contextlib.suppress(ValueError):
            self.documents = [json.loads(line) for line in self.out.splitlines()]


def adopt_orphans() -> None:
    """Let processes that lose their parent become children of this one, which counts them."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def run(
    folder: Path,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    prepare: Prepare = lambda: None,
    dress: Prepare = lambda: None,
    signals: Sequence[tuple[float, int]] = (),
    fresh: bool = False,
) -> Ended:
    """Run `lrfind` in a folder, and wait until it and all of its processes are gone.

    Args:
        folder: Holds what it trains.
        arguments: Of `lrfind`.
        environment: Variables beside those of this process.
        prepare: Called before it in its process, with the descriptors of its streams open.
        dress: Called after that, with its streams.
        signals: What it is sent, each so many seconds after the one before.
        fresh: Whether it is a process that imports all anew.
    """
    started = time.monotonic()
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        pid = os.fork()
        if not pid:
            _become(folder, arguments, environment or {}, prepare, dress, out.fileno(), err.fileno(), fresh=fresh)
    for seconds, number in signals:
        code = _wait(pid, seconds)
        if code is not None:
            break
        os.kill(pid, number)
    else:
        code = _wait(pid, HANGS_SECONDS)
    if code is None:
        os.kill(pid, signal.SIGKILL)
        code = _wait(pid, HANGS_SECONDS)
    took = time.monotonic() - started
    texts = [(folder / name).read_text(errors="replace") for name in ("stdout", "stderr")]
    return Ended(-999 if code is None else code, texts[0], texts[1], round(took, 3), _orphans())


def _wait(pid: int, seconds: float) -> int | None:
    """Return how a process ended within some seconds; None if it runs."""
    end = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if (left := end - time.monotonic()) <= 0:
            return None
        time.sleep(min(0.002, left))


def _orphans() -> int:
    """Wait for the processes that a run has left, and return how many had to be killed."""
    end, killed = time.monotonic() + LINGERS_SECONDS, 0
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return killed
        if time.monotonic() > end:
            for one in _children():
                os.kill(one, signal.SIGKILL)
                killed += 1
        time.sleep(0.01)


def _children() -> list[int]:
    return [int(word) for word in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _become(
    folder: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    prepare: Prepare,
    dress: Prepare,
    out: int,
    err: int,
    *,
    fresh: bool,
) -> NoReturn:
    try:
        os.setsid()
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.environ.update(environment)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
        if fresh:
            os.execv(sys.executable, [sys.executable, "-m", "lrfind", *arguments])
        prepare()
        sys.stdin, sys.stdout, sys.stderr = map(_stream, range(3))
        sys.argv = ["lrfind", *arguments]
        lrfind.scripts.launcher._new_server = _forked_server
        dress()
        lrfind.__main__.main()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        interrupts.leave(99)


def _stream(number: int) -> Any:
    """Return a standard stream, as Python opens it at its start."""
    try:
        return open(number, "w" if number else "r", errors="backslashreplace" if number == 2 else "strict")
    except OSError:
        return None


class _Forked:
    """Stands for the `Popen` of the process that forks those of scripts."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def wait(self) -> int:
        while self.poll() is None:
            time.sleep(0.001)
        return self.returncode or 0

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def _forked_server(seed: int) -> lrfind.scripts.launcher.Server:
    ours, theirs = socket.socketpair()
    if pid := os.fork():
        theirs.close()
        made = lrfind.scripts.launcher.Server(_Forked(pid), ours)  # type: ignore[arg-type]
        atexit.register(made.close)
        return made
    try:
        atexit._clear()
        ours.close()
        os.setsid()
        interrupts.end_with_parent(signal.SIGKILL)
        torch.optim.SGD([torch.zeros(1, requires_grad=True)])
        server.serve(theirs, child.main)
    finally:
        interrupts.leave(0)
