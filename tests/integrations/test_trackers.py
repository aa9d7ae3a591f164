"""Results in the files of real trackers, read back by their own readers; W&B offline."""

from __future__ import annotations

import importlib
import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from helpers import END_LR, example_result, example_sweep, refused_result

from lrfind.errors import ConfigError, OutputError
from lrfind.integrations.trackers import Tracker, curve, log, metrics_of, tracker
from lrfind.records.json_format import to_json
from lrfind.records.types import Result

pytestmark = pytest.mark.filterwarnings("default")  # of the trackers' own
FOUND = {
    "lrfind/suggested_lr": END_LR,
    "lrfind/safe_lr_low": 2e-3,
    "lrfind/safe_lr_high": 4e-2,
    "lrfind/confidence": 0.87,
}


def test_the_curve_has_the_loss_after_each_learning_rate() -> None:
    sweep = example_sweep(noise=0.0)
    broken = replace(sweep, losses=(*sweep.losses[:50], float("nan"), *sweep.losses[51:]))
    rows = list(curve(example_result(broken)))
    assert [row["lrfind/lr"] for row in rows] == list(sweep.lrs)
    assert rows[10]["lrfind/loss"] == sweep.losses[11] == pytest.approx(rows[10]["lrfind/smoothed_loss"])
    assert ["lrfind/loss" in rows[index] for index in (48, 49, 50, 99)] == [True, False, True, False]
    assert metrics_of(example_result()) == FOUND
    assert metrics_of(refused_result()) == {"lrfind/confidence": 0.0}


@pytest.mark.parametrize("spec", ["runs", "tensorboard", "tensorboard:", "comet:x", ""])
def test_what_is_no_tracker_is_refused(spec: str) -> None:
    with pytest.raises(ConfigError, match=r"--log: expected tensorboard:DIR, wandb:PROJECT or mlflow:URI, got"):
        tracker(spec, "lrfind run")


@pytest.mark.parametrize("kind", ["tensorboard", "wandb", "mlflow"])
def test_a_missing_library_is_named_with_what_installs_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == kind]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(ConfigError, match=rf"--log: {kind} cannot be imported: .*; pip install {kind}"):
        tracker(f"{kind}:x", "lrfind run")


def test_a_tracker_that_fails_at_the_end_is_a_fault_of_output() -> None:
    class Full(Tracker):
        package = "full"

        def __init__(self, target: str = "") -> None: ...

        def log(self, result: Result, name: str, picture: bytes) -> str:
            raise RuntimeError("disk quota exceeded")

    with pytest.raises(OutputError, match="cannot write to Full: disk quota exceeded"):
        log(Full(), example_result(), "train")


@pytest.mark.slow
def test_tensorboard_reads_curve_picture_and_result(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    result, opened = example_result(), tracker(f"tensorboard:{tmp_path / 'runs'}", "lrfind run")
    first = Path(log(opened, result, "train"))
    assert first == tmp_path / "runs" / "train.lrfind"
    assert Path(log(opened, result, "train")) == tmp_path / "runs" / "train.lrfind-2"

    read = events.EventAccumulator(str(first), size_guidance={"scalars": 0})
    read.Reload()
    assert [event.value for event in read.Scalars("lrfind/lr")] == pytest.approx(result.sweep.lrs)
    assert [event.value for event in read.Scalars("lrfind/loss")] == pytest.approx(result.sweep.losses[1:])
    assert [event.step for event in read.Scalars("lrfind/smoothed_loss")] == list(range(100))
    assert {name: read.Scalars(name)[0].value for name in FOUND} == pytest.approx(FOUND)
    (picture,) = read.Images("lrfind/loss_vs_lr")
    assert picture.encoded_image_string.startswith(b"\x89PNG")
    assert (picture.width, picture.height) > (600, 300)
    (finding,) = read.Tensors("lrfind/finding")
    assert b"Suggested LR 0.0063, safe range" in finding.tensor_proto.string_val[0]


@pytest.mark.slow
def test_mlflow_reads_curve_picture_and_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a database takes many seconds to make
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = (tmp_path / "mlruns").as_uri()
    result = example_result()
    place = log(tracker(f"mlflow:{uri}", "lrfind run"), result, "train")

    client = mlflow.MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("lrfind").experiment_id])
    assert place == f"run {run.info.run_id} of {uri}"
    assert (run.info.run_name, run.info.status) == ("train.lrfind", "FINISHED")
    assert {name: run.data.metrics[name] for name in FOUND} == FOUND
    assert run.data.tags["lrfind/message"] == result.analysis.message
    history = client.get_metric_history(run.info.run_id, "lrfind/loss")
    assert [(metric.step, metric.value) for metric in history] == list(enumerate(result.sweep.losses[1:]))
    artifacts = Path(client.download_artifacts(run.info.run_id, "", str(tmp_path)))
    assert (artifacts / "train.lrfind.json").read_text() == to_json(result)
    assert (artifacts / "loss_vs_lr.png").read_bytes().startswith(b"\x89PNG")

    with pytest.raises(ConfigError, match=r"--log: cannot write to mlflow:http://127\.0\.0\.1:9"):
        tracker("mlflow:http://127.0.0.1:9", "lrfind run")


@pytest.fixture
def wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """W&B without the settings of this machine, which it reads once for a process."""
    module: ModuleType = pytest.importorskip("wandb")
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "NETRC", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    module.teardown()
    yield module
    module.teardown()


def kept_offline(file: Path) -> Iterator[bytes]:
    """Yield the records that W&B keeps to upload later: LevelDB's log format behind a header of seven bytes."""
    data, place, record = file.read_bytes(), 7, b""
    while place + 7 < len(data):
        room = 32768 - place % 32768
        if room < 7:  # the rest of a block too small for the head of a record
            place += room
            continue
        length, kind = struct.unpack_from("<HB", data, place + 4)
        record += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


@pytest.mark.slow
def test_wandb_keeps_curve_picture_and_result_offline(wandb: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    result = example_result()
    place = log(tracker("wandb:team/project", "lrfind run"), result, "train")
    assert place.endswith("(wandb sync uploads it)")

    wandb.teardown()  # what it keeps is whole only then
    folder, rows, summary = Path(place.removesuffix(" (wandb sync uploads it)")), [], {}
    records = importlib.import_module("wandb.proto.wandb_internal_pb2")
    for data in kept_offline(next(folder.glob("*.wandb"))):
        record = records.Record.FromString(data)
        if record.run.project:
            assert (record.run.entity, record.run.project, record.run.display_name) == (
                "team",
                "project",
                "train.lrfind",
            )
        rows.append({"/".join(each.nested_key) or each.key: each.value_json for each in record.history.item})
        summary |= {"/".join(each.nested_key) or each.key: each.value_json for each in record.summary.update}
    curves = [{name: json.loads(value) for name, value in row.items()} for row in rows if "lrfind/lr" in row]
    assert [row["lrfind/lr"] for row in curves] == list(result.sweep.lrs)
    assert [row["lrfind/loss"] for row in curves[:99]] == list(result.sweep.losses[1:])
    assert {name: json.loads(summary[name]) for name in FOUND} == FOUND
    assert json.loads(summary["lrfind/message"]) == result.analysis.message
    assert [file.read_bytes()[:4] for file in folder.rglob("loss_vs_lr*.png")] == [b"\x89PNG"]


@pytest.mark.slow
def test_wandb_without_a_key_is_refused_before_a_run(wandb: ModuleType) -> None:
    with pytest.raises(ConfigError, match=r"--log: cannot write to wandb:project: .*wandb login"):
        tracker("wandb:project", "lrfind run")
