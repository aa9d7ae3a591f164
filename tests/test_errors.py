from __future__ import annotations

import pytest
from torch import nn

from lrfind import errors
from lrfind.errors import ConfigError, DataError, ExitCode, Fault, LrfindError, UserCodeError, user_code


def test_every_error_knows_its_exit_code() -> None:
    codes = {error.__name__: error.exit_code for error in LrfindError.__subclasses__()}
    assert codes == {
        "UserCodeError": ExitCode.FAILED,
        "DataError": ExitCode.FAILED,
        "ConfigError": ExitCode.USAGE,
        "RecordError": ExitCode.USAGE,
        "OutputError": ExitCode.USAGE,
    }


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__ is not None
    for error in LrfindError.__subclasses__():
        if error.__module__ == errors.__name__:
            assert f"── {error.__name__} " in errors.__doc__


def test_a_config_error_lists_every_fault_behind_the_file() -> None:
    error = ConfigError("c.yaml", [Fault("a.b", "expected 1, got 2"), Fault("", "no such file")])
    assert str(error) == "c.yaml: a.b: expected 1, got 2\nc.yaml: no such file"


def raise_deep_inside() -> None:
    nn.Linear(3, 1)("no tensor")


def test_only_the_users_own_frames_are_kept() -> None:
    with pytest.raises(UserCodeError, match="building model failed: TypeError") as error, user_code("building model"):
        raise_deep_inside()
    assert "raise_deep_inside" in error.value.user_traceback
    assert "torch/nn" not in error.value.user_traceback
    assert "lrfind/errors.py" not in error.value.user_traceback


def test_lrfinds_own_errors_pass_through() -> None:
    with pytest.raises(DataError, match=r"^empty$"), user_code("loading"):
        raise DataError("empty")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_passes_through(stop: type[BaseException]) -> None:
    with pytest.raises(stop), user_code("loading"):
        raise stop


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "lower data.batch_size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "lower data.batch_size"),
        (ValueError("x"), "^doing failed: ValueError: x$"),
    ],
)
def test_running_out_of_memory_has_a_way_out(error: Exception, words: str) -> None:
    with pytest.raises(UserCodeError, match=words), user_code("doing"):
        raise error
