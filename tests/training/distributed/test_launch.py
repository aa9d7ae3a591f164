from __future__ import annotations

import pytest

from lrfind.errors import ConfigError
from lrfind.training.distributed.launch import Launch, is_first, read_launch

OF_TORCHRUN = {
    "WORLD_SIZE": "4",
    "RANK": "3",
    "LOCAL_RANK": "1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}


def test_a_process_knows_its_place() -> None:
    assert read_launch("ddp", 1, "c.yaml", OF_TORCHRUN) == Launch(rank=3, local_rank=1, size=4)
    assert read_launch(None, 1, "c.yaml", OF_TORCHRUN) == Launch(rank=3, local_rank=1, size=4)
    assert read_launch("fsdp", 4, "c.yaml", OF_TORCHRUN) == Launch(rank=3, local_rank=1, size=4)


@pytest.mark.parametrize("environ", [{}, {**OF_TORCHRUN, "WORLD_SIZE": "1", "RANK": "0"}])
def test_one_process_trains_alone(environ: dict[str, str]) -> None:
    assert read_launch(None, 1, "c.yaml", environ) is None
    assert read_launch(None, 4, "c.yaml", environ) is None
    assert read_launch("ddp", 4, "c.yaml", environ) is None
    assert is_first(environ)


def test_the_first_process_speaks() -> None:
    assert not is_first(OF_TORCHRUN)
    assert is_first({**OF_TORCHRUN, "RANK": "0"})


@pytest.mark.parametrize(
    ("parallel", "world_size", "changes", "words"),
    [
        ("ddp", 1, {"WORLD_SIZE": None}, "parallel: expected several processes, got one; start them with torchrun"),
        ("ddp", 3, {}, "train.world_size: expected the 4 processes that run, got 3"),
        ("ddp", 1, {"WORLD_SIZE": "x"}, "WORLD_SIZE: expected the number of processes, got 'x'"),
        ("ddp", 1, {"WORLD_SIZE": "0"}, "WORLD_SIZE: expected the number of processes, got '0'"),
        ("ddp", 1, {"RANK": None}, "RANK: expected a value in the environment beside WORLD_SIZE=4, got none"),
        ("ddp", 1, {"RANK": "4"}, "RANK: expected a number from 0 to 3, got '4'"),
        ("ddp", 1, {"LOCAL_RANK": "-1"}, "LOCAL_RANK: expected a number from 0 to RANK=3, got '-1'"),
        ("ddp", 1, {"MASTER_ADDR": None}, "MASTER_ADDR: expected a value in the environment"),
        ("ddp", 1, {"MASTER_PORT": "http"}, "MASTER_PORT: expected a port, got 'http'"),
    ],
)
def test_an_environment_that_does_not_fit_is_named_with_the_way_out(
    parallel: str | None, world_size: int, changes: dict[str, str | None], words: str
) -> None:
    environ = {name: value for name, value in {**OF_TORCHRUN, **changes}.items() if value is not None}
    with pytest.raises(ConfigError) as failure:
        read_launch(parallel, world_size, "c.yaml", environ)
    assert words in str(failure.value)
    assert str(failure.value).startswith("c.yaml: ")
