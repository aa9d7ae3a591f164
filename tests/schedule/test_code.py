"""The code of a schedule, run beside lrfind's own training; its JSON, built from.

Every shipped config and template is run in tests/test_shipped_configs.py.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from cli import Project
from helpers import ROOT, example_result
from printed import LENGTH, LR, printed, updates_seen
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind import find_lr
from lrfind.errors import RecordError
from lrfind.pipeline import read_config
from lrfind.records.facts import LoopFacts, ScriptFacts
from lrfind.records.types import Group, Result
from lrfind.schedule.code import code, document
from lrfind.schedule.kinds import KINDS, set_up
from lrfind.schedule.learning_rates import LearningRates, learning_rates_given
from lrfind.schedule.scheduler import Length

pytestmark = pytest.mark.slow

RATES = LearningRates({"constant": 0.04, "cosine": 0.08, "linear": 0.08, "onecycle": 0.079}, low=0.008, high=0.2)
SGD = {"_target_": "torch.optim.SGD", "momentum": 0.9, "weight_decay": 5e-4, "lr": 1.0}
STEP = LoopFacts("", "parameters", loss="loss(model(batch[0]), batch[1])")
GROUPS = "param_groups=[{match: '^0', lr_scale: 0.1}, {match: '^12', name: head, fixed_lr: 0.5, weight_decay: 0}]"
RECIPES = {
    "fp16, clipped": ("precision=fp16", "train.clip_grad_norm=0.1", "train.accumulate=2"),
    "fp16": ("precision=fp16",),
    "clipped by value": ("train.clip_grad_value=1e-3", "train.accumulate=3"),
    "groups": (GROUPS, "no_decay_on_bias_and_norm=true"),
    "groups beside an lr": ("optimizer.lr=0.1", "param_groups=[{match: '^12', lr: 0.02}]"),
    "frozen": ("train.freeze=['^0', '^1']", "channels_last=true"),
    "betas, and a switch": ("optimizer={_target_: torch.optim.AdamW, betas: [0.8, 0.95], fused: false}",),
    "a function of the model": (
        "optimizer={_target_: timm.optim.create_optimizer_v2, opt: sgd, momentum: 0.9, weight_decay: 0.1}",
    ),
    "a function of the model with groups of its own": ("optimizer={_target_: own_groups.of_model, momentum: 0.8}",),
    "no lr": ("optimizer={_target_: own_groups.without_lr}",),
    "a training mode": ("optimizer={_target_: own_groups.WithMode}",),
    "a loss with weights": ("loss.label_smoothing=0.1", "loss.weight={_target_: torch.ones, _args_: [10]}"),
    "a loss that is trained": ("loss={_target_: own_groups.Scaled}",),
    "a loss that is trained, in a group": (
        "loss={_target_: own_groups.Scaled}",
        "param_groups=[{match: '^loss.scale', lr_scale: 10}, {match: '^12', lr_scale: 0.5}]",
    ),
    "a step": ("loss=null", "step={_target_: own_groups.step, _partial_: true, smoothing: 0.2}"),
}

OWN = """
import torch
from torch import nn

def of_model(model, lr, momentum):
    groups = [{"params": [each], "lr": lr * (index + 1)} for index, each in enumerate(model.parameters())]
    groups[-1]["fixed_lr"] = True
    return torch.optim.SGD(groups, lr=lr, momentum=momentum)

def without_lr(params):
    return torch.optim.SGD(params, lr=1.0, momentum=0.5)

class WithMode(torch.optim.SGD):
    def train(self):
        self.ready = True
    def zero_grad(self):
        assert self.ready
        super().zero_grad()

class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
    def forward(self, output, target):
        return nn.functional.cross_entropy(self.scale * output, target) + 0.1 * self.scale

def step(model, batch, smoothing):
    return nn.functional.cross_entropy(model(batch[0]), batch[1], label_smoothing=smoothing)
"""


@pytest.fixture
def digits(project: Project) -> Iterator[Path]:
    """The config of the digits, with a module of the user's beside it."""
    (project.folder / "own_groups.py").write_text(OWN)
    path = project.folder / "digits.yaml"
    text = (ROOT / "configs" / "digits.yaml").read_text()
    path.write_text(text.replace("  momentum: 0.9 ", "  # ").replace("  weight_decay: 5e-4", ""))
    (project.folder / "digits.py").write_text((ROOT / "configs" / "digits.py").read_text())
    return path


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_code_trains_as_lrfind_does(digits: Path, recipe: tuple[str, ...]) -> None:
    training = printed(read_config(digits, ["device=cpu", "data.batch_size=8", *recipe]), digits)
    for name in ("onecycle", "cyclic", "cosine", "step"):
        training.check(name)


