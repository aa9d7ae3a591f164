from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import HashStore

from lrfind.errors import ConfigError, Fault, LrfindError, MisfitError, UserCodeError
from lrfind.training.distributed import process_group as parallel
from lrfind.training.distributed.launch import Launch
from lrfind.training.distributed.process_group import ProcessGroup, join_process_group
from lrfind.training.distributed.sharding import OpaqueBatch, StepModule, _units, through_forward

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _kept_handler() -> Iterator[None]:
    kept = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, kept)


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> tuple[ProcessGroup, ProcessGroup]:
    """Return two processes as they see each other, without any exchange but the store."""
    monkeypatch.setattr(parallel, "GRACE_SECONDS", 0.1)
    store = HashStore()
    first, second = (ProcessGroup("ddp", Launch(rank, rank, 2), CPU, store) for rank in (0, 1))
    return first, second


def settled(ranks: ProcessGroup, error: LrfindError) -> LrfindError:
    with pytest.raises(LrfindError) as failure, ranks.faults_settled():
        raise error
    return failure.value


def lost() -> UserCodeError:
    return UserCodeError(
        "training step failed: RuntimeError: [gloo/transport/tcp/pair.cc] Connection closed", user_traceback="frames"
    )


def test_a_fault_is_told_by_the_process_it_happened_on(pair: tuple[ProcessGroup, ProcessGroup]) -> None:
    theirs = settled(pair[1], UserCodeError("boom"))
    ours = settled(pair[0], lost())
    assert (theirs.told, ours.told) == (False, True)
    assert str(theirs) == str(ours) == "rank 1: boom"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN  # torchrun's, while the curve is saved


def test_a_fault_of_all_is_told_once(pair: tuple[ProcessGroup, ProcessGroup]) -> None:
    told = [settled(ranks, ConfigError("c.yaml", [Fault("optimizer", problem="is none")])).told for ranks in pair]
    assert told == [False, True]
    assert pair[0].fault() == "c.yaml: optimizer: is none"


def test_a_process_that_is_gone_without_a_word_is_told_of(pair: tuple[ProcessGroup, ProcessGroup]) -> None:
    error = settled(pair[0], lost())
    assert not error.told
    assert "another process of the training has gone" in str(error)
    assert "the report of torchrun names" in str(error)


def test_a_process_without_data_is_told_of(pair: tuple[ProcessGroup, ProcessGroup]) -> None:
    pair[1].out_of_data()
    error = settled(pair[0], lost())
    assert (str(error), error.told) == ("the data of rank 1 ended before that of the others", False)


def test_the_exit_code_is_that_of_the_first(
    pair: tuple[ProcessGroup, ProcessGroup], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pair[0].exit_code(3) == 3
    assert pair[1].exit_code(0) == 3
    assert pair[1].exit_code(130) == 130  # it does not wait then


def test_what_is_downloaded_is_built_by_the_first_alone(pair: tuple[ProcessGroup, ProcessGroup]) -> None:
    node = {"_target_": "data", "inner": [{"download": True}]}
    with pair[1].in_turn({"_target_": "data", "download": False}):
        pass  # does not wait
    with pair[0].in_turn(node):
        assert not pair[0].store.check(["built/0"])
    with pair[1].in_turn(node):
        assert pair[0].store.check(["built/0"])


def test_a_step_goes_through_the_forward_of_whatever_wraps_the_model() -> None:
    whole = StepModule(nn.Linear(2, 1))
    whole.set_step(lambda model, batch: model.weight.sum() * batch["x"])
    loss = through_forward(nn.Sequential(whole), {"x": 3})
    assert loss.item() == pytest.approx(3 * whole.model.weight.sum().item())
    assert [name for name, _ in whole.named_parameters()] == ["model.weight", "model.bias"]
    assert whole(OpaqueBatch({"x": 0})).item() == 0


def test_containers_are_no_units_of_sharding() -> None:
    blocks = nn.ModuleList([nn.Linear(1, 1), nn.ModuleDict({"a": nn.Linear(1, 1)}), nn.ReLU()])
    model = nn.ModuleDict({"blocks": blocks, "head": nn.Sequential(nn.Linear(1, 1))})
    assert list(_units(model)) == [blocks[0], blocks[1]["a"], model["head"]]  # type: ignore[index]


def test_processes_that_do_not_meet_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(port))
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    monkeypatch.setattr(parallel, "MEET", timedelta(seconds=1))
    with pytest.raises(MisfitError) as failure:
        join_process_group("ddp", Launch(0, 0, 2), CPU, find_unused=False)
    words = f"parallel: expected WORLD_SIZE=2 processes to meet at MASTER_ADDR:MASTER_PORT=127.0.0.1:{port}"
    assert str(failure.value).startswith(words)
    assert not dist.is_initialized()
    assert ProcessGroup.joined is None
    assert "RANK" not in os.environ
