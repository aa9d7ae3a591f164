"""Models, data and losses that cannot be trained: exit code 1, a message, and no record."""

from __future__ import annotations

import pytest
import torch
from cli import OWN_LOADER, Project, refused

LOSS = "loss._target_=own.loss"
MODEL = "model._target_=own.model"
DATASET = "data.dataset._target_=own.dataset"


# Models, data and losses that cannot be trained: exit 1, a message, nothing written

UNUSABLE: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "model raises": ("def model(): raise RuntimeError('boom')", MODEL, ("model", "own.py", "RuntimeError: boom")),
    "no module": ("def model(): return 3", MODEL, ("model", "expected a torch.nn.Module", "got int")),
    "no parameters": ("def model(): return nn.ReLU()", MODEL, ("model", "trainable parameter", "got none")),
    "all frozen": ("def model(): return net().requires_grad_(False)", MODEL, ("model", "trainable", "frozen")),
    "input shape": ("def model(): return nn.Linear(5, 1)", MODEL, ("mat1 and mat2", "tensor of shape (64, 3)")),
    "model raises in forward": (
        "class model(nn.Module):\n"
        "    def __init__(self): super().__init__(); self.w = nn.Parameter(torch.ones(1))\n"
        "    def forward(self, x): raise ValueError('no way')",
        MODEL,
        ("own.py", "in forward", "ValueError: no way"),
    ),
    "no optimizer": (
        "def optimizer(parameters, lr): return 3",
        "optimizer._target_=own.optimizer",
        ("optimizer", "expected a torch.optim.Optimizer", "got int"),
    ),
    "empty data set": ("", "data.dataset.size=0", ("data.dataset", "at least one sample", "empty")),
    "no length": (
        "class dataset(Dataset):\n    def __getitem__(self, index): return torch.ones(3), torch.ones(1)",
        DATASET,
        ("data.dataset", "length", "IterableDataset", "data.loader"),
    ),
    "sample raises": (
        "class dataset(Dataset):\n"
        "    def __len__(self): return 64\n"
        "    def __getitem__(self, index): raise OSError('no such image')",
        DATASET,
        ("own.py", "__getitem__", "loading a mini-batch failed", "no such image"),
    ),
    "no loss": ("", "loss=null", ("loss", "got none", "torch.nn.MSELoss")),
    "loss raises": (
        "def refuse(step, value): raise ValueError('no')\ndef loss(): return on_step(refuse)",
        LOSS,
        ("own.py", "in refuse", "training step failed", "ValueError: no"),
    ),
    "loss of the wrong shape": ("def loss(): return nn.MSELoss(reduction='none')", LOSS, ("loss", "scalar", "(64, 1)")),
    "loss is a float": ("def loss(): return on_step(lambda step, v: v.item())", LOSS, ("loss", "scalar", "got float")),
    "loss is integer": ("def loss(): return on_step(lambda step, v: v.long())", LOSS, ("floating-point", "int64")),
    "loss is None": (
        "def loss(): return on_step(lambda step, v: None)",
        LOSS,
        ("loss", "scalar", "got None for 100 mini-batches in a row"),
    ),
    "loss without a gradient": ("def loss(): return on_step(lambda s, v: v.detach())", LOSS, ("loss", "gradient")),
    "target does not fit the loss": ("", "loss._target_=torch.nn.NLLLoss", ("training step failed", "target")),
    "out of memory": (
        "def refuse(step, value): raise MemoryError\ndef loss(): return on_step(refuse)",
        LOSS,
        ("out of memory", "lower data.batch_size"),
    ),
}


@pytest.mark.parametrize(("code", "override", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_training_that_cannot_start(project: Project, code: str, override: str, words: tuple[str, ...]) -> None:
    project.add(code)
    outcome = project.run(override)
    assert (outcome.code, outcome.out) == (1, "")
    assert not project.record.exists()
    outcome.says(*words)


@pytest.mark.parametrize("code", ["0", "'bye'"])
def test_exit_called_by_the_model_is_a_failure(project: Project, code: str) -> None:
    project.add(f"def model(): sys.exit({code})")
    outcome = project.run(MODEL)
    assert (outcome.code, outcome.out) == (1, "")
    outcome.says("model", "exit")


BAD_BATCHES: dict[str, tuple[str, tuple[str, ...]]] = {
    "no iterable": ("3", ("data.loader", "expected an iterable", "got int")),
    "empty": ("[]", ("data", "at least one mini-batch", "got none")),
    "three parts": ("[(torch.ones(4, 3), torch.ones(4, 1), 1)]", ("(x, y)", "tuple of 3", "(4, 3)", "step")),
    "a tensor": ("[torch.ones(4, 3)]", ("(x, y)", "float32 tensor of shape (4, 3)", "step")),
    "None": ("[None]", ("(x, y)", "NoneType", "step")),
    "no target": (
        "[{'image': torch.ones(4, 3)}]",
        ("target for the loss", "label, labels", "{image: a float32 tensor of shape (4, 3)}", "step"),
    ),
    "batch that the model fails on": (
        "[{'image': torch.ones(4, 5), 'label': torch.ones(4, 1)}]",
        (
            "training step failed",
            "mat1 and mat2",
            "(4, 5)",
            "used as loss(model(image), label); for anything else set step",
        ),
    ),
}


@pytest.mark.parametrize(("batches", "words"), BAD_BATCHES.values(), ids=BAD_BATCHES)
def test_batches_that_cannot_be_trained_on(project: Project, batches: str, words: tuple[str, ...]) -> None:
    project.config.write_text(OWN_LOADER)
    project.add(f"def loader(): return {batches}")
    outcome = project.run()
    assert (outcome.code, outcome.out) == (1, "")
    assert not project.record.exists()
    outcome.says(*words)


@pytest.mark.parametrize("override", ["data.batch_size=8", "data.num_workers=2", "data.shuffle=false"])
def test_settings_that_an_own_loader_ignores_are_faults(project: Project, override: str) -> None:
    project.config.write_text(OWN_LOADER)
    project.add("def loader(): return [data().tensors]")
    refused(project, override).says("data", override.split("=")[0].removeprefix("data."), "loader")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_absent_device(project: Project, device: str) -> None:
    outcome = project.run("--device", device)
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("device", f"expected {device}", "only the CPU", "use auto")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="needs a machine without MPS")
def test_absent_mps(project: Project) -> None:
    outcome = project.run("device=mps")
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("device", "expected mps", "use auto")
