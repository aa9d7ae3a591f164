"""Breaks files, gives them to lrfind in this process, and judges how it ends."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fuzz.configs import config_case
from fuzz.records import record_case
from fuzz.verdict import Ended, problem_of
from lrfind.commands.app import main

MOST_SECONDS = 60
"""Of one command, before it counts as hung. The longest config that is taken, of 100,000 values, takes 20."""

_STDOUT, _STDERR = (open(each, "w", errors="replace", closefd=False) for each in (1, 2))  # noqa: SIM115
"""Never closed, as loggers that are made during a command keep them."""


class _Hung(BaseException):
    pass


def ended(arguments: Sequence[str]) -> Ended:
    """Run a command in this process, with streams and a limit of time of its own."""

    def hang(*_: Any) -> None:
        raise _Hung

    before = signal.signal(signal.SIGALRM, hang)
    code, raised, hung = None, "", False
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with _streams(out, err):
            signal.alarm(MOST_SECONDS)
            try:
                code = main(list(arguments))
            except _Hung:
                raised, hung = traceback.format_exc(), True
            except BaseException:
                raised = traceback.format_exc()
            finally:
                signal.alarm(0)
                signal.signal(signal.SIGALRM, before)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Ended(code, texts[0], texts[1], raised, hung)


@contextlib.contextmanager
def _streams(out: IO[bytes], err: IO[bytes]) -> Iterator[None]:
    """Let two files be stdout and stderr meanwhile, also to C code, printed to as in a process of the command's own."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    try:
        with contextlib.redirect_stdout(_STDOUT), contextlib.redirect_stderr(_STDERR):
            yield
    finally:
        for stream in (_STDOUT, _STDERR):
            stream.flush()
        for descriptor, copy in enumerate(kept, 1):
            os.dup2(copy, descriptor)
            os.close(copy)


@dataclass(frozen=True)
class Fuzzer:
    """Breaks files and gives them to lrfind.

    Attributes:
        folder: Where they lie.
        configs: The configs to break, with the modules beside them.
        records: The records to break.
        judged: The config that `check` judges with a broken record.
    """

    folder: Path
    configs: Sequence[Path]
    records: Sequence[Path]
    judged: Path

    def config(self, rng: random.Random) -> tuple[str, str, Ended]:
        """Run a broken config without training: return how it was broken, what is wrong, and how it ended."""
        case = config_case(self.configs, rng)
        path = self.folder / "broken.yaml"
        path.write_bytes(case.data)
        done = ended(["run", str(path), "--dry-run", "--json", "--quiet"])
        return f"{case.source.name}: {case.how}", problem_of(done, case.codes, as_json=True), done

    def record(self, rng: random.Random) -> tuple[str, str, Ended]:
        """Give a broken record to a command, and what it makes of it to another; return the same."""
        case, pattern = record_case(self.records, rng)
        path, out = self.folder / "broken.lrfind.json", self.folder / "out"
        out.mkdir(exist_ok=True)
        path.write_bytes(case.data)
        arguments = [argument.format(record=path, out=out, config=self.judged) for argument in pattern]
        done = ended(arguments)
        problem = problem_of(done, case.codes, as_json="--json" in pattern)
        if not problem and str(out) in arguments and done.code != 2:
            again = ended(["analyze", str(out / path.name), "--json"])
            problem = problem_of(again, {done.code or 0}, as_json=True)
            problem = problem and f"{problem} (of the record that it wrote)"
        how = f"{' '.join(pattern[:1] + pattern[2:])} of {case.source.parent.name}: {case.how}"
        return how, problem, done
