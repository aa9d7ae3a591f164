"""`lrfind run` in two processes of torchrun, beside the same training in one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from cli import CONFIG, PACKAGE, PATIENCE, Outcome, bring, torchrun
from forked import command as forked
from packaging.version import Version

pytestmark = pytest.mark.slow

RECIPE = ("train.accumulate=2", "train.clip_grad_norm=0.5", "data.dataset.size=300", "data.dataset.noise=0.1")
"""Of 300 samples, 256 make whole updates: what is left over is dropped alike however many processes read them."""

Run = Callable[..., Outcome]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    config = CONFIG.replace("own.net", "ranks.layers").replace("batch_size: 64", "batch_size: 32")
    (folder / "train.yaml").write_text(config)
    bring(folder, "own", "ranks")
    return folder


def run(line: list[str]) -> Outcome:
    done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE)
    return Outcome(done.returncode, done.stdout, done.stderr)


def of(folder: Path, name: str, *overrides: str) -> list[str]:
    return ["run", str(folder / "train.yaml"), "--json", "--out", str(folder / name), *overrides]


def record(folder: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / name / "train.lrfind.json").read_text())
    return document


def curves(document: dict[str, Any]) -> list[list[float]]:
    return [run["losses"] for run in document["sweeps"] + document["probes"]]


@pytest.fixture(scope="session")
def alone(folder: Path) -> dict[str, Any]:
    """Return the record of one process with batches twice as large."""
    return run(forked(*of(folder, "alone", "data.batch_size=64", *RECIPE))).json


@pytest.fixture(scope="session")
def ddp(folder: Path) -> Outcome:
    return run(torchrun(of(folder, "ddp", "parallel=ddp", *RECIPE)))


@pytest.fixture(scope="session")
def fsdp(folder: Path) -> Outcome:
    return by_hand(of(folder, "fsdp", "parallel=fsdp", *RECIPE))[0]


def same(document: dict[str, Any], other: dict[str, Any]) -> None:
    assert len(curves(document)) == len(curves(other)) >= 4  # the sweep and its probes
    for curve, expected in zip(curves(document), curves(other), strict=True):
        assert curve == pytest.approx(expected, rel=2e-3, abs=1e-5)
    assert document["stop_reason"] == other["stop_reason"]
    assert document["suggested_lr"] == pytest.approx(other["suggested_lr"], rel=1e-3)


AVERAGES = pytest.mark.skipif(
    Version(torch.__version__) < Version("2.9"), reason="FSDP on CPUs added gradients up, and did not divide them"
)


@pytest.mark.parametrize("kind", ["ddp", pytest.param("fsdp", marks=AVERAGES)])
def test_two_processes_make_the_curves_of_one_with_twice_the_batch(
    kind: str, alone: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    outcome = request.getfixturevalue(kind)
    assert outcome.code == 0, outcome.err
    same(outcome.json, alone)


def test_one_process_that_stands_for_two_makes_their_curves(folder: Path, ddp: Outcome) -> None:
    simulated = run(forked(*of(folder, "simulated", "train.world_size=2", *RECIPE))).json
    same(simulated, ddp.json)
    assert simulated["title"] == "layers, SGD, batch 32 x 2 x 2 processes (in one), cpu"
    assert simulated["environment"]["effective_batch_size"] == 128


def test_the_first_process_alone_speaks_and_writes(folder: Path, ddp: Outcome) -> None:
    assert record(folder, "ddp") == ddp.json  # stdout holds one document, strictly
    assert [file.name for file in (folder / "ddp").iterdir()] == ["train.lrfind.json"]
    assert ddp.err.count("wrote ") == 1
    assert ddp.json["title"] == "layers, SGD, batch 32 x 2 x 2 processes (DDP), cpu"
    assert ddp.json["environment"]["world_size"] == 2
    assert ddp.json["environment"]["effective_batch_size"] == 128


def test_seeds_are_repeated_by_processes_that_have_met_once(folder: Path) -> None:
    line = of(folder, "repeated", "parallel=ddp", "sweep.repeats=2", "sweep.num_iter=40")
    outcome, _ = by_hand(line)
    assert [repeat["seed"] for repeat in outcome.json["repeats"]] == [0, 1]
    assert outcome.json["error"] is None


def test_a_fault_of_one_process_is_told_once_and_the_curve_is_kept(folder: Path) -> None:
    outcomes = by_hand(of(folder, "raising", "parallel=ddp", "loss={_target_: ranks.raising}"))
    assert [outcome.code for outcome in outcomes] == [1, 1]
    said = "".join(outcome.err for outcome in outcomes)
    assert said.count("lrfind: rank 1: step 41: training step failed: ValueError: boom") == 1
    assert "Connection" not in said
    assert PACKAGE not in said
    outcome = outcomes[0]
    assert len(outcome.json["sweeps"][0]["losses"]) == 40
    assert outcome.json["error"].startswith("rank 1: step 41: training step failed: ValueError: boom")


def test_a_process_that_dies_without_a_word_ends_all(folder: Path) -> None:
    outcome = run(torchrun(of(folder, "leaving", "parallel=fsdp", "loss={_target_: ranks.leaving}")))
    assert outcome.code == 1
    assert outcome.err.count("lrfind: parallel: another process of the training has gone") == 1
    assert "exitcode  : -9" in outcome.err  # in the report of torchrun
    assert PACKAGE not in outcome.err
    assert len(outcome.json["sweeps"][0]["losses"]) == 40


def test_ctrl_c_ends_all_and_keeps_the_curve(folder: Path) -> None:
    line = torchrun(of(folder, "interrupted", "parallel=ddp", "loss={_target_: ranks.slow}", "sweep.num_iter=2000"))
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr is not None
        for told in started.stderr:
            if "in its midst" in told:
                break
        time.sleep(0.3)
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=PATIENCE)
    assert json.loads(out)["stop_reason"] == "interrupted"
    assert err.count("lrfind: interrupted after") == 1
    assert PACKAGE not in err
    assert record(folder, "interrupted")["sweeps"][0]["losses"]


def by_hand(arguments: list[str]) -> list[Outcome]:
    """Run `lrfind` as torchrun would run its two processes, and return what each leaves behind."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    started = []
    for rank in ("0", "1"):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(forked(*arguments), env={**os.environ, **place}, text=True, **pipes))  # type: ignore[call-overload]
    ends = [process.communicate(timeout=PATIENCE) for process in started]
    return [Outcome(process.returncode, *end) for process, end in zip(started, ends, strict=True)]


