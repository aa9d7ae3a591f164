"""Mixed precision as users and libraries write it: whoever enters autocast, the weights that are updated are used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import lrfind

pytestmark = pytest.mark.slow


class Net(nn.Module):
    """A model of two layers on two blobs of points."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Decorated(Net):
    """Its author put autocast on `forward`, once and for all calls."""

    @torch.autocast("cpu", dtype=torch.bfloat16)
    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def points() -> TensorDataset:
    draw = torch.Generator().manual_seed(0)
    y = torch.randint(2, (512,), generator=draw)
    return TensorDataset(torch.randn(512, 8, generator=draw) + 1.5 * y[:, None], y)


def found(kind: type[Net] = Net, **options: Any) -> lrfind.Answer:
    torch.manual_seed(0)
    net = kind()
    loader = DataLoader(points(), 32, shuffle=True)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    loss_fn = None if "step" in options else cross_entropy
    return lrfind.find_lr(net, loader, loss_fn, optimizer, probes=False, **options)


@pytest.fixture(scope="module")
def bf16() -> lrfind.Answer:
    answer = found(precision="bf16")
    assert min(answer.sweep.losses) < 0.2 < answer.sweep.losses[0]
    return answer


def test_a_context_that_all_steps_share(bf16: lrfind.Answer) -> None:
    shared = torch.autocast("cpu", dtype=torch.bfloat16)

    def step(model: nn.Module, batch: Any) -> Tensor:
        with shared:
            return cross_entropy(model(batch[0]), batch[1])

    assert found(step=step).sweep.losses == bf16.sweep.losses


def test_a_context_within_another_around_the_call(bf16: lrfind.Answer) -> None:
    shared = torch.autocast("cpu", dtype=torch.bfloat16)

    def step(model: nn.Module, batch: Any) -> Tensor:
        with shared:
            return cross_entropy(model(batch[0]), batch[1])

    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert found(step=step).sweep.losses == bf16.sweep.losses
        assert torch.is_autocast_enabled("cpu")


def test_a_forward_that_is_decorated(bf16: lrfind.Answer) -> None:
    answer = found(Decorated)
    assert answer.suggested_lr == pytest.approx(bf16.suggested_lr, rel=0.3)
    assert min(answer.sweep.losses) == pytest.approx(min(bf16.sweep.losses), abs=0.05)


def test_accelerate(bf16: lrfind.Answer) -> None:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    torch.manual_seed(0)
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(mixed_precision="bf16", cpu=True)
    net = Net()
    parts = net, torch.optim.SGD(net.parameters(), 0.1), DataLoader(points(), 32, shuffle=True)
    model, optimizer, loader = accelerator.prepare(*parts)
    answer = lrfind.find_lr(model, loader, cross_entropy, optimizer.optimizer, probes=False)
    AcceleratorState._reset_state(reset_partial_state=True)
    assert answer.suggested_lr == pytest.approx(bf16.suggested_lr, rel=0.3)


def test_fabric(bf16: lrfind.Answer) -> None:
    from lightning.fabric import Fabric

    torch.manual_seed(0)
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-true")
    net = Net()
    model, optimizer = fabric.setup(net, torch.optim.SGD(net.parameters(), 0.1))
    loader = fabric.setup_dataloaders(DataLoader(points(), 32, shuffle=True))
    answer = lrfind.find_lr(model, loader, cross_entropy, optimizer.optimizer, probes=False)
    assert answer.suggested_lr == pytest.approx(bf16.suggested_lr, rel=0.5)


def test_the_trainer_of_hugging_face(tmp_path: Path) -> None:
    answers = {bf16: _by_trainer(tmp_path, bf16) for bf16 in (False, True)}
    assert answers[True].suggested_lr == pytest.approx(answers[False].suggested_lr, rel=0.5)


def _by_trainer(folder: Path, bf16: bool) -> lrfind.Answer:
    from transformers import Trainer, TrainingArguments

    from lrfind.integrations.huggingface import FindLR

    class WithLoss(Net):
        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
            output = self.body(x)
            return {"loss": cross_entropy(output, labels), "logits": output}

    torch.manual_seed(0)
    data = [{"x": x, "labels": y} for x, y in points()]
    arguments = TrainingArguments(
        str(folder), bf16=bf16, use_cpu=True, per_device_train_batch_size=32, max_steps=2, report_to=[],
        disable_tqdm=True, save_strategy="no", optim="adamw_torch",
    )  # fmt: skip
    find = FindLR(probes=False)
    trainer: Callable[[], Any] = Trainer(WithLoss(), arguments, train_dataset=data, callbacks=[find]).train
    trainer()
    assert find.result is not None
    return find.result
