"""Every config under configs/ loads, says how to run it, and runs.

The torchvision configs run on files that are written here, in the format and at the place where torchvision
looks for what it has downloaded: the config stays as it is, and no test needs the network.
"""

from __future__ import annotations

import hashlib
import math
import pickle
import struct
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from printed import printed
from sklearn.datasets import load_digits, load_sample_images
from torchvision.datasets import CIFAR10

from lrfind.errors import UserCodeError
from lrfind.pipeline import read_config, run
from lrfind.records.types import Status
from lrfind.schedule.kinds import KINDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "configs").rglob("*.y*ml"))
TEMPLATES = sorted((ROOT / "lrfind" / "templates").glob("*.yaml"))
LARGE = {"cifar10_resnet18", "imagefolder_finetune", "detection", "finetune"}
"""Configs whose updates take long."""

FEW_PROBES = ("budget=160",)
"""Half of the usual updates: the sweep as it is shipped, and what is left for probes."""

every_config = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that share their cores with other work spend their time waiting for each other: ten times slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Case:
    """What a config needs to run here, and what is known of its sweep beforehand.

    Attributes:
        start_loss: Loss of knowing nothing: log(classes), or the variance of the target.
        overrides: What keeps the test short; empty for the sweep as it is shipped.
        smaller: What makes its updates cheaper.
        write: Writes the data under the folder that the config calls `data`.
    """

    start_loss: float
    overrides: tuple[str, ...] = ()
    smaller: tuple[str, ...] = ()
    write: Callable[[Path, pytest.MonkeyPatch], None] | None = None


def _write_mnist(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = data / "MNIST" / "raw"
    raw.mkdir(parents=True)
    images, labels = _digits(zoom=3, side=28)
    for part in ("train", "t10k"):
        header = struct.pack(">IIII", 2051, *images.shape)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        header = struct.pack(">II", 2049, len(labels))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())


