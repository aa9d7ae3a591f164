"""Starts the processes of scripts: as forks of one that has imported torch already, which takes seconds each time.

Nothing has been computed there and no thread started, so that a fork is as good as a new process. No torch.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrfind.errors import Fault, LrfindError, interrupts
from lrfind.scripts.job import JOB, SERVE, Job

CHILD = Path(__file__).with_name("child.py")
POLL_SECONDS = 0.1
_servers: dict[int, Server] = {}
"""Of this process, by the seed of their hashes, which Python takes as it starts."""


@dataclass
class Server:
    """A process that forks the processes of scripts.

    Attributes:
        process: The process itself.
        requests: Takes what it is asked for.
    """

    process: subprocess.Popen[bytes]
    requests: socket.socket

    def close(self) -> None:
        """Let the process end."""
        self.requests.close()
        self.process.wait()

    def ask(self, request: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send a request, with open files that its process gets."""
        data = json.dumps(request).encode()
        socket.send_fds(self.requests, [len(data).to_bytes(8, "big")], list(descriptors))
        self.requests.sendall(data)


@dataclass
class Fork:
    """A process that was started.

    Attributes:
        server: Its parent.
        pid: Its number.
        ending: Becomes readable when it has ended; then holds its exit code, or minus the signal that ended it.
    """

    server: Server
    pid: int
    ending: int
    code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or minus the signal that ended it; None while it runs."""
        if self.code is None:
            with contextlib.suppress(BlockingIOError):
                told = os.read(self.ending, 16)
                self.code = int(told) if told else -signal.SIGKILL  # of the server, and of its forks with it
        return self.code

    def send(self, number: int) -> None:
        """Send it a signal; SIGKILL is sent to all processes of its session."""
        if self.poll() is None:
            with contextlib.suppress(OSError):
                self.server.ask({"pid": self.pid, "signal": number})

    def wait(self) -> int:
        """Wait until it has ended, and return its exit code."""
        os.set_blocking(self.ending, True)
        return self.poll() or 0


def start(job: Job, environment: Mapping[str, str], folder: Path, reports: int, output: int) -> Fork:
    """Start the process of a script.

    Args:
        job: What to do.
        environment: All its variables.
        folder: Where it runs.
        reports: Where it tells what is measured.
        output: Where it prints.
    """
    server = _server(job.seed)
    ending, theirs = os.pipe()
    try:
        request = {"job": job.to_json(), "environment": dict(environment), "folder": str(folder)}
        server.ask(request, [reports, output, theirs])
        while not select.select([ending], [], [], POLL_SECONDS)[0]:  # it is importing torch
            interrupts.check()
    except KeyboardInterrupt:
        server.process.kill()  # and what it may have forked with it
        os.close(ending)
        raise
    finally:
        os.close(theirs)
    pid = os.read(ending, 16)
    if not pid:
        os.close(ending)
        fix = "does `python -c 'import torch'` work?"
        raise LrfindError(Fault(problem="the process that starts scripts has ended", fix=fix))
    os.set_blocking(ending, False)
    return Fork(server, int(pid), ending)


def _server(seed: int) -> Server:
    server = _servers.get(seed)
    if server is None or server.process.poll() is not None:
        server = _servers[seed] = _new_server(seed)
    return server


def _new_server(seed: int) -> Server:
    ours, theirs = socket.socketpair()
    with theirs:
        os.set_inheritable(theirs.fileno(), True)
        process = subprocess.Popen(
            [sys.executable, str(CHILD), str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C is for lrfind, which ends the script
            env={"PYTHONHASHSEED": str(seed), **os.environ, JOB: SERVE},
        )
    server = Server(process, ours)
    atexit.register(server.close)
    return server
