"""How the process of `lrfind` ends, whatever code of the user's does to end it, or to keep it from ending."""

from __future__ import annotations

import atexit
import os
import threading
from typing import NoReturn

from lrfind.errors.interrupts import leave
from lrfind.output.streams import tell

GRACE_SECONDS = 10.0
"""Longest wait for exit handlers, which may wait for processes of the user's."""


class OwnExit:
    """Takes the place of `os._exit`, by which code of the user's would end a run without a word, as a success.

    In the main thread it is an exit as any other; another thread leaves with a word and a failure. A fork leaves as it
    wants to.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        os._exit = self._leave_told

    def _leave_told(self, status: int) -> NoReturn:
        if os.getpid() != self._pid:
            leave(status)
        if threading.current_thread() is threading.main_thread():
            raise SystemExit(status)
        tell(f"lrfind: a thread of the training called os._exit({status!r})")
        leave(1)

    def leave_in_order(self, code: int) -> NoReturn:
        """End the process after its exit handlers, or some time later if those do not end."""
        timer = threading.Timer(GRACE_SECONDS, leave, (code,))
        timer.daemon = True
        timer.start()
        try:
            atexit._run_exitfuncs()
        finally:
            leave(code)
