"""Trainings with faults: each of files/faults.py, as the model is built, in mid-sweep, in a probe, in a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torture.case import SWEEP, Case, common_faults
from torture.process import Ended, run

PLACES = {"model": 0, "step 15": 14, "step 40": 39, "worker": 0}
"""Where a fault comes, and the losses that are known by then at least; in a script it comes in every training."""
OWN_CODES = {
    "SIGKILL": (-9, 1),
    "SIGSEGV": (-11, 1),
    "SIGTERM": (130,),
    "swallowed SIGINT": (130,),
    "KeyboardInterrupt": (130, 1),
}
"""The exit codes that are right; for all others, that of a failed run."""
STRIDE = 101
"""From one case to the next, so that the first ones are of all kinds."""


def names() -> list[str]:
    """Return the names of the faults, read from the file."""
    text = (Path(__file__).with_name("files") / "faults.py").read_text().partition("FAULTS = {")[2]
    return [line.split('"')[1] for line in text.splitlines() if line.startswith('    "')]


def one(number: int, folder: Path) -> dict[str, Any]:
    """Make one run that meets with a fault, and return what came of it."""
    kinds = names()
    mixed = number * STRIDE
    name = kinds[mixed % len(kinds)]
    place = list(PLACES)[mixed // len(kinds) % len(PLACES)]
    case = Case(folder, script=bool(mixed // len(kinds) // len(PLACES) % 2))
    workers = {"WORKERS": "2"} if case.script and place == "worker" else {}
    more = ["data.num_workers=2"] if place == "worker" and not case.script else []
    ended = run(
        folder, [*case.arguments, *more], environment={**case.environment, "FAULT": name, "PLACE": place, **workers}
    )
    problems = list(_problems(case, ended, name, place))
    return {
        "kind": name,
        "place": place,
        "script": case.script,
        "steps": case.steps,
        "code": ended.code,
        "problems": problems,
        "err": ended.err[-2000:] if problems else "",
    }


def _problems(case: Case, ended: Ended, name: str, place: str) -> Iterator[str]:
    yield from common_faults(ended)
    codes = OWN_CODES.get(name, (1,))
    if place == "worker":  # whose end is a failure; the held-out samples are read in the main process
        codes = (*codes, 1)
    if case.script:  # where a signal comes to the script, and a training may end at a fault as one that diverges does
        codes = (*codes, 0, 1, 3)
    if ended.code not in codes:
        yield f"exit code {ended.code}"
    if ended.code in (1, 2, 130) and "lrfind: " not in ended.err:
        yield "silent"
    kept = case.kept()
    if kept is None:
        yield "torn"
        return
    least = PLACES[place]
    if ended.code < 0 or name == "thread that exits":  # the process is gone at once: what was kept before counts
        least = SWEEP if least > SWEEP else 0
    if kept < least:
        yield f"lost {case.steps - kept}"
    if ended.code >= 0 and case.litter():
        yield "litter"
