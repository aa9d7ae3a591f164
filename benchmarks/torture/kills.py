"""Kills at random moments of the whole run: nothing measured is lost, nothing is torn, no old record goes."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torture.case import SWEEP, Case, common_faults, updates
from torture.process import Ended, run

PLANS = {
    "SIGINT": (signal.SIGINT,),
    "SIGTERM": (signal.SIGTERM,),
    "SIGHUP": (signal.SIGHUP,),
    "SIGKILL": (signal.SIGKILL,),
    "two SIGINT": (signal.SIGINT, signal.SIGINT),
}
GAP_SECONDS = 1.0
"""Longest time between two signals."""
FRESH = 11
"""One in so many runs imports everything anew, so that the kill may come meanwhile."""
_lengths: dict[tuple[bool, bool], float] = {}


def one(number: int, folder: Path) -> dict[str, Any]:
    """Make one run, kill it, and return what came of it."""
    draw = random.Random(number)
    plan = list(PLANS)[number % len(PLANS)]
    script, fresh = draw.random() < 0.5, number % FRESH == FRESH - 1
    length = _length(script, fresh, folder)
    case = Case(folder, script)
    old = _whole_record(case) if draw.random() < 0.3 else None
    moment = draw.uniform(0, 1.05 * length)
    gaps = [moment, *(draw.uniform(0, GAP_SECONDS) for _ in PLANS[plan][1:])]
    begun = case.folder / "begun"
    ended = run(
        case.folder,
        case.arguments,
        environment=case.environment,
        prepare=begun.touch,
        signals=list(zip(gaps, PLANS[plan], strict=True)),
        fresh=fresh,
    )
    is_over = ended.code >= 0 or ended.code == -signal.SIGKILL
    started = begun.exists() or (fresh and is_over)  # or Python itself did not
    problems = list(_problems(case, ended, plan, old)) if started else []
    return {
        "kind": plan,
        "script": script,
        "fresh": fresh,
        "at": round(moment / length, 3),
        "steps": case.steps,
        "code": ended.code,
        "started": started,
        "problems": problems,
        "err": ended.err[-2000:] if problems else "",
    }


def _length(script: bool, fresh: bool, folder: Path) -> float:
    """Return how long a run takes that is not killed."""
    if (script, fresh) not in _lengths:
        case = Case(folder, script)
        ended = run(case.folder, case.arguments, environment=case.environment, fresh=fresh)
        assert ended.code == 0, ended
        _lengths[script, fresh] = ended.seconds
    return _lengths[script, fresh]


def _whole_record(case: Case) -> bytes:
    """Put the record of a whole run where the run will write its own."""
    ended = run(case.folder, [*case.arguments, "--plot", "none"], environment=case.environment)
    assert ended.code == 0, ended
    Path(case.environment["STEPS"]).unlink()
    return case.record.read_bytes()


def _problems(case: Case, ended: Ended, plan: str, old: bytes | None) -> Iterator[str]:
    yield from common_faults(ended)
    killed = plan == "SIGKILL"
    stands = old is not None and case.record.read_bytes() == old
    try:
        documents = list(case.documents())[: -1 if stands else None]
    except ValueError:
        yield "torn"
        return
    late = ended.code in (0, 3)
    if not late and ended.code != (-signal.SIGKILL if killed else 130):
        yield f"exit code {ended.code}"
    if old and not stands and (documents[-1]["interrupted"] or documents[-1]["error"]):
        yield "old record replaced"
    if case.litter() and not killed:
        yield "litter"
    kept = max(map(updates, documents), default=0)
    if kept < (SWEEP if killed and case.steps > SWEEP + 1 else 0 if killed else case.steps - 1):
        yield f"lost {case.steps - kept}"
    if not killed and ended.documents[-1:] != documents[:1] and kept:
        yield "stdout is not the record"
    if ended.code == 130 and len(ended.documents) != 1:
        yield "no JSON"
    if ended.code == 130 and "interrupted" not in ended.err:
        yield "silent"
