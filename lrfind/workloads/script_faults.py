"""Why a run of a script told no end of its training, and the way out."""

from __future__ import annotations

import signal

from lrfind.errors import Fault, LrfindError, UserCodeError
from lrfind.scripts.job import PAGE
from lrfind.scripts.runner import Run

CHILD_SECONDS = 1.0
"""Processor time above which other processes may have done the training."""


def fault_of(run: Run, name: str) -> LrfindError:
    """Return what went wrong in a run.

    Args:
        run: It has failed, or made no update.
        name: Of the script.
    """
    last = run.last
    if refusal := last.get("refusal"):
        return UserCodeError(Fault(**{**refusal, "key": refusal["key"] or name}, docs=PAGE))
    if error := last.get("error"):
        fault = Fault(name, problem=f"raised {error['said']}", docs=PAGE)
        hints = (error["hint"],) if error["hint"] else ()
        return UserCodeError(fault, user_traceback=error["traceback"], hints=hints)
    if last.get("others"):
        expected = ", ".join(f"{name} or {number}" for number, name in last["others"].items())
        return UserCodeError(Fault("--optimizer", expected=expected, got="another one", fix="name one of them"))
    if "end" in last:
        return UserCodeError(_without_updates(name, last["backwards"], last["child_seconds"]))
    if "exit" in last:
        fix = "run it alone to see why; its arguments follow `--`"
        return UserCodeError(Fault(name, problem=f"called exit({last['exit']!r})", fix=fix, docs=PAGE))
    code = run.exit_code
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    fix = "was it out of memory?" if code == -signal.SIGKILL else "run it alone to see why"
    return UserCodeError(Fault(name, problem=f"the process {how} before it could say why", fix=fix, docs=PAGE))


def _without_updates(name: str, backwards: int, child_seconds: float) -> Fault:
    """Return why a script that ended as it should made no update.

    Args:
        name: Of the script.
        backwards: Places of its code that have called `backward`.
        child_seconds: Processor time of the processes that it has started and waited for.
    """
    expected, got = "a step of an optimizer of torch.optim in the process of the script", "none"
    fix = "does it train when it is run alone?"
    if backwards:
        got = "backward passes, but no such step"
        fix = "lrfind sets the learning rate there; train with an optimizer of torch.optim, or use lrfind.find_lr"
    elif child_seconds > CHILD_SECONDS:
        got = f"none, but {child_seconds:.0f} s of work in processes that it has started"
        fix = "start those with torchrun instead: torchrun --nproc-per-node N -m lrfind run ..."
    return Fault(name, expected=expected, got=got, fix=fix, docs=PAGE)
