"""`lrfind` in a process of its own that need not import torch first: forked from one that has imported all of it.

As a script this is the server: it forks a process for each client, which is the command `lrfind` beside the socket.
"""

from __future__ import annotations

import atexit
import functools
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
import time
from pathlib import Path
from typing import NoReturn

import lrfind

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


@functools.cache
def folder() -> Path:
    """Return a folder with a command `lrfind`; its server ends with this process."""
    place = Path(tempfile.mkdtemp(prefix="lrfind-"))
    (place / "lrfind").write_text(COMMAND)
    (place / "lrfind").chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, __file__, place / SOCKET], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
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
    return [str(folder() / "lrfind"), *arguments]


def _serve(place: str) -> None:
    _import_all()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that answer
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{place}.new")
        listening.listen()
        Path(f"{place}.new").rename(place)
        while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:  # it is closed as the tests end
            client, _ = listening.accept()
            if os.fork() == 0:
                _answer(client)
            client.close()


def _import_all() -> None:
    for module in pkgutil.walk_packages(lrfind.__path__, "lrfind."):
        if module.name.split(".")[1] not in ("templates", "integrations", "callbacks"):
            importlib.import_module(module.name)
    importlib.import_module("torch.distributed.fsdp")


def _answer(client: socket.socket) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, streams, _, _ = socket.recv_fds(client, 4, STREAMS)
    with client.makefile("rb") as file:
        asked = json.loads(file.read(int.from_bytes(length, "big")))
    child = os.fork()
    if child == 0:
        _become(streams, *asked)
    _, status = os.waitpid(child, 0)
    client.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(streams: list[int], arguments: list[str], cwd: str, environ: dict[str, str]) -> NoReturn:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[1:] = arguments
    random.seed()
    try:
        lrfind.__main__.main()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()  # which ends the process with the exit code of lrfind, as at the end of Python
        os._exit(1)


if __name__ == "__main__":
    _serve(sys.argv[1])
