"""The errors of lrfind; the package's docstring draws the tree."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator, Sequence
from typing import Any

from lrfind.errors.fault import Fault, MisfitError
from lrfind.errors.legible import shown
from lrfind.errors.setting_names import CONFIG, Words


class ExitCode(enum.IntEnum):
    """Exit codes of the `lrfind` command."""

    __str__ = int.__repr__  # as from Python 3.11 on: the processes of torchrun send each other theirs as text

    OK = 0
    """A learning rate is suggested."""
    FAILED = 1
    """The run failed: the user's code raised, out of memory, ..."""
    USAGE = 2
    """The command line or the config is at fault."""
    NO_SUGGESTION = 3
    """The sweep ran, but no learning rate can be trusted."""
    OUTSIDE = 4
    """`check`: the learning rate lies outside the safe range, or the suggestion has drifted."""
    INTERRUPTED = 130
    """Interrupted; what was measured is kept."""


class LrfindError(Exception):
    """Base of all errors that the user sees as a message, without a traceback of lrfind.

    Its text is rendered on demand, in `words`.

    Attributes:
        faults: What is wrong, one or several.
        source: The file or command that is at fault; "" if none is.
        words: What its reader calls a setting; code that shows the error to another audience changes them.
        where: Where it happened, outermost first, such as ("rank 1", "step 5").
        partial: The `Sweep` that was measured before; None if nothing was.
        told: Whether another process of the same training tells the user; None if the processes have not settled
            that, or there is only one.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, *faults: Fault | str, source: str = "") -> None:
        self.faults = tuple(fault if isinstance(fault, Fault) else Fault(problem=fault) for fault in faults)
        self.source = source
        self.words: Words = CONFIG
        self.where: tuple[str, ...] = ()
        self.partial: Any = None
        self.told: bool | None = None
        super().__init__(*faults)

    @property
    def docs(self) -> str:
        """The page that helps with the first fault that names one; "" if none does."""
        return next((fault.docs for fault in self.faults if fault.docs), "")

    def __str__(self) -> str:
        where = "".join(f"{shown(part)}: " for part in (*self.where, self.source) if part)
        return "\n".join(f"{where}{fault.render(self.words)}" for fault in self.faults)


class UserCodeError(LrfindError):
    """Code of the user raised, or returned an unusable value.

    Attributes:
        user_traceback: The traceback without the frames of lrfind and the libraries it drives;
            empty when the fault has no frame in the user's own code.
        hints: Further lines below the fault, in the form of `Fault.fix`.
    """

    def __init__(self, *faults: Fault | str, user_traceback: str = "", hints: Sequence[str] = ()) -> None:
        super().__init__(*faults)
        self.user_traceback = user_traceback
        self.hints = tuple(hints)

    def __str__(self) -> str:
        return "\n".join((super().__str__(), *map(self.words.fill, self.hints)))


class DataError(LrfindError):
    """The data set or the loader yields nothing that can be swept."""


class ConfigError(LrfindError):
    """The config or the command line is at fault; every fault is listed."""

    exit_code = ExitCode.USAGE

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        super().__init__(*faults, source=source)


@contextlib.contextmanager
def blamed_on(source: str) -> Iterator[None]:
    """Raise a `MisfitError` of the enclosed code as a `ConfigError` about `source`."""
    try:
        yield
    except MisfitError as misfit:
        raise ConfigError(source, [misfit.fault]) from misfit


class RecordError(LrfindError):
    """A saved record cannot be read."""

    exit_code = ExitCode.USAGE


class OutputError(LrfindError):
    """A file, a folder or stdout cannot be written."""

    exit_code = ExitCode.USAGE


class StoppedError(LrfindError):
    """The user interrupted the run before anything was measured."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self) -> None:
        super().__init__("interrupted before anything was measured")
