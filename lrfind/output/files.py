"""Writing files whole or not at all, and finding out early that a folder cannot be written to."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from lrfind.errors import Fault, OutputError

WAY_OUT = "make room there, or name another folder with --out or output.dir"


def record_path(stem: Path) -> Path:
    """Return where the record of a run goes, from the path without a suffix."""
    return stem.with_name(f"{stem.name}.lrfind.json")


def write_atomically(path: Path, data: bytes, way_out: str = WAY_OUT) -> None:
    """Write `data` to `path`, so that a reader sees the old file or the new one, never a part of it.

    A link is followed, and what is no regular file (a device, a pipe) is written to directly.

    Args:
        path: The file.
        data: All that it will hold.
        way_out: What the user can do if it cannot be written.

    Raises:
        OutputError: The file cannot be written, or is read-only; an old one is unchanged.
    """
    check_replaceable(path)
    with _faults(path, way_out):
        target = Path(os.path.realpath(path))
        if target.is_symlink():  # in a circle: Path.resolve() raises for it in some versions of Python only
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if target.exists() and not target.is_file():
            target.write_bytes(data)
        else:
            _replace(target, data)


def check_writable(folder: Path, way_out: str = WAY_OUT) -> None:
    """Make `folder` if it does not exist, and make sure that files can be written in it.

    Args:
        folder: The folder.
        way_out: What the user can do if it cannot be written to.

    Raises:
        OutputError: It cannot be made, or no file can be written in it.
    """
    with _faults(folder, way_out):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(prefix=".lrfind-", dir=folder) as probe:
            probe.write(b"probe")


def check_replaceable(path: Path, *, force: bool = False) -> None:
    """Make sure that a file that is there may be replaced: a read-only one is precious, and its folder would allow it.

    Args:
        path: The file.
        force: Whether to make it writable.

    Raises:
        OutputError: It is read-only.
    """
    if not os.path.isfile(path) or (mode := path.stat().st_mode) & stat.S_IWUSR:  # noqa: PTH113 - any text
        return
    if not force:
        fix = "make it writable, which `lrfind run --force` does, or name another place"
        raise OutputError(Fault(problem=f"cannot write {path}: it is read-only", fix=fix))
    with _faults(path, WAY_OUT):
        path.chmod(mode | stat.S_IWUSR)


def _replace(target: Path, data: bytes) -> None:
    # A name of our own: tempfile would leave the file readable by its owner only. It is random, as containers with the
    # same folder have equal process ids; and what has it already, such as a link, is not opened.
    temporary = target.with_name(f".lrfind-{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # a full disk or quota may show only here, and must before the old file goes
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def _faults(path: Path, way_out: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # the latter of a path with a NUL
        problem = getattr(error, "strerror", None) or error
        raise OutputError(Fault(problem=f"cannot write {path}: {problem}", fix=way_out)) from error
