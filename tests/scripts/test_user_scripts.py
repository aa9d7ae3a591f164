"""Training scripts as the users of each library write them: `lrfind run SCRIPT` ends in an answer, or says why not."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forked
import pytest
import torch
from cli import PATIENCE, Outcome, process, torchrun
from documented import PAGES, ROOT
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from user_scripts import USER_SCRIPTS, UserScript, copy_scripts

import lrfind
from lrfind.errors import ExitCode
from lrfind.scripts.process import QUIET_TRACKERS

pytestmark = pytest.mark.slow

UPDATES = 12
"""Updates of a sweep without probes, enough to see that a script is run, read and set."""
SWEEP = ("--json", "--num-iter", str(UPDATES), "--budget", str(UPDATES), "--plot", "none")
LOW = ("--start-lr", "1e-6", "--end-lr", "1e-4")
"""Learning rates at which no loss blows up."""

TEN_CLASSES = math.log(10)
CHARACTERS = math.log(74) / 2
"""Of 74 characters; each of the two backward passes of an update is of half the loss."""


@dataclass(frozen=True)
class Seen:
    """What is to be seen of a script.

    Attributes:
        trains: Names of models and optimizers.
        first_loss: The loss of a model that guesses; None if it depends on units.
        steps: Updates of its training; None if the script does not show them.
        schedule: What the learning rate is for.
        line: What stands in the line that sets the learning rate; "" if it is not the script's own.
        groups: Parameter groups.
    """

    trains: str
    first_loss: float | None
    steps: int | None
    schedule: str = "constant"
    line: str = ""
    groups: int = 1


SEEN = {
    "MNIST example": Seen("Net, Adadelta", TEN_CLASSES, 5 * 24, line="optim.Adadelta("),
    "ImageNet example": Seen("ResNet, SGD", TEN_CLASSES, 90 * 24, line="torch.optim.SGD("),
    "nanoGPT": Seen("GPT, AdamW", CHARACTERS, None, line="torch.optim.AdamW(", groups=2),
    "torchrun, DDP": Seen("Sequential, SGD, batch 32 x 2 processes", TEN_CLASSES, 20 * 29, line="torch.optim.SGD("),
    "detection reference": Seen("FasterRCNN, SGD", None, 2 * 20, line="torch.optim.SGD("),
    "GAN, two optimizers": Seen(
        "Discriminator + Generator, Adam + Adam", 3 * math.log(2), 10 * 29, line="optim.Adam(", groups=2
    ),
    "two losses, two backwards": Seen("Sequential, AdamW", 4.8, 8 * 29, line="torch.optim.AdamW("),
    "EMA and SWA": Seen("Sequential, SGD", TEN_CLASSES, 12 * 29, "cosine", "torch.optim.SGD("),
    "evaluation first, workers": Seen("Sequential, Adam", None, 40 * 12, line="torch.optim.Adam("),
    "exceptions caught": Seen("Sequential, NAdam", TEN_CLASSES, 6 * 29, line="torch.optim.NAdam("),
    "notebook export": Seen("Sequential, Adam", math.log(3), 300, line="torch.optim.Adam("),
    "package, -m": Seen("Sequential, AdamW", TEN_CLASSES, 8 * 29, "cosine", "torch.optim.AdamW(", groups=2),
    "timm's train.py": Seen("VisionTransformer, AdamW", TEN_CLASSES, 10 * 24, "cosine", groups=2),
    "run_glue.py, Trainer": Seen("BertForSequenceClassification, AdamW", math.log(2), 4 * 63, "linear", groups=2),
    "no_trainer, accumulation": Seen("GPT2LMHeadModel, AdamW", CHARACTERS, 112, "linear", "optim.AdamW(", groups=2),
    "Lightning script": Seen("LitClassifier, Adam", TEN_CLASSES, 15 * 24, "onecycle", "OneCycleLR("),
    "LightningCLI": Seen("ImageClassifier, SGD", TEN_CLASSES, 10 * 24, "cosine"),
    "Learner.fit_one_cycle": Seen("Sequential, FastaiOptimizer", TEN_CLASSES, 10 * 23, "onecycle"),
    "Ignite engines": Seen("Sequential, SGD", TEN_CLASSES, 10 * 24, line="torch.optim.SGD("),
    "node classification": Seen("GCN, Adam", TEN_CLASSES, 200, line="torch.optim.Adam(", groups=2),
    "Hydra app": Seen("Sequential, SGD", TEN_CLASSES, 6 * 29, "cosine"),
    "click command": Seen("Sequential, RMSprop", None, None, line="torch.optim.RMSprop("),
    "W&B and TensorBoard": Seen("Sequential, AdamW", TEN_CLASSES, 8 * 29, line="AdamW("),
}

BENCHED = (
    *("detection reference", "timm's train.py", "no_trainer, accumulation", "LightningCLI"),
    *("ImageNet example", "EMA and SWA", "node classification", "click command", "notebook export"),
)
"""Another style is of the same library or kind, or another test; of these the last `make bench-scripts` is judged."""

Ended = tuple[Path, Outcome]
"""Where a script was run, and what that left behind."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict[str, Ended]:
    """Sweep the scripts that tests ask for, each in a folder of its own, side by side."""
    asked = {item.callspec.params.get("style") for item in request.session.items if hasattr(item, "callspec")}
    wanted = [style for style in SEEN if style in asked and not USER_SCRIPTS[style].missing]

    def sweep(style: str) -> Ended:
        folder = tmp_path_factory.mktemp("user") / "scripts"
        copy_scripts(folder)
        return folder, run(folder, USER_SCRIPTS[style], *SWEEP, *LOW)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(wanted, pool.map(sweep, wanted), strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all scripts."""
    folder = tmp_path_factory.mktemp("user") / "scripts"
    copy_scripts(folder)
    return folder


def run(folder: Path, script: UserScript, *options: str) -> Outcome:
    arguments = script.line(*options)
    line = torchrun(arguments, script.processes, forks=True) if script.processes > 1 else forked.command(*arguments)
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("style", [style for style in SEEN if style not in BENCHED])
def test_a_script_is_swept_as_it_stands(outcomes: dict[str, Ended], style: str) -> None:
    if USER_SCRIPTS[style].missing:
        pytest.skip(f"needs {USER_SCRIPTS[style].library}")
    (folder, outcome), seen = outcomes[style], SEEN[style]
    record = outcome.json  # what is read as JSON is alone on stdout, whatever the script prints
    assert record["status"] in ("ok", "no_suggestion"), outcome.err  # twelve updates may be too few for an answer
    assert record["title"].startswith(f"{seen.trains}, ")
    assert len(record["sweeps"][0]["losses"]) == UPDATES
    assert len(record["groups"]) == seen.groups
    train = record["settings"]["train"]
    assert (train["steps"], train["schedule"]) == (seen.steps, seen.schedule)
    if seen.first_loss is not None:
        assert record["sweeps"][0]["losses"][0] == pytest.approx(seen.first_loss, rel=0.2)
    if seen.line:
        place = record["script"]
        assert seen.line in (folder / place["file"]).read_text().splitlines()[place["line"] - 1]


@pytest.mark.parametrize("style", BENCHED)
def test_another_script_was_swept_as_it_stands(style: str) -> None:
    row, seen = json.loads((ROOT / "benchmarks" / "user_scripts.json").read_text())[style], SEEN[style]
    assert row["suggested_lr"] is not None or row["exit_code"] == ExitCode.NO_SUGGESTION
    assert row["title"].startswith(f"{seen.trains}, ")
    assert (row["train"]["steps"], row["train"]["schedule"]) == (seen.steps, seen.schedule)


def test_every_style_is_swept_here_or_refused() -> None:
    assert set(SEEN) | {"LBFGS"} == set(USER_SCRIPTS)


def test_an_optimizer_that_evaluates_the_loss_many_times_is_refused(folder: Path) -> None:
    outcome = run(folder, USER_SCRIPTS["LBFGS"], *SWEEP)
    assert outcome.code == 1
    assert outcome.json["status"] == "failed"
    outcome.says("LBFGS", "use SGD or AdamW")


@pytest.mark.parametrize("style", ["W&B and TensorBoard"])
def test_trackers_keep_no_runs(outcomes: dict[str, Ended], style: str) -> None:
    if USER_SCRIPTS[style].missing:
        pytest.skip(f"needs {USER_SCRIPTS[style].library}")
    assert not (outcomes[style][0] / "wandb").exists()


def test_the_page_lists_what_is_set_in_the_environment() -> None:
    for name, value in QUIET_TRACKERS.items():
        assert f"`{name}={value}`" in PAGES["scripts.md"]


def test_a_learning_rate_that_is_set_trains_as_the_argument_for_it(folder: Path) -> None:
    """Also where the script writes its learning rates into the groups itself."""
    outcome = process(["run", "nanogpt.py", "--set-lr", "0.005", "--", "--max_iters=10"], cwd=folder)
    by_hand = ["nanogpt.py", "--max_iters=10", "--learning_rate=0.005", "--min_lr=0.0005"]
    alone = subprocess.run([sys.executable, *by_hand], cwd=folder, capture_output=True, text=True, check=True)
    assert outcome.code == 0, outcome.err
    assert losses_in(outcome.out) == losses_in(alone.stdout) != []


def losses_in(printed: str) -> list[str]:
    """Return the losses that a script has printed, without the times."""
    return [word for line in printed.splitlines() for word in line.split(", ") if "loss" in word.lower()]


# The same trainings as objects: find_lr, on mini-batches of which it can hold nothing out.


class EndlessEpochs:
    """A loader that draws its batches anew each time, and is no DataLoader."""

    def __init__(self) -> None:
        images, labels = load_digits(return_X_y=True)
        dataset = TensorDataset(torch.tensor(images).float() / 16, torch.tensor(labels))
        self.loader = DataLoader(dataset, 64, shuffle=True)

    def __iter__(self) -> Any:
        return iter(self.loader)


def of_package() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Sequential(nn.Linear(64, 64), nn.GELU(), nn.LayerNorm(64), nn.Linear(64, 10))
    body = [parameter for layer in list(model)[:-1] for parameter in layer.parameters()]
    return model, torch.optim.AdamW([{"params": body}, {"params": model[-1].parameters(), "lr": 3e-3}], lr=3e-4)


def of_hydra_app() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)


Objects = Callable[[], tuple[nn.Module, torch.optim.Optimizer]]
BUDGET = 200
"""Updates of each search."""
SAME: Mapping[str, tuple[Objects, int]] = {"package, -m": (of_package, 8 * 29), "Hydra app": (of_hydra_app, 6 * 29)}


@pytest.mark.parametrize("same", SAME)
def test_the_answer_is_that_of_find_lr_within_the_spread_of_seeds(folder: Path, same: str) -> None:
    outcome = run(folder, USER_SCRIPTS[same], "--json", "--plot", "none", "--budget", str(BUDGET))
    assert outcome.code == 0, outcome.err
    objects, steps = SAME[same]
    logs = []
    for seed in range(5):
        torch.manual_seed(seed)
        model, optimizer = objects()
        answer = lrfind.find_lr(
            model,
            EndlessEpochs(),
            nn.CrossEntropyLoss(),
            optimizer,
            seed=seed,
            budget=BUDGET,
            train_steps=steps,
            schedule="cosine",
            progress=False,
        )
        assert answer.suggested_lr is not None
        logs.append(math.log(answer.suggested_lr))
    spread = max(logs) - min(logs)
    assert min(logs) - spread < math.log(outcome.json["suggested_lr"]) < max(logs) + spread
