from __future__ import annotations

import errno
import os
import stat
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lrfind.errors import ExitCode, OutputError
from lrfind.output.files import check_writable, write_atomically


def test_writes_what_it_is_given_and_nothing_else(tmp_path: Path) -> None:
    write_atomically(tmp_path / "record.json", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"record.json": b"new"}


def test_replaces_an_older_file(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_bytes(b"old and longer")
    write_atomically(tmp_path / "record.json", b"new")
    assert (tmp_path / "record.json").read_bytes() == b"new"


def test_the_file_is_as_readable_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "record.json", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "record.json").stat().st_mode) == 0o640


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_fault_leaves_the_old_file_and_no_other(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = tmp_path / "record.json"
    target.write_bytes(b"old")
    monkeypatch.setattr(step, full)
    with pytest.raises(OutputError) as caught:
        write_atomically(target, b"new")
    assert str(target) in str(caught.value)
    assert "No space left on device" in str(caught.value)
    assert "--out" in str(caught.value)
    assert "output.dir" in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"record.json": b"old"}


def test_an_interrupt_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "record.json").write_bytes(b"old")
    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "record.json", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"record.json": b"old"}


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "run1.json").write_bytes(b"old")
    (tmp_path / "latest.json").symlink_to("run1.json")
    write_atomically(tmp_path / "latest.json", b"new")
    assert (tmp_path / "latest.json").is_symlink()
    assert (tmp_path / "run1.json").read_bytes() == b"new"


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, b"new")
        assert os.read(reader, 10) == b"new"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs /dev/full")
def test_a_full_device_is_an_output_error() -> None:
    with pytest.raises(OutputError, match="cannot write /dev/full: No space left on device"):
        write_atomically(Path("/dev/full"), b"new")
    assert Path("/dev/full").is_char_device()


def test_a_folder_in_the_place_of_the_file_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Is a directory"):
        write_atomically(tmp_path, b"new")


@pytest.mark.parametrize("place", ["gone/record.json", "file/record.json"])
def test_a_folder_that_is_none_is_an_output_error(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a file")
    with pytest.raises(OutputError, match="cannot write"):
        write_atomically(tmp_path / place, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    check_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_what_no_file_can_be_called_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="embedded null"):
        check_writable(tmp_path / "a\0b")


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_file_in_the_place_of_the_folder_is_found_early(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a file")
    with pytest.raises(OutputError, match=r"--out or output\.dir") as caught:
        check_writable(tmp_path / place)
    assert str(tmp_path / place) in str(caught.value)


def test_a_folder_that_takes_no_file_is_found_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # chmod keeps no file from root
    with pytest.raises(OutputError, match="Permission denied"):
        check_writable(tmp_path)


def test_threads_that_write_one_file_leave_one_of_theirs_whole(tmp_path: Path) -> None:
    texts = [letter * 50_000 for letter in (b"a", b"b", b"c", b"d")]

    def write(text: bytes) -> None:
        for _ in range(10):
            write_atomically(tmp_path / "record.json", text)

    with ThreadPoolExecutor() as threads:
        list(threads.map(write, texts))
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]
    assert (tmp_path / "record.json").read_bytes() in texts


def test_a_link_at_the_place_of_the_temporary_file_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = uuid.uuid4()
    monkeypatch.setattr("uuid.uuid4", lambda: known)
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / f".lrfind-{known.hex}.tmp").symlink_to("victim")
    with pytest.raises(OutputError, match="File exists"):
        write_atomically(tmp_path / "record.json", b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_a_circle_of_links_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "record.json").symlink_to("record.json")
    with pytest.raises(OutputError, match="cannot write"):
        write_atomically(tmp_path / "record.json", b"new")