def test_the_exit_codes_of_all_are_that_of_the_first(folder: Path) -> None:
    """The same with a step of one's own through a method of the model, BatchNorm, and parameters without a part."""
    parts = ("model={_target_: ranks.Branches}", "step={_target_: ranks.step, _partial_: true}", "loss=null")
    settings = ("parallel=ddp", "train.find_unused_parameters=true", "sweep.end_lr=1e-4", "probes.enabled=false")
    first, second = by_hand(of(folder, "codes", *parts, *settings))
    assert (first.code, second.code) == (3, 3), first.err + second.err
    assert first.json["status"] == "no_suggestion"
    assert (second.out, second.err) == ("", "")


def test_a_parameter_without_a_part_names_the_way_out(folder: Path) -> None:
    parts = ("model={_target_: ranks.Branches}", "step={_target_: ranks.step, _partial_: true}", "loss=null")
    outcomes = by_hand(of(folder, "unused", *parts, "parallel=ddp"))
    assert {outcome.code for outcome in outcomes} == {1}
    assert "".join(outcome.err for outcome in outcomes).count("set train.find_unused_parameters=true") == 1


def test_torchrun_without_parallel_means_ddp(folder: Path) -> None:
    arguments = of(folder, "null", "sweep.num_iter=30", "probes.enabled=false", "sweep.max_iter=30")
    outcome = run(torchrun(arguments, forks=True))
    assert outcome.err.count("2 processes run, which train together by parallel=ddp.") == 1
    assert outcome.json["title"] == "layers, SGD, batch 32 x 2 processes (DDP), cpu"
