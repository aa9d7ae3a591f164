"""Starting the process of a script, hearing what it tells, and ending it with all that it has started. No torch."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol

from lrfind.errors import interrupts
from lrfind.scripts.job import JOB, Job, Script
from lrfind.scripts.launcher import CHILD, start
from lrfind.scripts.report import read_losses

GRACE_SECONDS = 10.0
"""Longest wait for what a script does once its training has ended, such as its `finally` blocks."""
POLL_SECONDS = 0.2
QUIET_TRACKERS = {
    "LRFIND": "1",
    "WANDB_MODE": "disabled",
    "WANDB_SILENT": "true",
    "COMET_AUTO_LOG_DISABLE": "true",
    "NEPTUNE_MODE": "offline",
    "CLEARML_OFFLINE_MODE": "1",
    "AIM_ACCESS_LOG": "0",
    "DVCLIVE_TEST": "true",
    "SWANLAB_MODE": "disabled",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""The environment in which a script knows that it is searched, and trackers of experiments keep no runs."""


class Output(Protocol):
    """Takes what a script prints."""

    def write(self, data: bytes) -> None:
        """Take a piece of it."""


class ScriptProcess:
    """The process of a script. Within its context it runs; at the end it is gone, with all that it has started.

    Args:
        job: What to do.
        output: Takes what it prints.
        environment: Variables to set.
        folder: Where it runs; None means here.
    """

    def __init__(self, job: Job, output: Output, environment: Mapping[str, str], folder: Path | None = None) -> None:
        self._job, self._output, self._folder = job, output, folder or Path.cwd()
        self._environment = {**os.environ, **environment}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> ScriptProcess:
        with self._stack:
            reports, theirs = os.pipe()
            self._reports = self._stack.enter_context(os.fdopen(reports, "rb", buffering=0))
            printed, to_print = os.pipe()
            self._printed = self._stack.enter_context(os.fdopen(printed, "rb", buffering=0))
            runs = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lrfind-", ignore_cleanup_errors=True))
            self._environment["MLFLOW_TRACKING_URI"] = Path(runs).as_uri()  # it knows no off
            try:
                self._process = start(self._job, self._environment, self._folder, theirs, to_print)
            finally:
                os.close(theirs)
                os.close(to_print)
            self._stack.callback(os.close, self._process.ending)
            self._stack.callback(self._kill)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield what the process tells, until it ends, and now and then an empty message while it tells nothing.

        What it prints goes to the output meanwhile.
        """
        rest = b""
        with self._selector() as selector:
            ended = False
            while True:
                ready = {key.fileobj for key, _ in selector.select(0 if ended else POLL_SECONDS)}
                self._pass_on(ready, selector)
                if self._reports in ready:
                    data = os.read(self._reports.fileno(), 1 << 16)
                    if not data:
                        selector.unregister(self._reports)
                    *lines, rest = (rest + data).split(b"\n")
                    yield from map(_message, lines)
                elif ended and not ready:
                    return
                elif not ready:
                    yield {}
                ended = self._has_ended()

    def stop(self) -> None:
        """Ask the script to end, as if its training were over."""
        self._process.send(signal.SIGUSR1)

    def wait(self, seconds: float = GRACE_SECONDS) -> None:
        """Wait until the process ends, but no longer than that; what it prints goes to the output meanwhile."""
        end = time.monotonic() + seconds
        with self._selector() as selector:
            selector.unregister(self._reports)
            while time.monotonic() < end and not self._has_ended():
                self._pass_on({key.fileobj for key, _ in selector.select(POLL_SECONDS / 4)}, selector)
            self._pass_on({key.fileobj for key, _ in selector.select(0)}, selector)

    @property
    def exit_code(self) -> int:
        """The exit code of the process, or minus the signal that ended it; it is killed if it runs."""
        self._kill()
        return self._process.wait()

    def _selector(self) -> selectors.BaseSelector:
        selector = selectors.DefaultSelector()
        for file in (self._reports, self._printed):
            selector.register(file, selectors.EVENT_READ)
        return selector

    def _pass_on(self, ready: set[Any], selector: selectors.BaseSelector) -> None:
        if self._printed in ready:
            data = os.read(self._printed.fileno(), 1 << 16)
            if data:
                self._output.write(data)
            else:
                selector.unregister(self._printed)

    def _has_ended(self) -> bool:
        return self._process.poll() is not None

    def _kill(self) -> None:
        """End the process and all in its session, at once."""
        self._process.send(signal.SIGKILL)
        self._process.wait()


def _message(line: bytes) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(line)
    if "losses" in message:
        message["losses"] = read_losses(message["losses"])
    return message


def environment_of(job: Job) -> dict[str, str]:
    """Return the variables that a script is started with, beside those of this process."""
    return {"PYTHONHASHSEED": str(job.seed), **QUIET_TRACKERS}


def become(script: Script, lr: float, optimizer: str | None) -> NoReturn:
    """Let this process train with a script, to its end, at a learning rate; its exit code is that of the script."""
    job = Job(script, "apply", lr=lr, optimizer=optimizer)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    interrupts.uninstall()
    command = [sys.executable, str(CHILD), script.target, *script.args]  # for lists of processes: its job is said apart
    os.execve(sys.executable, command, {**os.environ, JOB: job.to_json()})
