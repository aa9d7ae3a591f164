from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch._inductor.exc import InvalidCxxCompiler
from torch.utils.data import DataLoader

from lrfind import errors
from lrfind.errors import ConfigError, DataError, ExitCode, Fault, LrfindError, UserCodeError, user_code
from lrfind.training.minibatches import endless


def test_every_error_knows_its_exit_code() -> None:
    codes = {error.__name__: error.exit_code for error in LrfindError.__subclasses__()}
    assert codes == {
        "UserCodeError": ExitCode.FAILED,
        "DataError": ExitCode.FAILED,
        "ConfigError": ExitCode.USAGE,
        "RecordError": ExitCode.USAGE,
        "OutputError": ExitCode.USAGE,
        "StoppedError": ExitCode.INTERRUPTED,
    }


def test_an_exit_code_as_text_is_its_number() -> None:
    assert str(ExitCode.INTERRUPTED) == f"{ExitCode.INTERRUPTED}" == "130"


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__ is not None
    for error in LrfindError.__subclasses__():
        if error.__module__ == errors.__name__:
            assert f"── {error.__name__} " in errors.__doc__


def test_a_config_error_lists_every_fault_behind_the_file() -> None:
    error = ConfigError("c.yaml", [Fault("a.b", problem="expected 1, got 2"), Fault("", problem="no such file")])
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


def test_ctrl_c_passes_through() -> None:
    with pytest.raises(KeyboardInterrupt), user_code("loading"):
        raise KeyboardInterrupt


class Panic(BaseException):
    """As pyo3 raises it for a panic of Rust code."""


def test_what_is_no_exception_is_a_fault_too() -> None:
    with pytest.raises(UserCodeError, match=r"^loading failed: Panic: called unwrap\(\)"), user_code("loading"):
        raise Panic("called unwrap()")


def test_an_error_that_cannot_say_itself_is_named() -> None:
    class SpeechlessError(ValueError):
        def __str__(self) -> str:
            return self.args[7]

    with pytest.raises(UserCodeError, match=r"SpeechlessError: .*cannot be had: IndexError"), user_code("loading"):
        raise SpeechlessError


def test_an_end_of_a_generator_that_code_of_the_user_raises_is_its_fault() -> None:
    with pytest.raises(UserCodeError, match="loading failed: GeneratorExit"), user_code("loading"):
        raise GeneratorExit


def test_exit_called_by_the_users_code_is_a_fault_of_it() -> None:
    with pytest.raises(UserCodeError, match=r"loading failed: it called exit\(0\)"), user_code("loading"):
        raise SystemExit(0)


def test_the_traceback_of_a_worker_process_is_cut_too() -> None:
    sent = (
        "Caught ValueError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
        f'  File "{torch.__path__[0]}/utils/data/fetch.py", line 52, in fetch\n    data = [\n'
        '  File "/home/me/own.py", line 3, in __getitem__\n    raise ValueError("bad sample")\nValueError: bad sample\n'
    )
    with pytest.raises(UserCodeError, match=r"^loading failed: ValueError: bad sample$") as error, user_code("loading"):
        raise ValueError(sent)
    assert error.value.user_traceback == (
        '  File "/home/me/own.py", line 3, in __getitem__\n    raise ValueError("bad sample")\n'
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "lower data.batch_size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "lower data.batch_size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "raise train.accumulate by the same factor"),
        (torch.OutOfMemoryError("CUDA out of memory"), "lower data.batch_size"),
        (RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"), "data.num_workers=0 shows"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), "data.num_workers=0 shows"),
        (TypeError("default_collate: batch must contain tensors; found <class 'PIL.Image.Image'>"), "data.collate_fn"),
        (InvalidCxxCompiler(), "torch.compile failed: .* set compile=false"),
        (ValueError("x"), "^doing failed: ValueError: x$"),
    ],
)
def test_a_fault_of_the_machine_has_a_way_out(error: Exception, words: str) -> None:
    with pytest.raises(UserCodeError, match=words), user_code("doing"):
        raise error


@pytest.mark.parametrize("samples", [[None, (1.0, 2.0)], [(1.0, 2.0), None]], ids=["first", "later"])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_set_that_returns_none_is_told_so(samples: list[Any], workers: int) -> None:
    loader = DataLoader(samples, 2, num_workers=workers)  # type: ignore[arg-type,var-annotated]
    with pytest.raises(UserCodeError, match=r"returns None for some samples.*data\.collate_fn"):
        next(endless(loader))
