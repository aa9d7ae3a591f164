"""Pins what the tests' environment could change: width, colour, locale, time zone, matplotlib's settings."""

from __future__ import annotations

import gc
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from cli import Project, open_project

# Threads of several processes on the same cores slow each other down by an order of magnitude; torch reads this as
# it is imported, also in the processes that the tests start.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # more are processes, which import torch first

LONGEST = ("test_user_scripts.py", "test_docs.py", "test_shipped_configs.py")
"""Files of slow tests that take minutes: begun last, one of them would keep all other cores waiting."""

# How long an example takes is the machine's affair, and the clone may not be there to be written to.
hypothesis.settings.register_profile("anywhere", deadline=None, database=None)
hypothesis.settings.load_profile("anywhere")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files of slow tests alone when only the others are asked for: what they import takes long."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    slow = re.search(r"^pytestmark = \[?\s*pytest\.mark\.slow\b", collection_path.read_text(), re.MULTILINE)
    return True if slow else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow tests last, so that a fault of the quick ones shows soon, and of their files the longest first."""

    def turn(item: pytest.Item) -> int:
        slow = item.get_closest_marker("slow") is not None
        return slow + (slow and item.path.name not in LONGEST)

    items.sort(key=turn)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what is imported by now: it takes a third of a second each time."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _pinned_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "SOURCE_DATE_EPOCH"):
        monkeypatch.delenv(name, raising=False)
    pinned = {
        "COLUMNS": "80",
        "LINES": "40",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
    }
    for name, value in pinned.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def _pinned_signals() -> Iterator[None]:
    """Let each test be interrupted as a command at a prompt can be.

    A shell lets its background jobs ignore Ctrl-C, and so would the tests in one, and the processes that they start;
    and Lightning goes on ignoring it once a fit was interrupted.
    """
    pinned = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    found = {number: signal.signal(number, handler) for number, handler in pinned.items()}
    yield
    for number, handler in found.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def _pinned_matplotlib(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep a matplotlibrc of the user's out of the tests."""
    folder = tmp_path_factory.mktemp("matplotlib")
    (folder / "matplotlibrc").write_text("backend: agg\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATPLOTLIBRC", str(folder / "matplotlibrc"))
        yield folder


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]) -> Iterator[Project]:
    """A folder with a config and the user's module `own` beside it."""
    with open_project(tmp_path_factory.mktemp("project"), capfd) as opened:
        yield opened
