"""A training of a user's in a folder of its own, and `lrfind` run on it as the user would run it."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forked
import pytest

import lrfind
from lrfind.commands.app import main

CONFIG = """\
model: {_target_: own.net}
data: {dataset: {_target_: own.data}, batch_size: 64}
loss: {_target_: torch.nn.MSELoss}
optimizer: {_target_: torch.optim.SGD}
sweep: {start_lr: 1e-5, num_iter: 60}
output: {plot: none}
"""
"""Finds a learning rate in one sweep: every batch is the whole data set, so there is no noise."""

OWN_LOADER = CONFIG.replace("{dataset: {_target_: own.data}, batch_size: 64}", "{loader: {_target_: own.loader}}")

FIXTURES = Path(__file__).parents[1] / "fixtures"
"""Modules that a config can name (`modules`), those of a user's beside the config (`project`), and scripts."""

PATIENCE = 600.0
"""Seconds until what has not happened yet is taken to hang, however busy the machine is."""

PACKAGE = str(Path(lrfind.__file__).parent)
INSTALLED = (f"{Path(__file__).parents[2]}/", f"{sys.prefix}/")
"""The clone and its virtual environment."""


@dataclass(frozen=True)
class Outcome:
    """What a run of the command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The document on stdout, which must be strict JSON."""
        document: dict[str, Any] = strict_json(self.out)
        return document

    def says(self, *words: str) -> None:
        """Check that stderr holds each of `words`, however it is wrapped, and no traceback of lrfind's own."""
        said = " ".join(self.err.split())
        missing = [word for word in words if word not in said]
        assert not missing, f"stderr lacks {missing}:\n{self.err}"
        assert "Traceback (most recent call last)" not in self.err
        assert PACKAGE not in self.err


class Project:
    """A folder with a config and the module `own` beside it."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capfd = capfd
        self.config = folder / "train.yaml"
        self.out = folder / "out"
        self.config.write_text(CONFIG)
        self.bring("own")

    @property
    def record(self) -> Path:
        return self.out / "train.lrfind.json"

    def plot(self, suffix: str = "png") -> Path:
        return self.out / f"train.lrfind.{suffix}"

    def bring(self, name: str) -> None:
        """Put a module of tests/fixtures/project beside the config."""
        bring(self.folder, name)

    def add(self, code: str) -> None:
        """Add to the user's module, which is imported anew."""
        with (self.folder / "own.py").open("a") as file:
            file.write("\n" + textwrap.dedent(code))
        sys.modules.pop("own", None)

    def run(self, *arguments: str, config: Path | None = None) -> Outcome:
        """Run `lrfind run` in this process."""
        return self.main("run", str(config or self.config), "--out", str(self.out), *arguments)

    def main(self, *arguments: str) -> Outcome:
        """Run any `lrfind` command in this process."""
        importlib.invalidate_caches()
        self._capfd.readouterr()
        code = main(list(arguments))
        return Outcome(code, *self._capfd.readouterr())

    def process(self, *arguments: str, **options: Any) -> Outcome:
        """Run `lrfind run` in a process of its own."""
        return process(["run", str(self.config), "--out", str(self.out), *arguments], **options)


def bring(folder: Path, *names: str) -> None:
    """Copy modules of tests/fixtures/project to a folder, where they can be written also if the clone cannot."""
    for name in names:
        shutil.copyfile(FIXTURES / "project" / f"{name}.py", folder / f"{name}.py")


@contextlib.contextmanager
def open_project(folder: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Project]:
    """Yield a new project, and forget the modules that were imported from it."""
    path = list(sys.path)
    _forget_user_modules()  # one that another test left would be imported instead
    yield Project(folder, capfd)
    sys.path[:] = path
    _forget_user_modules()


def _forget_user_modules() -> None:
    """Forget the modules that were imported from folders of tests.

    A clone, and its virtual environment, may stand among the temporary files as well: what they hold stays.
    """
    for name, module in list(sys.modules.items()):
        file = str(getattr(module, "__file__", None) or "")
        if file.startswith(f"{tempfile.gettempdir()}/") and not file.startswith(INSTALLED):
            del sys.modules[name]


def saved(project: Project) -> dict[str, Any]:
    """Return the record that a run has written."""
    document: dict[str, Any] = strict_json(project.record.read_text())
    return document


def refused(project: Project, *arguments: str) -> Outcome:
    """Run, and check that it ends as a fault of usage does: exit 2, nothing on stdout, nothing written."""
    outcome = project.run(*arguments)
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    assert not project.out.exists()
    return outcome


def process(
    arguments: Sequence[str], env: Mapping[str, str] | None = None, *, forks: bool = True, **options: Any
) -> Outcome:
    """Run `lrfind` in a process of its own, forked from one that has torch unless it gets an environment of its own."""
    line = forked.command(*arguments) if forks and not env else command(*arguments)
    done = subprocess.run(
        line, capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, **(env or {})}, **options
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def torchrun(arguments: Sequence[str], processes: int = 2, *, forks: bool = False) -> list[str]:
    """Return the command that runs `lrfind` in several processes of torchrun.

    With `forks` they are forked from a process that has torch: for where torchrun need not end them.
    """
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [*launcher, *(["--no-python", *forked.command(*arguments)] if forks else ["-m", "lrfind", *arguments])]


def shell(line: str, *arguments: str, forks: bool = False) -> Outcome:
    """Run a line of bash in which "$@" is `lrfind` with its arguments; the exit code is that of `lrfind`.

    With `forks` it is forked from a process that has torch: for what imports it, and can start with all its streams.
    """
    started = (forked.command if forks else command)(*arguments)
    done = subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}", "bash", *started],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lrfind", *arguments]


def strict_json(text: str) -> Any:
    """Read JSON, without the NaN and Infinity that Python's reader would let pass."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def gone(pid: int) -> bool:
    """Wait until a process has ended; one that nobody has waited for yet has ended as well."""

    def has_ended() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    eventually(has_ended)
    return True


def eventually(look: Callable[[], bool]) -> None:
    """Wait until what `look` looks for is there."""
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
