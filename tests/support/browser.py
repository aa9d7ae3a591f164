"""A headless Chromium that shows a page, moves the pointer in it, and tells what its scripts see."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any


def _pipe() -> list[int]:
    """Return a pipe with descriptors above those that the protocol is spoken on."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""Its path; None where there is none."""


class Browser:
    """One page, driven by the DevTools protocol over a pipe: a message is JSON and a NUL.

    Within its context it runs. `errors` holds what the page threw, or what its policy did not let it do.
    """

    def __enter__(self) -> Browser:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        (theirs, self._to), (self._from, answers) = _pipe(), _pipe()
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe")
        # The protocol is spoken on the descriptors 3 and 4.
        line = f'exec "$0" "$@" 3<&{theirs} 4>&{answers}'
        command = ["bash", "-c", line, str(CHROMIUM), *flags, f"--user-data-dir={self._folder.name}", "about:blank"]
        self._process = subprocess.Popen(
            command, pass_fds=(theirs, answers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs)
        os.close(answers)
        self._numbers, self._rest, self._events = itertools.count(1), b"", list[Any]()
        self._session: str | None = None
        self.errors: list[str] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._to)
        os.close(self._from)
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def show(self, file: Path, width: int = 900, height: int = 800, *, scheme: str = "light") -> None:
        """Open a file, and wait until it is there."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.prefer(scheme)
        self._events.clear()
        self._ask("Page.navigate", url=file.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._take()

    def prefer(self, scheme: str) -> None:
        """Prefer light or dark colours."""
        self._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript is worth, or the promise that it is."""
        how = {"returnByValue": True, "awaitPromise": True}
        return self._ask("Runtime.evaluate", expression=expression, **how)["result"].get("value")

    def pointer(self, *places: tuple[float, float], drag: bool = False) -> None:
        """Move the pointer from place to place; on request with the button held."""
        x, y = places[0]
        self._mouse("mouseMoved", x, y)
        if drag:
            self._mouse("mousePressed", x, y)
        for x, y in places[1:]:
            self._mouse("mouseMoved", x, y, buttons=int(drag))
        if drag:
            self._mouse("mouseReleased", x, y)

    def picture(self, file: Path) -> None:
        """Save the whole page as PNG."""
        data = self._ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        file.write_bytes(base64.b64decode(data))

    def _mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        button = {} if kind == "mouseMoved" and not more.get("buttons") else {"button": "left", "clickCount": 1}
        self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button, **more)

    def _ask(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        os.write(self._to, json.dumps({"id": number, "method": method, "params": params, **session}).encode() + b"\0")
        while True:
            message = self._take()
            if message.get("id") == number:
                assert "error" not in message, message["error"]
                return message["result"]

    def _take(self) -> dict[str, Any]:
        """Return the next message; keep it if it is an event."""
        while b"\0" not in self._rest:
            data = os.read(self._from, 1 << 16)
            assert data, "the browser has ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self._events.append(message)
            if message["method"] in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.errors.append(json.dumps(message["params"]))
        return message
