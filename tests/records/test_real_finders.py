"""The curves of the finders themselves: their losses read back, against the raw ones of the very same sweep."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind.records.external import Tool, to_sweep

STEPS = 40
QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}


class Raw(nn.Module):
    """A loss that keeps every value it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[float] = []

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        loss = nn.functional.mse_loss(output, target)
        self.values.append(loss.item())
        return loss


def parts() -> tuple[nn.Module, Raw, DataLoader[Any]]:
    torch.manual_seed(0)
    x = torch.randn(512, 4)
    return nn.Linear(4, 1), Raw(), DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), 8)


def of_torch_lr_finder(folder: Path) -> tuple[Any, Raw]:
    LRFinder = pytest.importorskip("torch_lr_finder").LRFinder  # noqa: N806

    model, raw, loader = parts()
    finder = LRFinder(model, torch.optim.SGD(model.parameters(), 1e-6), raw, device="cpu")
    finder.range_test(loader, end_lr=10, num_iter=STEPS)
    return finder.history, raw


def of_ignite(folder: Path) -> tuple[Any, Raw]:
    from ignite.engine import create_supervised_trainer
    from ignite.handlers import FastaiLRFinder

    model, raw, loader = parts()
    optimizer = torch.optim.SGD(model.parameters(), 1e-6)
    trainer, finder = create_supervised_trainer(model, optimizer, raw), FastaiLRFinder()
    state = {"model": model, "optimizer": optimizer}
    with finder.attach(trainer, state, num_iter=STEPS, end_lr=10.0) as attached:
        attached.run(loader)
    return finder.get_results(), raw


def of_lightning(folder: Path) -> tuple[Any, Raw]:
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.tuner import Tuner

    model, raw, loader = parts()

    class Lit(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.lr = copy.deepcopy(model), 1e-3

        def training_step(self, batch: Any, index: int) -> Tensor:
            loss: Tensor = raw(self.net(batch[0]), batch[1])
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), self.lr)

    trainer = Trainer(accelerator="cpu", max_epochs=1, default_root_dir=folder, **QUIET)  # type: ignore[arg-type]
    found = Tuner(trainer).lr_find(Lit(), loader, num_training=STEPS, max_lr=10.0, update_attr=False)
    assert found is not None
    return found.results, raw


def of_fastai(folder: Path) -> tuple[Any, Raw]:
    pytest.importorskip("fastai")
    from fastai.callback.schedule import LRFinder
    from fastai.learner import DataLoaders, Learner
    from fastai.optimizer import SGD

    model, raw, loader = parts()
    data = DataLoaders(loader, loader, device=torch.device("cpu"))
    learner = Learner(data, model, loss_func=raw, opt_func=SGD, path=folder)
    with learner.no_bar(), learner.no_logging():
        learner.fit(1, cbs=LRFinder(num_it=STEPS))
    recorder = learner.recorder
    return {"lr": list(recorder.lrs), "loss": [float(loss) for loss in recorder.losses]}, raw


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the packages
@pytest.mark.parametrize(
    ("tool", "sweep"),
    [
        ("torch-lr-finder", of_torch_lr_finder),
        ("ignite", of_ignite),
        ("lightning", of_lightning),
        ("fastai", of_fastai),
    ],
)
def test_the_running_average_of_a_tool_is_undone(tool: Tool, sweep: Any, tmp_path: Path) -> None:
    content, raw = sweep(tmp_path)
    read = to_sweep(json.loads(json.dumps(content)), "history.json", tool)
    assert len(read.losses) > 20
    skipped = len(raw.values) - len(read.losses)
    assert (
        min(
            max(abs(a - b) / (1 + abs(b)) for a, b in zip(read.losses, raw.values[start:], strict=False))
            for start in range(max(skipped, 0) + 1)
        )
        < 1e-4
    )
