from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from lrfind.training.precision import LossScale, Precision, allow_tf32, under_autocast, unsupported

CPU = torch.device("cpu")


@pytest.fixture
def _tf32() -> Iterator[None]:
    matmul, cudnn = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(matmul)
    torch.backends.cudnn.allow_tf32 = cudnn


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_the_step_runs_under_autocast_of_that_type(precision: Precision, dtype: torch.dtype) -> None:
    seen = []

    def step(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        seen.append(model(batch).dtype)
        return batch.sum()

    autocast = under_autocast(step, precision, CPU)
    assert autocast(nn.Linear(2, 2), torch.ones(1, 2)) == 2
    assert seen == [dtype]
    assert not torch.is_autocast_enabled("cpu")


def test_fp32_is_the_step_itself() -> None:
    def step(model: nn.Module, batch: Any) -> torch.Tensor:
        return torch.zeros(())

    assert under_autocast(step, "fp32", CPU) is step


@pytest.mark.usefixtures("_tf32")
def test_tf32_is_set_or_left() -> None:
    for allowed, matmul in ((True, "high"), (False, "highest"), (None, "highest")):
        allow_tf32(allowed)
        assert torch.get_float32_matmul_precision() == matmul
        assert torch.backends.cudnn.allow_tf32 is bool(allowed)
    torch.backends.cudnn.allow_tf32 = True
    allow_tf32(None)
    assert torch.backends.cudnn.allow_tf32 is True


def test_what_a_device_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unsupported("bf16", CPU) is None
    assert "no autocast for meta, got fp16" in str(unsupported("fp16", torch.device("meta")))
    assert unsupported("fp32", torch.device("meta")) is None
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    assert "expected fp16 or fp32, as Tesla T4 has no bfloat16, got bf16" in str(
        unsupported("bf16", torch.device("cuda"))
    )


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("clips", [False, True])
def test_an_update_is_made_unless_a_gradient_is_not_finite(fused: bool, clips: bool) -> None:
    weight = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=1.0, fused=fused)
    scale = LossScale(optimizer, CPU)
    made = []
    for factor in (1.0, 1e35, 2.0):  # scaled by 2^16, the second overflows float32
        optimizer.zero_grad()
        scale.backward(factor * weight.sum())
        if clips:
            scale.unscale()
        made.append(scale.step())
    assert made == [True, False, True]
    assert weight.tolist() == [-3, -3]


def test_the_scale_of_a_training_is_gone_on_with() -> None:
    weight = nn.Parameter(torch.ones(1))
    state = torch.amp.GradScaler("cpu", init_scale=8.0).state_dict()
    scale = LossScale(torch.optim.SGD([weight], lr=1.0), CPU, state)
    scale.backward(weight.sum())
    assert weight.grad is not None
    assert weight.grad.item() == 8
