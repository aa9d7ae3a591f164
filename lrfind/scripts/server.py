"""The process that forks those of scripts, torch imported."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any

from lrfind.scripts.job import Job, read_job

POLL_SECONDS = 0.02


def serve(requests: socket.socket, run: Callable[[Job], None]) -> None:
    """Fork a process for each job that is asked for, until nobody asks any more.

    Args:
        requests: Where jobs and signals are asked for.
        run: Does a job in its process.
    """
    endings: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([requests], [], [], POLL_SECONDS if endings else None)
        if ready:
            request, descriptors = _receive(requests)
            if request is None:
                break
            if "signal" in request:
                _send(request["pid"], request["signal"], endings)
            else:
                pid = _fork(request, descriptors, requests, endings, run)
                endings[pid] = descriptors[2]
                for descriptor in descriptors[:2]:
                    os.close(descriptor)
        for pid in [pid for pid in endings if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)]:
            _bury(pid, endings.pop(pid))
    for pid, ending in endings.items():
        _bury(pid, ending)


def _receive(requests: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    head, descriptors, _, _ = socket.recv_fds(requests, 8, 3)
    if not head:
        return None, []
    size, data = int.from_bytes(head, "big"), b""
    while len(data) < size:
        data += requests.recv(size - len(data))
    return json.loads(data), descriptors


def _send(pid: int, number: int, endings: dict[int, int]) -> None:
    if pid not in endings:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if number == signal.SIGKILL:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def _bury(pid: int, ending: int) -> None:
    """End what is left of the session of a process that has ended, or is to end, and tell how it did."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):  # nobody asks any more
        os.write(ending, str(os.waitstatus_to_exitcode(status)).encode())
    os.close(ending)


def _fork(
    request: dict[str, Any],
    descriptors: list[int],
    requests: socket.socket,
    endings: dict[int, int],
    run: Callable[[Job], None],
) -> int:
    pid = os.fork()
    if pid:
        return pid
    reports, output, ending = descriptors
    try:
        os.setsid()
        os.write(ending, str(os.getpid()).encode())  # once its session is there, for the first signal
        requests.close()
        os.dup2(output, 1)
        os.dup2(output, 2)
        for descriptor in (output, ending, *endings.values()):
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        run(read_job(request["job"], reports))
    except BrokenPipeError:  # who asked for it has gone
        pass
    except BaseException:  # a fault of lrfind's own
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(1)  # a job ends its process itself
