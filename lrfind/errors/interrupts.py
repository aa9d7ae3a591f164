"""Signals that ask a run to end: they interrupt the code that trains, and wait while lrfind itself is at work.

A `KeyboardInterrupt` that is raised anywhere loses what was measured a line before. So a run says where one may be
raised (`interruptible`), and from the first measurement on holds all others (`hold`): they are noticed (`stopped`) at
the next place where the run can end with all that it has.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

END = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals: Ctrl-C, a kill, a terminal that was closed."""
SAME_SECONDS = 0.3
"""Two signals that close are one: a terminal and a launcher send theirs to the same process."""
PR_SET_PDEATHSIG = 1
leave = os._exit
"""Ends this process at once; `os._exit` itself may be replaced later."""
EXIT_CODE = 130
"""Of a process that gives up what was measured."""


class _State:
    """Of this process: signals so far, when the last one raised, and whether the next one does."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.count = 0
        self.raised = -SAME_SECONDS
        self.raises = True
        self.on_worker_death: Any = None
        self.kept: dict[int, Any] = {}


_state = _State()


def install() -> None:
    """Handle the signals of this process until `uninstall`; one that its parent lets it ignore stays ignored.

    Ctrl-C does not: a shell ignores it for every job in its background, and who sends it to such a job means it.
    """
    if _state.kept or threading.current_thread() is not threading.main_thread():
        return
    for number in END:
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            _state.kept[number] = signal.signal(number, _handle)


def uninstall() -> None:
    """Put back the handlers from before `install`, and forget the signals that came."""
    for number, handler in _state.kept.items():
        signal.signal(number, handler)
    _state.reset()


def stopped() -> bool:
    """Tell whether a signal has asked the run to end."""
    return _state.count > 0


def check() -> None:
    """Raise the interrupt that code of the user's has swallowed, or that waits.

    Raises:
        KeyboardInterrupt: A signal has come.
    """
    if _state.count:
        raise KeyboardInterrupt


def hold() -> None:
    """Let signals wait from now on: something is measured."""
    if _state.kept:
        _state.raises = False


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Let signals wait meanwhile, as where an exception would end the process: torch aborts while it is imported.

    Raises:
        KeyboardInterrupt: A signal has come, and may be raised afterwards.
    """
    raises, _state.raises = _state.raises, False
    try:
        yield
    finally:
        _state.raises = raises
    if raises:
        check()


class interruptible:  # noqa: N801 - is used as a function; a generator could be interrupted before its `finally`
    """Lets signals raise in the enclosed code, also in a run that has measured something.

    Who catches the interrupt calls `hold` first, as one may come in the very code that ends this context.

    Raises:
        KeyboardInterrupt: A signal comes, or has come.
    """

    def __enter__(self) -> None:
        check()
        self._before, _state.raises = _state.raises, True

    def __exit__(self, *_: object) -> None:
        _state.raises = self._before


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """Let Linux send this process a signal when the one that started it ends, however it does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


class Forks:
    """Lets the forks of this process be none of it: signals end them, and they end with it.

    Linux tells them the end of the thread that forked them, so those of other threads than the main one may stay.
    """

    def __init__(self) -> None:
        self._by_main_thread = True
        if hasattr(os, "register_at_fork"):  # Windows has no forks
            os.register_at_fork(before=self._before, after_in_child=self._after)

    def _before(self) -> None:
        self._by_main_thread = threading.current_thread() is threading.main_thread()

    def _after(self) -> None:
        uninstall()
        if self._by_main_thread:
            end_with_parent()


@contextlib.contextmanager
def worker_deaths_held() -> Iterator[None]:
    """Let no worker of a DataLoader raise its death in the enclosed code, but where `worker_deaths_told` lets it.

    torch raises it out of the handler of SIGCHLD, wherever the program is; a loader that waits for a worker looks
    whether it lives in any case.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGCHLD"):
        yield
        return
    _state.on_worker_death = _swap(signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, _state.on_worker_death)
        _state.on_worker_death = None


@contextlib.contextmanager
def worker_deaths_told() -> Iterator[None]:
    """Let the death of a worker raise in the enclosed code, which loads from it."""
    if _state.on_worker_death is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    _swap(_state.on_worker_death)
    try:
        yield
    finally:
        _state.on_worker_death = _swap(signal.SIG_DFL)  # torch installs its handler with the first worker


def _swap(handler: Any) -> Any:
    return signal.signal(signal.SIGCHLD, handler) or signal.SIG_DFL  # None is one that was not set by Python


def _handle(number: int, frame: FrameType | None) -> None:
    _state.count += 1
    if _state.count > 2:
        give_up()
    now = time.monotonic()
    if _state.raises:
        if now - _state.raised >= SAME_SECONDS:
            _state.raised = now
            raise KeyboardInterrupt
    elif _state.count == 2:
        _say("lrfind: saving what was measured; once more to give that up")


def give_up() -> NoReturn:
    """End this process and its workers at once."""
    for child in multiprocessing.active_children():
        child.kill()
    _say("lrfind: gave up; what was not saved is lost")
    leave(EXIT_CODE)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode())  # the stream may be in the midst of a write, which is not to be entered again
