"""What the process of a script tells the one that started it: lines of JSON over a pipe of their own. No torch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from typing import Any


class Report:
    """Writes to the pipe.

    Args:
        descriptor: The end of the pipe to write to; no process that the script starts inherits it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        os.set_inheritable(descriptor, False)

    def tell(self, **facts: Any) -> None:
        """Write a line."""
        if self._descriptor is None:
            return
        data = (json.dumps(facts, default=str) + "\n").encode()
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:  # who started this process has gone: nobody wants its losses
            os._exit(1)

    def close(self) -> None:
        """Let go of the pipe, as a fork of the process must."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def told_losses(losses: Sequence[float]) -> list[float | None]:
    """Return losses as JSON takes them: a NaN is null."""
    return [None if math.isnan(loss) else loss for loss in losses]


def read_losses(losses: list[float | None]) -> list[float]:
    """Return losses as they were before they were told."""
    return [math.nan if loss is None else loss for loss in losses]
