"""One run of a script from its start to its end, and what it has told. No torch."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lrfind.errors import interrupts
from lrfind.scripts.job import Job
from lrfind.scripts.process import GRACE_SECONDS, Output, ScriptProcess, environment_of
from lrfind.scripts.report import read_losses

OnLoss = Callable[[int, float], None]
"""on_loss(index, loss), called for each loss as it becomes known."""
LAST = ("end", "error", "exit", "refusal")
"""What a process tells last."""


@dataclass
class Run:
    """What a run of a script has told.

    Attributes:
        losses: Of its updates.
        held_out_steps: Updates before each look at held-out samples.
        held_out: The losses of each look.
        trained: What it trains, told before its first update.
        plan: How long it trains, and with which schedule, told after some updates.
        last: How it ended: `end`, `error`, `exit` or `refusal`; empty if its process ended without a word.
        rank: The process of several that told the last.
        setup_seconds: From the start of the process to the first update.
        exit_code: Of its process, or minus the signal that ended it.
        interrupted: Whether the user stopped it.
    """

    losses: list[float] = field(default_factory=list)
    trained: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)
    rank: int | None = None
    setup_seconds: float | None = None
    exit_code: int = 0
    interrupted: bool = False
    held_out_steps: list[int] = field(default_factory=list)
    held_out: list[list[float]] = field(default_factory=list)

    def take(self, message: Mapping[str, Any]) -> list[float]:
        """Take what a process tells, and return the losses in it."""
        self.trained = message.get("trained", self.trained)
        self.plan = message.get("plan", self.plan)
        self.held_out_steps = message.get("held_out_steps", self.held_out_steps)
        self.held_out = [read_losses(look) for look in message["held_out"]] if "held_out" in message else self.held_out
        if any(name in message for name in LAST):
            self.last = dict(message)
        return list(message.get("losses", ()))


class Runner(Protocol):
    """Runs a script in one process or in several."""

    @property
    def size(self) -> int:
        """The number of processes that train together."""

    def run(self, job: Job, on_loss: OnLoss) -> Run:
        """Run a script from its start until its training ends; an interrupt ends it as well."""


@dataclass(frozen=True)
class LoneRunner:
    """Runs a script in one process.

    Attributes:
        output: Takes what it prints.
        copies: Whether it runs in a copy of the current folder, which is removed afterwards.
    """

    output: Output
    copies: bool = False

    @property
    def size(self) -> int:
        """The number of processes that train together."""
        return 1

    def run(self, job: Job, on_loss: OnLoss) -> Run:
        """Run a script from its start until its training ends."""
        run, started = Run(), time.monotonic()
        with (
            working_folder(copied=self.copies) as folder,
            ScriptProcess(job, self.output, environment_of(job), folder) as process,
        ):
            try:
                for message in process.messages():
                    _take(message, run, on_loss)
                    if run.setup_seconds is None and (run.trained or run.losses):
                        run.setup_seconds = time.monotonic() - started
                    if run.last:
                        break
                    interrupts.check()
            except KeyboardInterrupt:
                interrupts.hold()
                run.interrupted = True
                process.stop()
                self._take_rest(process, run, on_loss)
            process.wait()
            run.exit_code = process.exit_code
        return run

    def _take_rest(self, process: ScriptProcess, run: Run, on_loss: OnLoss) -> None:
        """Take what a process that was asked to stop tells still."""
        end = time.monotonic() + GRACE_SECONDS / 2
        for message in process.messages():
            _take(message, run, on_loss)
            if run.last or time.monotonic() > end:
                break


def _take(message: Mapping[str, Any], run: Run, on_loss: OnLoss) -> None:
    for loss in run.take(message):
        on_loss(len(run.losses), loss)
        run.losses.append(loss)


@contextlib.contextmanager
def working_folder(*, copied: bool) -> Iterator[Path | None]:
    """Yield a copy of the current folder, which is removed at the end; None without one."""
    if not copied:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="lrfind-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder, Path.cwd().name or "folder")
        shutil.copytree(Path.cwd(), copy, symlinks=True)
        yield copy
