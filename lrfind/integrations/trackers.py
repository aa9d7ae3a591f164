"""Trackers of experiments that a result is written to: TensorBoard, Weights & Biases, MLflow; each is optional."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import math
import os
import struct
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lrfind.errors import ConfigError, Fault, OutputError
from lrfind.output.curve import headline
from lrfind.output.drawing import drawn
from lrfind.output.look import PLAIN, Look
from lrfind.output.picture import loading_matplotlib, picture_bytes
from lrfind.output.streams import stdout_for_result
from lrfind.records.json_format import to_json
from lrfind.records.types import Result

_PREFIX = "lrfind/"
"""Begins the names of all metrics, which may stand beside those of trainings."""


class Tracker(ABC):
    """Where results are written to.

    Args:
        target: What follows the colon: a folder, a project, an address.

    Raises:
        Exception: Of the library: it is missing, or cannot write there.
    """

    package: str
    """What pip installs."""

    @abstractmethod
    def __init__(self, target: str) -> None: ...

    @abstractmethod
    def log(self, result: Result, name: str, picture: bytes) -> str:
        """Write a result with its curve and its picture, a PNG, as a run of that name, and return where it is."""


class TensorBoard(Tracker):
    """Event files in a folder of their own below a log directory, as several in one folder are drawn as one run."""

    package = "tensorboard"

    def __init__(self, target: str) -> None:
        self._folder = Path(target)
        self._files = importlib.import_module("tensorboard.summary.writer.event_file_writer")
        self._events = importlib.import_module("tensorboard.compat.proto.event_pb2")
        self._text = importlib.import_module("tensorboard.plugins.text.metadata")
        self._tensors = importlib.import_module("tensorboard.util.tensor_util")
        self._folder.mkdir(parents=True, exist_ok=True)

    def log(self, result: Result, name: str, picture: bytes) -> str:
        """Write the curve, the result and its picture as events."""
        names = itertools.chain([f"{name}.lrfind"], (f"{name}.lrfind-{number}" for number in itertools.count(2)))
        folder = next(self._folder / name for name in names if not (self._folder / name).exists())
        writer = self._files.EventFileWriter(str(folder))
        for step, metrics in enumerate(curve(result)):
            self._add(writer, step, metrics)
        width, height = struct.unpack(">II", picture[16:24])  # the header of a PNG (ISO 15948, 11.2.2)
        image = {"width": width, "height": height, "colorspace": 4, "encoded_image_string": picture}
        text = self._tensors.make_tensor_proto([f"{headline(result)}\n\n{result.analysis.message}".encode()])
        metadata = self._text.create_summary_metadata(display_name="", description="")
        shown = {"tag": f"{_PREFIX}loss_vs_lr", "image": image}
        said = {"tag": f"{_PREFIX}finding", "tensor": text, "metadata": metadata}
        self._add(writer, 0, metrics_of(result), shown, said)
        writer.close()
        return str(folder)

    def _add(self, writer: Any, step: int, metrics: Mapping[str, float], *more: Mapping[str, Any]) -> None:
        values = [{"tag": key, "simple_value": value} for key, value in metrics.items()]
        writer.add_event(self._events.Event(wall_time=time.time(), step=step, summary={"value": [*values, *more]}))


class WeightsAndBiases(Tracker):
    """A run of a project, or `ENTITY/PROJECT`; WANDB_MODE=offline keeps it in a folder."""

    package = "wandb"

    def __init__(self, target: str) -> None:
        self._entity, _, self._project = target.rpartition("/")
        self._wandb = importlib.import_module("wandb")
        if self._wandb.setup().settings.mode == "online":
            self._wandb.login()  # asks for the key on a terminal, and raises elsewhere

    def log(self, result: Result, name: str, picture: bytes) -> str:
        """Write the curve over the learning rate, and the result with its picture as the summary."""
        record = json.loads(to_json(result))
        with self._wandb.init(
            project=self._project,
            entity=self._entity or None,
            name=f"{name}.lrfind",
            job_type="lrfind",
            config=record["config"],
            settings=self._wandb.Settings(silent=True, console="off"),
        ) as run:
            for loss in ("loss", "smoothed_loss"):
                run.define_metric(_PREFIX + loss, step_metric=f"{_PREFIX}lr")
            for metrics in curve(result):
                run.log(metrics)
            with _file_of(picture) as file:
                run.log({f"{_PREFIX}loss_vs_lr": self._wandb.Image(str(file))})
            run.summary.update({**metrics_of(result), **{_PREFIX + key: record[key] for key in _TEXTS}})
            online = run.settings.mode == "online"  # elsewhere the URL is a warning
            return str(run.url) if online else f"{run.settings.sync_dir} (wandb sync uploads it)"


class MLflow(Tracker):
    """A run of the experiment MLFLOW_EXPERIMENT_NAME, by default `lrfind`, in the store at a tracking URI."""

    package = "mlflow"

    def __init__(self, target: str) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # its own default tries for minutes
        self._uri = target
        self._entities = importlib.import_module("mlflow.entities")
        self._client = importlib.import_module("mlflow").MlflowClient(target)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "lrfind")
        known = self._client.get_experiment_by_name(name)
        self._experiment = known.experiment_id if known else self._client.create_experiment(name)

    def log(self, result: Result, name: str, picture: bytes) -> str:
        """Write the curve and the result as metrics, its texts as tags, picture and record as artifacts."""
        now = int(1000 * time.time())
        run = self._client.create_run(self._experiment, run_name=f"{name}.lrfind").info.run_id
        rows = [*enumerate(curve(result)), (0, metrics_of(result))]
        metric, tag = self._entities.Metric, self._entities.RunTag
        metrics = [metric(key, value, now, step) for step, row in rows for key, value in row.items()]
        record = json.loads(to_json(result))
        tags = [tag(_PREFIX + key, str(record[key])) for key in _TEXTS if record[key] is not None]
        for start in range(0, len(metrics), _MOST_METRICS):
            self._client.log_batch(run, metrics=metrics[start : start + _MOST_METRICS])
        self._client.log_batch(run, tags=tags)
        self._client.log_text(run, to_json(result), f"{name}.lrfind.json")
        with _file_of(picture) as file:
            self._client.log_artifact(run, str(file))
        self._client.set_terminated(run)
        return f"run {run} of {self._uri}"


KINDS: dict[str, type[Tracker]] = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases, "mlflow": MLflow}
"""The trackers, by what stands before the colon."""
_TEXTS = ("status", "reason", "message", "title", "source")
"""What of a record is text."""
_MOST_METRICS = 1000
"""In one request to MLflow, as its API has it."""


def tracker(spec: str, command: str) -> Tracker:
    """Return the tracker that `KIND:TARGET` names, after making sure that it can be written to.

    Raises:
        ConfigError: There is no such kind, its library is missing, or it cannot be reached.
    """
    kind, _, target = spec.partition(":")
    if kind not in KINDS or not target:
        expected = "tensorboard:DIR, wandb:PROJECT or mlflow:URI"
        raise ConfigError(command, [Fault("--log", expected=expected, got=repr(spec))])
    try:
        with stdout_for_result():
            return KINDS[kind](target)
    except ImportError as error:
        package = KINDS[kind].package
        problem, fix = f"{kind} cannot be imported: {error}", f"pip install {package}"
        raise ConfigError(command, [Fault("--log", problem=problem, fix=fix)]) from error
    except Exception as error:  # whatever a library raises that cannot get there
        raise ConfigError(command, [Fault("--log", problem=f"cannot write to {spec}: {error}")]) from error


def log(tracker: Tracker, result: Result, name: str, look: Look = PLAIN) -> str:
    """Write a result to a tracker as a run of that name, and return where it is.

    Raises:
        OutputError: It cannot be written any more.
    """
    with loading_matplotlib():
        picture = picture_bytes(drawn(result, look), "png")
    try:
        with stdout_for_result():
            return tracker.log(result, name, picture)
    except Exception as error:  # the search has been made, and is not lost with a library's fault
        problem = f"cannot write to {type(tracker).__name__}: {error}"
        raise OutputError(Fault("--log", problem=problem)) from error


def curve(result: Result) -> Iterator[dict[str, float]]:
    """Yield for each step of the sweep its learning rate, and the loss after it, raw and smoothed, where finite."""
    sweep = result.sweep
    rows = itertools.zip_longest(sweep.lrs, sweep.losses[1:], result.analysis.smoothed, fillvalue=math.nan)
    for lr, loss, smoothed in rows:
        row = {"lr": lr, "loss": loss, "smoothed_loss": smoothed}
        yield {_PREFIX + key: value for key, value in row.items() if math.isfinite(value)}


def metrics_of(result: Result) -> dict[str, float]:
    """Return the suggestion, the ends of its safe range and the confidence; the last alone without a suggestion."""
    analysis = result.analysis
    low, high = analysis.safe_range or (None, None)
    found = {"suggested_lr": analysis.suggested_lr, "safe_lr_low": low, "safe_lr_high": high}
    return {
        f"{_PREFIX}confidence": analysis.confidence,
        **{_PREFIX + key: value for key, value in found.items() if value is not None},
    }


@contextlib.contextmanager
def _file_of(picture: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lrfind-") as folder:
        file = Path(folder, "loss_vs_lr.png")
        file.write_bytes(picture)
        yield file
