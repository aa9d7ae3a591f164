"""Running the user's code: its exceptions become a message with a way out and a traceback of the user's frames."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from lrfind.errors import interrupts
from lrfind.errors.extras import EXTRAS, how_to_install
from lrfind.errors.fault import Fault, MisfitError
from lrfind.errors.tree import LrfindError, UserCodeError

LIBRARIES = (
    *("lrfind", "hydra", "omegaconf", "importlib"),
    *("torch", "torchvision", "transformers", "lightning", "pytorch_lightning"),
)
"""Packages whose frames do not show the user's fault."""
WORKER_DIED = "a DataLoader worker died: was it out of memory? $no_workers shows its error"


INSTALLED = tuple(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib"))
"""Folders of Python itself and of installed packages."""


@contextlib.contextmanager
def user_code(doing: str, hints: Callable[[], Sequence[str]] = tuple, key: str = "", docs: str = "") -> Iterator[None]:
    """Turn every exception of the enclosed call into the user's code into a `UserCodeError`.

    Args:
        doing: What was being done, as the start of the message: "building model".
        hints: Returns lines with the way out, or facts that help to find it, in the form of `Fault.fix`; called only
            after an exception.
        key: The setting whose value is the code, by its config key; "" if none is.
        docs: The page that helps if the code does not fit the arguments it is called with.
    """
    process = os.getpid()
    try:
        yield
    except BaseException as error:  # a panic of an extension in Rust, or a cancelled task, is no Exception
        if os.getpid() != process:
            _end_fork(error)
        if isinstance(error, (LrfindError, MisfitError, KeyboardInterrupt)):
            raise
        raise _as_fault(error, doing, hints, key, docs) from error
    if os.getpid() != process:
        _end_fork(None)


def _end_fork(error: BaseException | None) -> NoReturn:
    """End a process that code of the user's has forked, and that has come back to lrfind: what it does is not its."""
    if error is not None and not isinstance(error, SystemExit):
        said = "".join(traceback.format_exception_only(error))
        os.write(2, f"Traceback in a fork of your code (most recent call last):\n{_user_frames(error)}{said}".encode())
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    status = error.code if isinstance(error, SystemExit) else None if error is None else 1
    interrupts.leave(status if isinstance(status, int) else int(status is not None))


def _as_fault(
    error: BaseException, doing: str, hints: Callable[[], Sequence[str]], key: str, docs: str
) -> UserCodeError:
    if isinstance(error, SystemExit):
        fault = Fault(key, problem=f"{doing} failed: it called exit({error.code!r})")
        return UserCodeError(fault, user_traceback=_user_frames(error))
    cause, of_worker = cause_of(error)
    frames = of_worker or ("" if _is_worker_death(error) else _user_frames(error))  # torch raises it anywhere
    unfit = isinstance(error, (AttributeError, KeyError, TypeError, ValueError))
    fault = Fault(key, problem=f"{doing} failed: {cause}", docs=docs if unfit else "")
    lines = [line for line in (*hints(), way_out(error)) if line]
    return UserCodeError(fault, user_traceback=frames, hints=lines)


def cause_of(error: BaseException) -> tuple[str, str]:
    """Return an error as its type and message, and the user's frames of the worker process that it happened in, if any.

    A worker process of a DataLoader sends its traceback as part of the message.
    """
    text, _, of_worker = _said(error).partition("\nOriginal Traceback (most recent call last):\n")
    cause = of_worker.strip().rpartition("\n")[2] or f"{type(error).__name__}: {text}".removesuffix(": ")
    return cause, _without_libraries(of_worker)


def _said(error: BaseException) -> str:
    """Return the message of an error; a class of the user's may fail to make one."""
    try:
        return str(error)
    except Exception as another:
        return f"(its message cannot be had: {type(another).__name__})"


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error, of Python or of torch, means that memory ran out."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "allocate memory" in _said(error)
    )


def _is_worker_death(error: BaseException) -> bool:
    """Tell whether a worker process of a DataLoader has died: torch says so, or the exchange with it fails."""
    if isinstance(error, (ConnectionError, EOFError, FileNotFoundError)):
        frames = traceback.extract_tb(error.__traceback__)
        return any("multiprocessing" in Path(frame.filename).parts for frame in frames)
    text = _said(error)
    return "DataLoader worker" in text and ("exited unexpectedly" in text or "killed by signal" in text)


def way_out(error: BaseException) -> str:
    """Return what to do about a known error whose message does not say it; "" for others."""
    kind, text = type(error), _said(error)
    if isinstance(error, ModuleNotFoundError) and (package := (error.name or "").split(".")[0]) in EXTRAS:
        return f"{package} does not come with lrfind: {how_to_install(package)}"
    if is_out_of_memory(error):
        return (
            "out of memory: lower $batch_size, and raise $accumulate by the same factor for the same update; "
            "or use a smaller model"
        )
    if _is_worker_death(error):
        return WORKER_DIED
    if "NoneType" in text and any("in collate" in part for part in (text, *traceback.format_tb(error.__traceback__))):
        return "the data set returns None for some samples: drop them in it, or with $collate_fn"
    if text.startswith("default_collate"):
        return (
            "turn the samples into tensors with a transform of the data set, such as torchvision.transforms.ToTensor, "
            "or into mini-batches with $collate_fn"
        )
    if "find_unused_parameters=True" in text:
        return "some parameters take no part in the loss: set train.find_unused_parameters=true, or freeze them"
    if "mixed torch.Tensor and DTensor" in text:
        return "a layer was used without calling it, but only a call gathers its shards: use parallel=ddp"
    if kind.__module__.startswith(("torch._dynamo", "torch._inductor")):
        return "torch.compile failed: correct the code it names (it needs a C++ compiler), or set compile=false"
    return ""


def _user_frames(error: BaseException) -> str:
    """Return the traceback of `error` without the frames of lrfind and of the libraries that it drives."""
    frames = traceback.extract_tb(error.__traceback__)
    return "".join(traceback.format_list([frame for frame in frames if _is_users(frame.filename)]))


def _without_libraries(formatted: str) -> str:
    """Return a traceback in text form without the frames of lrfind and of libraries."""
    frames = re.finditer(r'  File "([^"]+)", line \d+.*\n(?:    .*\n)*', formatted)
    return "".join(frame[0] for frame in frames if _is_users(frame[1]))


def _is_users(file: str) -> bool:
    modules = (sys.modules.get(name) for name in LIBRARIES)
    libraries = {Path(module.__file__).parent for module in modules if module and module.__file__}
    return not file.startswith("<frozen ") and not libraries & set(Path(file).parents)
