"""Environments with faults: full disks, closed streams, absent folders, limits; each for a config and a script."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torture.case import SWEEP, Case, common_faults
from torture.process import Ended, run


@dataclass(frozen=True)
class Fault:
    """A fault of the environment.

    Attributes:
        codes: The exit codes that are right.
        prepare: Called in the folder of the run, in its process, before its streams are opened.
        dress: Called after that.
        environment: Variables.
        arguments: Further ones, of `lrfind`.
        record: Whether the record must be whole.
        heard: Whether stderr can say anything, and must if the exit code is not 0.
    """

    codes: tuple[int, ...] = (0,)
    prepare: Callable[[], object] = lambda: None
    dress: Callable[[], object] = lambda: None
    environment: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    record: bool = True
    heard: bool = True


def _to(number: int, path: str) -> Callable[[], object]:
    return lambda: os.dup2(os.open(path, os.O_WRONLY), number)


def _closed(number: int) -> Callable[[], object]:
    return lambda: os.close(number)


def _to_nobody(number: int) -> Callable[[], object]:
    def broken() -> None:
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, number)

    return broken


def _gone_terminal() -> None:
    leader, follower = os.openpty()
    os.dup2(follower, 2)
    os.close(leader)


def _without(module: str) -> Callable[[], object]:
    def forget() -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == module or name == "lrfind.output.plot"]:
            del sys.modules[name]
        sys.modules[module] = None  # type: ignore[assignment]

    return forget


def _limit(kind: int, most: int) -> Callable[[], object]:
    return lambda: resource.setrlimit(kind, (most, most))


class _WithoutFlush:
    encoding = "utf-8"

    def write(self, text: str) -> int:
        return os.write(2, text.encode())


def _out(make: Callable[[Path], object]) -> Callable[[], object]:
    def put() -> None:
        shutil.rmtree("out", ignore_errors=True)
        Path("out").mkdir()
        make(Path("out"))

    return put


def _leave_folder() -> None:
    gone = Path("gone").resolve()
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()


RECORD = "train.lrfind.json"
FAULTS: dict[str, Fault] = {
    "stderr full": Fault(prepare=_to(2, "/dev/full"), heard=False),
    "stderr closed": Fault(prepare=_closed(2), heard=False),
    "stderr without reader": Fault(prepare=_to_nobody(2), heard=False),
    "terminal gone": Fault(prepare=_gone_terminal, heard=False),
    "stderr without flush": Fault(dress=lambda: setattr(sys, "stderr", _WithoutFlush())),
    "stdout full": Fault((2,), _to(1, "/dev/full")),
    "stdout closed": Fault((2,), _closed(1)),
    "stdout without reader": Fault((0,), _to_nobody(1)),
    "stdin closed": Fault(prepare=_closed(0)),
    "no matplotlib": Fault((1,), _without("matplotlib")),
    "MPLBACKEND": Fault(environment={"MPLBACKEND": "bogus"}),
    "no HOME": Fault(environment={"HOME": "/nowhere/at/all"}),
    "HOME is a file": Fault(environment={"HOME": "/dev/null", "MPLCONFIGDIR": "/dev/null/mpl"}),
    "no TMPDIR": Fault(environment={"TMPDIR": "/nowhere/at/all"}),
    "TERM": Fault(environment={"TERM": "bogus", "COLUMNS": "-3", "LINES": "x"}),
    "locale": Fault(environment={"LC_ALL": "bogus", "LANG": "xx_YY", "PYTHONIOENCODING": "ascii"}),
    "TZ": Fault(environment={"TZ": "Mars/Crater"}),
    "umask": Fault(prepare=lambda: os.umask(0o777)),
    "small files": Fault((1, 2, -25), _limit(resource.RLIMIT_FSIZE, 200), record=False),
    "few files": Fault((0, 1), _limit(resource.RLIMIT_NOFILE, 40), record=False),
    "very few files": Fault((0, 1, 2), _limit(resource.RLIMIT_NOFILE, 24), record=False, heard=False),
    "no core": Fault(prepare=_limit(resource.RLIMIT_CORE, 0)),
    "out is a file": Fault((2,), lambda: Path("out").touch(), record=False),
    "out is /proc": Fault((2,), arguments=("--out", "/proc/nowhere"), record=False),
    "record is a folder": Fault((1, 2), _out(lambda out: (out / RECORD).mkdir()), record=False),
    "record is a dangling link": Fault((0,), _out(lambda out: (out / RECORD).symlink_to("elsewhere.json"))),
    "record is a link to itself": Fault((1, 2), _out(lambda out: (out / RECORD).symlink_to(RECORD)), record=False),
    "record is no record": Fault(prepare=_out(lambda out: (out / RECORD).write_bytes(b"\xff\x00{"))),
    "folder gone": Fault((1,), _leave_folder, record=False),
    "signals ignored": Fault(prepare=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN)),
}


def one(number: int, folder: Path) -> dict[str, Any]:
    """Make one run in a faulty environment, and return what came of it."""
    name = list(FAULTS)[number // 2 % len(FAULTS)]
    fault, case = FAULTS[name], Case(folder, script=bool(number % 2))
    ended = run(
        folder,
        [*case.arguments, *fault.arguments],
        environment={**case.environment, **fault.environment},
        prepare=fault.prepare,
        dress=fault.dress,
    )
    problems = list(_problems(case, ended, fault))
    return {
        "kind": name,
        "script": case.script,
        "steps": case.steps,
        "code": ended.code,
        "problems": problems,
        "err": ended.err[-2000:] if problems else "",
    }


def _problems(case: Case, ended: Ended, fault: Fault) -> Iterator[str]:
    yield from common_faults(ended)
    if ended.code not in fault.codes:
        yield f"exit code {ended.code}"
    if fault.heard and ended.code and "lrfind: " not in ended.err:
        yield "silent"
    kept = case.kept()
    if kept is None:
        yield "torn"
        return
    if fault.record and kept < max(SWEEP, case.steps - 1):
        yield f"lost {case.steps - kept}"
    if case.record.parent.is_dir() and case.litter():
        yield "litter"
