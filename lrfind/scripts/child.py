"""The process of a script: sets its learning rates, records its losses, ends it, and tells what became of it.

It is started as a file, so that no folder but that of the script comes first in `sys.path`; its job is in the
environment.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])  # until lrfind is imported, from where it was before

import gc
import io
import runpy
import signal
import socket
import threading
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import torch

from lrfind.errors.interrupts import Forks, end_with_parent
from lrfind.errors.user_code import cause_of, way_out
from lrfind.records.types import StopReason
from lrfind.scripts.apply import Applier
from lrfind.scripts.describe import Description
from lrfind.scripts.feed import Feed
from lrfind.scripts.hooks import Seen, keep_still, watch_losses, watch_objects, watch_steps
from lrfind.scripts.job import JOB, SERVE, Job, Script, read_job
from lrfind.scripts.looks import Looks
from lrfind.scripts.recorder import Ended, Recorder
from lrfind.scripts.report import Report
from lrfind.scripts.server import serve
from lrfind.training.rng import seed_everything

STOP = signal.SIGUSR1
"""Asks the script to end as if its training were over."""


def main(job: Job) -> None:
    """Run a script: to its end at one learning rate, or for some updates whose losses are told."""
    looks = Looks(job.held_out, len(job.warmup), job.seed) if job.held_out else None
    seen = Seen(feed=Feed(looks))
    if job.reports is None:
        apply(job, seen)
    else:
        record(job, seen, Report(job.reports))


def apply(job: Job, seen: Seen) -> None:
    """Run a script as `python` would, but for its learning rate."""
    watch_objects(seen)
    watch_steps(Applier(job, seen))
    sys.excepthook = lambda kind, error, trace: _own_traceback(error).print()
    run_script(job.script)


def record(job: Job, seen: Seen, report: Report) -> NoReturn:
    """Run a script, tell its losses, and end the process."""
    end_with_parent(signal.SIGKILL)  # but on Linux, it ends at its next report
    recorder = Recorder(job, report, seen.made, seen.feed, Description(seen, measures=job.measures))
    watch_objects(seen)
    watch_steps(recorder)
    watch_losses(recorder, seen)
    if job.held_out:
        keep_still(lambda: not seen.feed.holds_out)
    os.register_at_fork(after_in_child=report.close)
    Forks()
    _tell_before_leaving(recorder)
    threading.excepthook = _hush(threading.excepthook)
    signal.signal(STOP, lambda number, frame: _stop(recorder, frame))
    with contextlib.suppress(Ended):
        _run(job, recorder)
    _leave()


def _run(job: Job, recorder: Recorder) -> None:
    """Run a script and tell how it ended, unless its training had ended before."""
    code: object = None
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)  # what it prints belongs between what lrfind says
        seed_everything(job.seed)
        run_script(job.script)
    except SystemExit as leaving:
        code = leaving.code
    except Ended:
        raise
    except BaseException as error:
        if not recorder.ended:
            recorder.curve.tell(error=_described(error), updates=recorder.updates)
        return
    if not recorder.ended:
        recorder.finish()
        if code not in (None, 0):
            recorder.curve.tell(exit=code if isinstance(code, int) else str(code), updates=recorder.updates)
            return
        recorder.end(StopReason.DATA_ENDED)


def run_script(script: Script) -> None:
    """Run a script as `python` would."""
    sys.argv = [script.target, *script.args]
    sys.path[0] = str(Path.cwd()) if script.is_module else str(Path(script.target).resolve().parent)
    if script.is_module:
        runpy.run_module(script.target, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(script.target, run_name="__main__")


def _tell_before_leaving(recorder: Recorder) -> None:
    """Tell the losses that wait also if the script ends its process without exit handlers."""
    leave = os._exit

    def tell_and_leave(status: int) -> NoReturn:
        recorder.curve.settle()
        leave(status)

    os._exit = tell_and_leave


def _hush(tell: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what tells of an exception that ended a thread, unless it is the end of the training."""
    return lambda told: None if issubclass(told.exc_type, Ended) else tell(told)


def _stop(recorder: Recorder, frame: FrameType | None) -> None:
    if not recorder.ended:
        recorder.end(StopReason.INTERRUPTED)


def _described(error: BaseException) -> dict[str, str]:
    """Return what an exception says, the traceback above it that the script itself would print, and the way out."""
    cause, of_worker = cause_of(error)
    told = _own_traceback(error)
    whole, said = "".join(told.format()).rstrip(), "".join(told.format_exception_only()).rstrip()
    frames = whole.removesuffix(said).removeprefix("Traceback (most recent call last):\n")
    return {"said": cause, "traceback": of_worker or frames, "hint": way_out(error)}


def _own_traceback(error: BaseException) -> traceback.TracebackException:
    told = traceback.TracebackException.from_exception(error)
    _cut(told)
    return told


def _cut(told: traceback.TracebackException | None) -> None:
    """Leave out the frames of lrfind and of Python's loader, in the causes as well."""
    if told is None:
        return
    here = str(Path(__file__).parents[1]) + os.sep
    told.stack[:] = [frame for frame in told.stack if not frame.filename.startswith((here, "<frozen "))]
    _cut(told.__cause__)
    _cut(told.__context__)


def _leave() -> NoReturn:
    """End the process after its exit handlers, without freeing torch's modules one by one."""
    try:
        atexit._run_exitfuncs()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(0)


if __name__ == "__main__":
    told = os.environ.pop(JOB)
    if told == SERVE:
        end_with_parent(signal.SIGKILL)
        torch.optim.SGD([torch.zeros(1, requires_grad=True)])  # the first optimizer imports a thousand modules
        gc.freeze()  # what is imported stays, in all forks
        serve(socket.socket(fileno=int(sys.argv[1])), main)
    else:
        main(read_job(told))