def _write_cifar10(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = data / CIFAR10.base_folder
    folder.mkdir(parents=True)
    images, labels = _digits(zoom=4, side=32)
    rows = np.repeat(images[:, None], 3, axis=1).reshape(len(images), -1)  # red, then green, then blue plane
    names = [name for name, _ in CIFAR10.train_list + CIFAR10.test_list]
    for name, part in zip(names, np.array_split(np.arange(len(rows)), len(names)), strict=True):
        _write_pickle(folder / name, {"data": rows[part], "labels": labels[part].tolist()})
    meta = folder / CIFAR10.meta["filename"]
    _write_pickle(meta, {"label_names": [str(digit) for digit in range(10)]})
    # torchvision takes the files for its own only by their checksums, which no other data can have.
    monkeypatch.setattr(CIFAR10, "train_list", [[name, _md5(folder / name)] for name in names[:-1]])
    monkeypatch.setattr(CIFAR10, "test_list", [[names[-1], _md5(folder / names[-1])]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": _md5(meta)})


def _write_image_folder(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    for name, photo in zip(("temple", "flower"), load_sample_images().images, strict=True):
        folder = data / "images" / name
        folder.mkdir(parents=True)
        for index in range(16):
            top, left = (random.integers(size - 128) for size in photo.shape[:2])
            Image.fromarray(photo[top : top + 128, left : left + 128]).save(folder / f"{index}.png")


def _digits(zoom: int, side: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return real digits as images of shape (n, side, side) from 0 to 240, and their labels."""
    pixels, labels = load_digits().images.astype(np.uint8) * 15, load_digits().target.astype(np.uint8)
    margin = (side - 8 * zoom) // 2
    return np.pad(pixels.repeat(zoom, 1).repeat(zoom, 2), ((0, 0), (margin, margin), (margin, margin))), labels


def _write_pickle(file: Path, content: dict[str, Any]) -> None:
    file.write_bytes(pickle.dumps(content, protocol=2))


def _md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes()).hexdigest()


EIGHT = ("data.batch_size=8",)

CASES = {
    "digits": Case(math.log(10)),
    "digits_mlp": Case(math.log(10)),
    "recipe": Case(math.log(10)),
    "diabetes_regression": Case(1.0),
    "char_gru": Case(math.log(128), smaller=EIGHT),
    "bert": Case(math.log(4), smaller=EIGHT),
    "gpt": Case(math.log(128), smaller=EIGHT),
    "lightning": Case(math.log(10)),
    # Classes, objects and, small beside them, two terms for the boxes. A quarter of the steps do: it has no noise.
    "detection": Case(
        math.log(11) + math.log(2),
        ("sweep.num_iter=25", "probes.enabled=false", "sweep.max_iter=10", "sweep.start_lr=1e-5"),
    ),
    "mnist_cnn": Case(math.log(10), write=_write_mnist),
    "cifar10_resnet18": Case(
        math.log(10),
        (
            "data.batch_size=32",
            "sweep.num_iter=40",
            "probes.enabled=false",
            "sweep.max_iter=10",
            "sweep.start_lr=1e-4",
            "sweep.end_lr=0.1",
        ),
        write=_write_cifar10,
    ),
    "imagefolder_finetune": Case(
        math.log(2),
        (
            "sweep.num_iter=12",
            "probes.enabled=false",
            "sweep.max_iter=10",
            "sweep.start_lr=1e-6",
            "sweep.end_lr=1e-2",
            "model.weights=null",
        ),
        (*EIGHT, "data.dataset.transform.transforms.0.size=96"),
        _write_image_folder,
    ),
}


def test_every_config_was_found_and_has_its_case() -> None:
    assert len(FILES) >= 11
    assert {file.stem for file in FILES} == CASES.keys()


@every_config
def test_opens_with_its_own_command_line(file: Path) -> None:
    first_line = file.read_text(encoding="utf-8").splitlines()[0]
    assert first_line == f"# lrfind run {file.relative_to(ROOT).as_posix()}"


@every_config
def test_has_no_fault(file: Path) -> None:
    read_config(file)


# Two configs load with worker processes. From Python 3.12 on, forking them beside torch's threads warns; on a
# machine with one core, DataLoader does too. Neither is a fault of the config.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@every_config
def test_sweeps(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[file.stem]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(urllib.request, "urlopen", _no_network)
    if case.write:
        case.write(tmp_path / "data", monkeypatch)
    config = read_config(file, ["device=cpu", *case.smaller, *(case.overrides or FEW_PROBES)])

    result = run(config, str(file))

    losses = result.sweep.losses
    assert result.error is None
    assert losses[0] == pytest.approx(case.start_loss, rel=0.25)
    assert min(losses) < 0.8 * case.start_loss
    if not case.overrides:
        lowest = losses.index(min(losses))
        assert max(losses[lowest:]) > 1.2 * case.start_loss, "the range ends before the loss blows up"
        assert result.analysis.status is Status.OK, result.analysis.message


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.filterwarnings("ignore::UserWarning:lightning")
@pytest.mark.filterwarnings("ignore::FutureWarning:lightning")
@pytest.mark.parametrize("file", [*FILES, *TEMPLATES], ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_the_code_of_schedules_trains_as_lrfind_does(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if (case := CASES.get(file.stem)) and case.write:
        case.write(tmp_path / "data", monkeypatch)
    small = ["device=cpu", f"data.batch_size={2 if file.stem in LARGE else 4}"]
    small += ["model.weights=null"] * (file.stem in ("imagefolder_finetune", "finetune"))
    # In the template, the batches come from a loader, in the size of its own.
    training = printed(read_config(file, small[: 1 if file.stem == "custom" else None]), file)
    for name in kinds_for(file):
        training.check(name)


def kinds_for(file: Path) -> set[str]:
    """Return the schedules to try with a config: three in turn, so that each kind meets several configs."""
    small = [each for each in (*FILES, *TEMPLATES) if each.stem not in LARGE]
    if file not in small:
        return {"onecycle"}
    names, first = list(KINDS), 3 * small.index(file)
    return {"onecycle", *(names[(first + index) % len(names)] for index in range(3))}


def test_every_schedule_meets_several_configs() -> None:
    tried = [name for file in (*FILES, *TEMPLATES) for name in kinds_for(file)]
    assert all(tried.count(name) >= 2 for name in KINDS)


def test_diabetes_without_scikit_learn_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "diabetes", raising=False)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(UserCodeError, match=r"pip install 'lrfind\[examples\]'"):
        read_config(ROOT / "configs" / "diabetes_regression.yaml")


def test_the_digits_are_those_of_scikit_learn() -> None:
    table = np.loadtxt(ROOT / "lrfind" / "templates" / "digits.csv.gz", delimiter=",")
    bundled = load_digits()
    np.testing.assert_array_equal(table, np.column_stack([bundled.data, bundled.target]))


def _no_network(*arguments: Any, **options: Any) -> None:
    raise AssertionError(f"a download was tried: {arguments}")
