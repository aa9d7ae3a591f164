"""Everything that lrfind reports to its user as a fault, and the exit code of each.

LrfindError                exit 1   the run failed
├── UserCodeError          exit 1   code named by the config raised; carries its traceback, theirs only
├── DataError              exit 1   the data set or loader yields nothing that can be swept
├── ConfigError            exit 2   one or more faults in the config or on the command line
├── RecordError            exit 2   a saved record cannot be read
├── OutputError            exit 2   a place to write to cannot be written
└── StoppedError           exit 130 interrupted before anything was measured

Each message says what was expected, what was got, and the way out.
"""

from __future__ import annotations

import contextlib
import enum
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = (
    *("lrfind", "hydra", "omegaconf", "importlib"),
    *("torch", "torchvision", "transformers", "lightning", "pytorch_lightning"),
)
"""Packages whose frames no one would look for their own fault in."""


class ExitCode(enum.IntEnum):
    """Exit codes of the `lrfind` command."""

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
    """Base of all errors that are shown to the user as a message, without a traceback of lrfind's own.

    Attributes:
        told: Of several processes that train together, whether another one tells the user; None if they did not
            settle that, or there is but one.
    """

    exit_code = ExitCode.FAILED
    told: bool | None = None


class Caution(str):
    """A note, to whoever is told of a run, which says that the answer may not be that of the training meant."""


class UserCodeError(LrfindError):
    """Code that the config names raised.

    Attributes:
        user_traceback: The traceback, cut to frames outside of lrfind and the libraries it drives;
            empty when the fault has no frame in the user's own code.
    """

    def __init__(self, message: str, user_traceback: str = "") -> None:
        super().__init__(message)
        self.user_traceback = user_traceback


@contextlib.contextmanager
def user_code(doing: str, hint: Callable[[], str] = str) -> Iterator[None]:
    """Turn whatever the enclosed call into the user's code raises into a `UserCodeError`.

    Args:
        doing: What was being done, as the start of the message: "building model".
        hint: Returns the way out, or facts that help to find it; called when there is a fault.
    """
    try:
        yield
    except (LrfindError, KeyboardInterrupt, GeneratorExit):  # the last is how Python closes a generator
        raise
    except SystemExit as leaving:
        raise UserCodeError(f"{doing} failed: it called exit({leaving.code!r})", _user_frames(leaving)) from leaving
    except BaseException as error:  # a panic of an extension in Rust, or a cancelled task, is no Exception
        # A worker process of a DataLoader sends its traceback as part of the message.
        text, _, of_worker = _said(error).partition("\nOriginal Traceback (most recent call last):\n")
        cause = of_worker.strip().rpartition("\n")[2] or f"{type(error).__name__}: {text}"
        frames = _without_libraries(of_worker) if of_worker else _user_frames(error)
        lines = [f"{doing} failed: {cause}", hint(), _way_out(error)]
        raise UserCodeError("\n".join(filter(None, lines)), frames) from error


def _said(error: BaseException) -> str:
    """Return the message of an error, whose class may be the user's and fail at that, too."""
    try:
        return str(error)
    except Exception as another:
        return f"(its message cannot be had: {type(another).__name__})"


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error, which may be one of torch's, is for lack of memory."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "allocate memory" in _said(error)
    )


def _way_out(error: BaseException) -> str:
    """Return what to do about a fault of the machine that the message of the error does not say; "" of another."""
    kind, text = type(error), _said(error)
    if is_out_of_memory(error):
        return (
            "out of memory: lower data.batch_size, and raise train.accumulate by the same factor for the same update; "
            "or use a smaller model"
        )
    if "DataLoader worker" in text and ("exited unexpectedly" in text or "killed by signal" in text):
        return "a worker process died, as a rule for lack of memory; data.num_workers=0 shows what it died of"
    if text.startswith("default_collate"):
        return (
            "make tensors of the samples by a transform of the data set, such as torchvision.transforms.ToTensor, or "
            "mini-batches of them by data.collate_fn"
        )
    if "find_unused_parameters=True" in text:
        return "some parameters take no part in the loss: set train.find_unused_parameters=true, or freeze them"
    if "mixed torch.Tensor and DTensor" in text:
        return "a layer was used other than by calling it, which finds its shards alone: use parallel=ddp"
    if kind.__module__.startswith(("torch._dynamo", "torch._inductor")):
        return "torch.compile failed: mend what it names (it needs a C++ compiler), or set compile=false"
    return ""


def _user_frames(error: BaseException) -> str:
    """Return the traceback of `error` without the frames of lrfind and of the libraries that it drives."""
    frames = traceback.extract_tb(error.__traceback__)
    return "".join(traceback.format_list([frame for frame in frames if _is_users(frame.filename)]))


def _without_libraries(formatted: str) -> str:
    """Return a traceback that comes as text, likewise without the frames of libraries."""
    frames = re.finditer(r'  File "([^"]+)", line \d+.*\n(?:    .*\n)*', formatted)
    return "".join(frame[0] for frame in frames if _is_users(frame[1]))


def _is_users(file: str) -> bool:
    modules = (sys.modules.get(name) for name in LIBRARIES)
    libraries = {Path(module.__file__).parent for module in modules if module and module.__file__}
    return not file.startswith("<frozen ") and not libraries & set(Path(file).parents)


class DataError(LrfindError):
    """The data set or the loader yields nothing that can be swept."""


@dataclass(frozen=True)
class Fault:
    """One fault of a config.

    Attributes:
        key: Dotted path of the config key, or the command-line flag, that is at fault.
        problem: What was expected, what was got, and the way out.
    """

    key: str
    problem: str

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}" if self.key else self.problem


class ConfigError(LrfindError):
    """The config or the command line is at fault; all faults that were found are listed."""

    exit_code = ExitCode.USAGE

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        self.source = source
        self.faults = tuple(faults)
        super().__init__("\n".join(f"{source}: {fault}" for fault in faults))


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


def some(names: Sequence[str], most: int = 5) -> str:
    """Return the first names of a list, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