def test_mini_batches_that_make_no_whole_update_in_an_epoch_go_to_the_next(digits: Path) -> None:
    config = read_config(digits, ["device=cpu", "data.batch_size=8", "train.accumulate=4"])
    training = printed(config, digits)
    text = code("onecycle", set_up("onecycle", RATES, LENGTH), LENGTH, training.result)
    space = run(text)
    with updates_seen() as seen:
        space["train"](training.workload.fresh()[0], training.batches[:6])
    assert len(seen) == 2 * 6 // 4


def run(text: str) -> dict[str, Any]:
    space: dict[str, Any] = {}
    exec(compile(text, "printed.py", "exec"), space)
    return space


def result_with(optimizer: object, **config: object) -> Result:
    loss = {"_target_": "torch.nn.MSELoss"}
    return replace(example_result(), config={"optimizer": optimizer, "loss": loss, **config}, loop=STEP)


def written(name: str, result: Result, length: Length = LENGTH) -> str:
    return code(name, set_up(name, RATES, length), length, result)


def test_the_length_is_that_of_the_mini_batches_and_not_the_one_that_was_named() -> None:
    """A loader of 29 mini-batches where 28 were named made OneCycleLR raise in its last epoch."""
    space = run(written("onecycle", result_with(SGD), Length(10, 28)))
    batches = [(torch.randn(2, 3), torch.randn(2, 1))] * 29
    with updates_seen() as seen:
        space["train"](nn.Linear(3, 1), batches)
    assert len(seen) == 290
    assert min(seen[-1]) < 1e-5


def test_what_follows_after_the_end_is_said() -> None:
    assert "Training on after them: OneCycleLR raises." in written("onecycle", result_with(SGD))
    assert "Training on after them: the learning rate rises again." in written("cosine", result_with(SGD))
    assert "Training on" not in written("constant", result_with(SGD))


def objects() -> tuple[nn.Module, DataLoader[Any], nn.Module]:
    torch.manual_seed(0)
    x = torch.randn(64, 8)
    return nn.Linear(8, 1), DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=32), nn.MSELoss()


def test_the_record_of_objects_takes_them(tmp_path: Path) -> None:
    model, loader, loss = objects()
    optimizer = torch.optim.SGD([{"params": [model.weight], "lr": 0.1}, {"params": [model.bias], "lr": 0.01}])
    answer = find_lr(model, loader, loss, optimizer, accumulate=2, clip_grad_norm=1.0, num_iter=30, probes=False)
    text = code("cosine", set_up("cosine", learning_rates_given(LR, None), Length(2, 1)), Length(2, 1), answer)
    space = run(text)
    with updates_seen() as seen:
        space["train"](model, loader, optimizer, loss)
    assert [lrs[:2] for lrs in seen] == [pytest.approx([LR / 10, LR]), pytest.approx([LR / 20, LR / 2])]
    assert "clip_grad_norm_(model.parameters(), 1.0)" in text


def test_a_record_without_a_loop_takes_the_step_and_the_optimizer() -> None:
    """As a former version wrote it, or a curve from elsewhere: nothing is made up."""
    model, loader, loss = objects()
    old = replace(example_result(), config={})
    space = run(written("cosine", old))
    optimizer = torch.optim.Adam(model.parameters())
    with updates_seen() as seen:
        space["train"](model, loader, optimizer, lambda model, batch: loss(model(batch[0]), batch[1]))
    assert [lrs[0] for lrs in seen] == pytest.approx([set_up("cosine", RATES, LENGTH).at(i) for i in range(4)])


def test_the_code_for_a_script_is_the_scheduler_of_its_optimizer() -> None:
    script = ScriptFacts("train.py", (), False, 0.1, "AdamW(lr", "train.py", 33, "", "--lr", "")
    text = written("linear", replace(example_result(), config={}, script=script, groups=(Group("group 0", 1.0, None),)))
    assert "# In train.py, AdamW(lr, train.py:33 sets it; step the scheduler there after every update." in text
    assert "def train" not in text
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([weight], lr=1.0)
    run(text)["configure"](optimizer, 10)
    assert optimizer.param_groups[0]["lr"] == 0.08


def built(node: dict[str, Any], optimizer: torch.optim.Optimizer) -> Any:
    """Build what the JSON says."""
    module, _, name = node["class"].rpartition(".")
    arguments = dict(node["arguments"])
    if "schedulers" in arguments:
        arguments["schedulers"] = [built(part, optimizer) for part in arguments["schedulers"]]
    return getattr(importlib.import_module(module), name)(optimizer, **arguments)


@pytest.mark.parametrize("name", KINDS)
def test_the_json_builds_optimizer_and_scheduler(name: str) -> None:
    scheduler = set_up(name, RATES, LENGTH)
    said = json.loads(json.dumps(document(name, scheduler, LENGTH, result_with(SGD)), allow_nan=False))
    module, _, optimizer_name = said["optimizer"]["class"].rpartition(".")
    weights = [nn.Parameter(torch.zeros(1))]
    optimizer = getattr(importlib.import_module(module), optimizer_name)(weights, **said["optimizer"]["arguments"])
    built(said, optimizer)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(scheduler.at(0))
    assert optimizer.param_groups[0]["momentum"] == 0.9
    assert said["step"] in ("update", "epoch")


