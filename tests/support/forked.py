"""`lrfind` in a process of its own that need not import torch first: forked from one that has imported all of it.

As a script this is the server: it forks a process for each client, which is the command `lrfind` beside the socket.
From the same server those processes take the ones that fork scripts for them. How lrfind starts these itself is seen
where it runs in the process of a test, as in tests/scripts/.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NoReturn, cast

import lrfind
from lrfind.scripts import launcher
from lrfind.scripts.server import serve

SOCKET = "socket"
COMMAND = f"""\
#!{sys.executable} -IS
import json, os, socket, sys
asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
with socket.socket(socket.AF_UNIX) as server:
    server.connect(os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), {SOCKET!r}))
    socket.send_fds(server, [len(asked).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(asked)
    code = int(server.recv(8) or 1)
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""
STREAMS = 3
_STARTING = threading.Lock()
SEED = 0
"""Of the hashes in all forks, as scripts have it by default; for another one lrfind starts a process itself."""


@functools.cache
def folder() -> Path:
    """Return a folder with a command `lrfind`; its server ends with this process."""
    place = Path(tempfile.mkdtemp(prefix="lrfind-"))
    (place / "lrfind").write_text(COMMAND)
    (place / "lrfind").chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, __file__, place / SOCKET],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONHASHSEED": str(SEED)},
    )
    atexit.register(shutil.rmtree, place)
    atexit.register(server.wait)
    atexit.register(server.stdin.close)  # type: ignore[union-attr] - first of the three
    while not (place / SOCKET).exists():
        assert server.poll() is None, "the server has ended"
        time.sleep(0.05)
    return place


def command(*arguments: str) -> list[str]:
    """Return the command line that runs `lrfind`, forked."""
    with _STARTING:
        return [str(folder() / "lrfind"), *arguments]


class _Fork:
    """A process that the server has forked, waited for and ended like a child of this one."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def poll(self) -> int | None:
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return 0
        return None

    def wait(self) -> None:
        while self.poll() is None:
            time.sleep(0.01)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)


def _serve(place: str) -> socket.socket:
    """Return who asks, in a fork for each: a script that runs below the loop would be taken for a part of it."""
    _import_all()
    _share_servers_of_scripts(place)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that answer
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{place}.new")
        listening.listen()
        Path(f"{place}.new").rename(place)
        while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:  # it is closed as the tests end
            client, _ = listening.accept()
            if os.fork() == 0:
                return client
            client.close()
    sys.exit()


def _import_all() -> None:
    for module in pkgutil.walk_packages(lrfind.__path__, "lrfind."):
        if module.name.split(".")[1] not in ("templates", "integrations", "callbacks"):
            importlib.import_module(module.name)
    importlib.import_module("torch.distributed.fsdp")
    importlib.import_module("torch._dynamo")  # as the first optimizer does


def _share_servers_of_scripts(place: str) -> None:
    start = launcher._new_server

    def fork(seed: int) -> launcher.Server:
        if seed != SEED:
            return start(seed)
        requests = socket.socket(socket.AF_UNIX)
        requests.connect(place)
        _ask(requests, None)
        process: Any = _Fork(int(requests.recv(16)))
        server = launcher.Server(process, requests)
        atexit.register(server.close)
        return server

    cast(Any, launcher)._new_server = fork


def _ask(server: socket.socket, asked: Any) -> None:
    data = json.dumps(asked).encode()
    server.sendall(len(data).to_bytes(4, "big") + data)


def _answer(client: socket.socket) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, streams, _, _ = socket.recv_fds(client, 4, STREAMS)
    with client.makefile("rb") as file:
        asked = json.loads(file.read(int.from_bytes(length, "big")))
    if asked is None:
        _become_server_of_scripts(client)
    pid = os.fork()
    if pid == 0:
        _become(streams, *asked)
    _, status = os.waitpid(pid, 0)
    client.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become_server_of_scripts(client: socket.socket) -> NoReturn:
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    client.sendall(str(os.getpid()).encode())
    try:
        serve(client, importlib.import_module("lrfind.scripts.child").main)
    finally:
        os._exit(0)


def _become(streams: list[int], arguments: list[str], cwd: str, environ: dict[str, str]) -> NoReturn:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[:] = [str(Path(sys.argv[1]).with_name("lrfind")), *arguments]  # for the processes that it starts itself
    random.seed()
    try:
        lrfind.__main__.main()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()  # which ends the process with the exit code of lrfind, as at the end of Python
        os._exit(1)


if __name__ == "__main__":
    _answer(_serve(sys.argv[1]))