def test_the_json_has_a_learning_rate_for_each_group() -> None:
    groups = (Group("default", 1.0, None), Group("head", 10.0, None), Group("fixed", None, 0.5))
    said = document("cyclic", set_up("cyclic", RATES, LENGTH), LENGTH, replace(result_with(SGD), groups=groups))
    assert said["arguments"]["base_lr"] == [0.008, 0.08, 0.5]
    assert said["arguments"]["max_lr"][:2] == [0.2, 2.0]
    assert document("cosine", set_up("cosine", RATES, LENGTH), LENGTH, example_result())["optimizer"] is not None
    assert (
        document("cosine", set_up("cosine", RATES, LENGTH), LENGTH, replace(example_result(), config={}))["optimizer"]
        is None
    )


def test_the_code_in_full() -> None:
    train = {"accumulate": 4, "clip_grad_norm": 1.0}
    adamw = {"_target_": "torch.optim.AdamW", "betas": [0.9, 0.95], "fused": False, "_partial_": True}
    assert (
        written("warmup-cosine", result_with(adamw, train=train, precision="bf16"), Length(10, 28))
        == '''\
# lrfind, warmup-cosine schedule: resnet18 on CIFAR10, SGD, batch 128, cuda
# The learning rate 0.08 is for 280 updates, 10 epochs of 28; the code counts its own.
# Training on after them: the learning rate rises again.
import torch
from itertools import count
from torch.nn import MSELoss
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

EPOCHS = 10
ACCUMULATE = 4  # mini-batches of an update


loss = MSELoss()


def configure(model, total):
    """Return the optimizer and the scheduler of `model` for a training of `total` updates."""
    optimizer = AdamW(model.parameters(), lr=0.08, betas=(0.9, 0.95), fused=False)
    warmup = max(1, round(0.05 * total))
    scheduler = SequentialLR(
        optimizer,
        schedulers=[
            LinearLR(optimizer, start_factor=0.01, total_iters=warmup),
            CosineAnnealingLR(optimizer, T_max=max(1, total - warmup)),
        ],
        milestones=[warmup],
    )
    return optimizer, scheduler


def train(model, batches):
    """Train `model` for EPOCHS epochs on `batches`, mini-batches of known number."""
    device = next(model.parameters()).device
    numbers = count(1)
    optimizer, scheduler = configure(model, EPOCHS * len(batches) // ACCUMULATE)
    for _ in range(EPOCHS):
        model.train()
        for batch in batches:
            with torch.autocast(device.type, torch.bfloat16):
                value = loss(model(batch[0]), batch[1])
            (value / ACCUMULATE).backward()
            if next(numbers) % ACCUMULATE:
                continue
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()  # after every update
'''
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        *(
            ({"optimizer": {"_target_": target}}, "optimizer")
            for target in ("os.system('x') #.SGD", "SGD", "torch..SGD", "", 3, "torch.optim.SGD\nimport os", None)
        ),
        ({"optimizer": {**SGD, "a b": 1}}, "optimizer.a b: expected the name of an argument"),
        ({"optimizer": {**SGD, "x": {"_target_": "f(\n)"}}}, "optimizer.x._target_"),
        ({"optimizer": SGD, "train": {"accumulate": "1; import os"}}, "config.train.accumulate"),
        (
            {"optimizer": SGD, "train": {"optimizer_state": True, "checkpoint": "a.pt"}},
            "optimizer_state: the code cannot",
        ),
    ],
)
def test_what_cannot_be_printed_is_refused_with_the_reason(config: dict[str, Any], words: str) -> None:
    with pytest.raises(RecordError, match=words.replace(".", r"\.")):
        written("linear", replace(example_result(), config=config))


@pytest.mark.parametrize(
    "loss",
    [
        "__import__('os').system('x')",
        "model(batch)\nimport os",
        "loss(open('x'))",
        "model.__class__",
        "batch.f(1)",
        "(",
    ],
)
def test_no_record_can_write_code_of_its_own(loss: str) -> None:
    with pytest.raises(RecordError, match=r"loop\.loss: expected the loss of a mini-batch"):
        written("linear", replace(result_with(SGD), loop=LoopFacts(loss=loss)))
    text = written("linear", replace(result_with(SGD), title="x\nimport os #"))
    assert "import os" not in [line.strip() for line in text.splitlines()]


def test_a_mini_batch_goes_to_the_device_of_the_record() -> None:
    text = written("constant", replace(result_with(SGD), environment={"device": "cuda"}))
    moved = run(text)["moved"]
    batch = moved({"x": [torch.zeros(1)], "name": "a"}, "meta")
    assert (batch["x"][0].device.type, batch["name"]) == ("meta", "a")
    assert "batch = moved(batch, device)" in text
