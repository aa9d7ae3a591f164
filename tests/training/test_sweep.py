from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
import torch
from late_device import FakeEvent, let_device_work
from torch import nn
from torch.nn import functional

from lrfind.errors import UserCodeError
from lrfind.records.types import StopReason, Sweep
from lrfind.training import sweep as sweep_module
from lrfind.training.ladder import ladder
from lrfind.training.loss_readers import LateReader, SteadyReader
from lrfind.training.step import DefaultStep
from lrfind.training.sweep import run_sweep

CPU = torch.device("cpu")
STEP = DefaultStep(functional.mse_loss)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1))


def batches(count: int = 200) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        x = torch.randn(16, 4, generator=generator)
        yield x, x.sum(1, keepdim=True)


class Scripted(nn.Module):
    """A model whose loss follows a script, whatever is learned."""

    def __init__(self, losses: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.script = iter(losses)

    def forward(self) -> torch.Tensor:
        return self.weight * 0 + next(self.script)


def scripted(losses: list[float], **options: Any) -> Sweep:
    model = Scripted(losses)
    optimizer = torch.optim.SGD(model.parameters(), lr=1)
    lrs = ladder(1e-5, 1, len(losses))
    return run_sweep(
        model, iter(range(len(losses))), lambda model, batch: model(), optimizer, lrs, device=CPU, seed=3, **options
    )


OPTIMIZERS: list[Callable[[Any], torch.optim.Optimizer]] = [
    lambda parameters: torch.optim.SGD(parameters, lr=1, momentum=0.9, nesterov=True),
    lambda parameters: torch.optim.AdamW(parameters, lr=1),
    lambda parameters: torch.optim.Adam(parameters, lr=torch.tensor(1.0), foreach=False),
]


@pytest.mark.parametrize("make_optimizer", OPTIMIZERS)
def test_it_is_the_plain_training_loop(make_optimizer: Callable[[Any], torch.optim.Optimizer]) -> None:
    lrs = ladder(1e-5, 1e-1, 40)
    model = network()
    optimizer = make_optimizer(model.parameters())
    torch.manual_seed(5)
    expected = []
    for lr, (x, y) in zip(lrs, batches(), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = torch.full_like(group["lr"], lr) if isinstance(group["lr"], torch.Tensor) else lr
        optimizer.zero_grad()
        loss = functional.mse_loss(model(x), y)
        expected.append(loss.item())
        loss.backward()
        optimizer.step()

    swept = network()
    torch.manual_seed(5)
    sweep = run_sweep(swept, batches(), STEP, make_optimizer(swept.parameters()), lrs, device=CPU, seed=7)

    assert sweep == Sweep(7, lrs, tuple(expected), StopReason.COMPLETED)
    for parameter, other in zip(model.parameters(), swept.parameters(), strict=True):
        assert torch.equal(parameter, other)


def test_each_loss_is_measured_before_its_update() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    one = torch.ones(1, 1)
    lrs = (0.25, 0.125, 0.5)
    sweep = run_sweep(
        model,
        [(one, 0 * one)] * 3,
        STEP,
        torch.optim.SGD(model.parameters(), lr=1),
        lrs,
        device=CPU,
        seed=0,
    )
    # The loss is w^2, so an update with learning rate a multiplies w by 1 - 2a.
    assert sweep.losses == pytest.approx([1, 0.5**2, (0.5 * 0.75) ** 2])


def test_on_step_hears_every_loss() -> None:
    heard: list[tuple[int, float, float]] = []
    sweep = scripted([1.0, 0.5, 0.25], on_step=lambda *step: heard.append(step))
    assert heard == [(index, sweep.lrs[index], sweep.losses[index]) for index in range(3)]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("options", [{}, {"stop_on_divergence": False}])
def test_a_loss_that_is_not_finite_ends_it_and_is_kept(bad: float, options: dict[str, bool]) -> None:
    sweep = scripted([1.0, 0.9, bad, 0.8], **options)
    assert sweep.stop_reason is StopReason.NON_FINITE
    assert sweep.losses[:2] == pytest.approx((1.0, 0.9))
    assert len(sweep.losses) == len(sweep.lrs) == 3
    assert not math.isfinite(sweep.losses[2])


EXPLOSION = [1.0] * 10 + [0.8, 0.6, 0.4, 0.2] + [10.0**k for k in range(10)]


def test_an_explosion_ends_it() -> None:
    sweep = scripted(EXPLOSION)
    assert sweep.stop_reason is StopReason.DIVERGED
    assert 15 < len(sweep.losses) < len(EXPLOSION) - 5


def test_the_stop_rule_can_be_switched_off() -> None:
    assert scripted(EXPLOSION, stop_on_divergence=False).stop_reason is StopReason.COMPLETED


def test_data_that_ends_early_ends_it() -> None:
    model = network()
    sweep = run_sweep(
        model,
        batches(12),
        STEP,
        torch.optim.SGD(model.parameters(), lr=1),
        ladder(1e-6, 1e-2, 50),
        device=CPU,
        seed=0,
    )
    assert sweep.stop_reason is StopReason.DATA_ENDED
    assert len(sweep.losses) == len(sweep.lrs) == 12


def failing(error: BaseException, at: int) -> Sweep:
    def step(model: nn.Module, batch: int) -> torch.Tensor:
        if batch == at:
            raise error
        loss: torch.Tensor = model()
        return loss

    model = Scripted([1.0] * 20)
    optimizer = torch.optim.SGD(model.parameters(), lr=1)
    return run_sweep(model, range(20), step, optimizer, ladder(1e-5, 1, 20), device=CPU, seed=0)


def test_ctrl_c_keeps_what_was_measured() -> None:
    sweep = failing(KeyboardInterrupt(), at=7)
    assert sweep.stop_reason is StopReason.INTERRUPTED
    assert len(sweep.losses) == 7


def test_a_fault_after_the_first_step_keeps_what_was_measured() -> None:
    with pytest.raises(UserCodeError, match="step 8: training step failed: ValueError: bad sample") as failure:
        failing(ValueError("bad sample"), at=7)
    assert failure.value.partial.stop_reason is StopReason.FAILED
    assert len(failure.value.partial.losses) == 7


def test_a_fault_at_the_first_step_has_nothing_to_keep() -> None:
    with pytest.raises(UserCodeError, match="training step failed: ValueError: bad sample") as failure:
        failing(ValueError("bad sample"), at=0)
    assert failure.value.partial is None


def test_running_out_of_memory_names_the_way_out() -> None:
    with pytest.raises(UserCodeError, match=r"lower data\.batch_size"):
        failing(torch.OutOfMemoryError("CUDA out of memory"), at=0)


@pytest.fixture(params=[LateReader, SteadyReader])
def late_losses(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the losses of a sweep on the host be read as those of an accelerator are."""

    def reader(device: torch.device, steps: int, *, alone: bool) -> LateReader:
        late: LateReader = request.param(device, steps, FakeEvent, let_device_work)
        return late

    monkeypatch.setattr(FakeEvent, "recorded", 0)
    monkeypatch.setattr(sweep_module, "loss_reader", reader)


@pytest.mark.usefixtures("late_losses")
def test_losses_that_arrive_late_make_the_same_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    late = [scripted(EXPLOSION), scripted([1.0, 0.9, math.nan, 0.8]), scripted([1.0, 0.5, 0.25])]
    monkeypatch.undo()
    prompt = [scripted(EXPLOSION), scripted([1.0, 0.9, math.nan, 0.8]), scripted([1.0, 0.5, 0.25])]
    assert [repr(sweep) for sweep in late] == [repr(sweep) for sweep in prompt]  # repr, as nan is not nan


@pytest.mark.usefixtures("late_losses")
def test_a_fault_behind_a_loss_that_ended_the_sweep_is_surplus() -> None:
    def step(model: nn.Module, batch: int) -> torch.Tensor:
        if batch == 7:
            raise ValueError("saw a NaN")
        loss: torch.Tensor = model()
        return loss * (math.nan if batch == 6 else 1)

    model = Scripted([1.0] * 20)
    optimizer = torch.optim.SGD(model.parameters(), lr=1)
    sweep = run_sweep(model, range(20), step, optimizer, ladder(1e-5, 1, 20), device=CPU, seed=0)
    assert sweep.stop_reason is StopReason.NON_FINITE
    assert len(sweep.losses) == 7


@pytest.mark.usefixtures("late_losses")
def test_losses_on_their_way_are_kept_on_ctrl_c_and_on_faults() -> None:
    assert len(failing(KeyboardInterrupt(), at=7).losses) == 7
    with pytest.raises(UserCodeError) as failure:
        failing(ValueError("bad sample"), at=7)
    assert len(failure.value.partial.losses) == 7


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.skipif(not torch.accelerator.is_available(), reason="needs an accelerator")
def test_on_an_accelerator_the_loop_never_waits() -> None:
    device = torch.accelerator.current_accelerator()
    assert device is not None
    model = network().to(device)
    lrs = ladder(1e-5, 1e-2, 50)
    there = [tuple(part.to(device) for part in batch) for batch in islice(batches(), 50)]  # a copy waits for the host
    torch.cuda.set_sync_debug_mode("error")
    try:
        sweep = run_sweep(
            model, iter(there), STEP, torch.optim.SGD(model.parameters(), lr=1), lrs, device=device, seed=0
        )
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert sweep.stop_reason is StopReason.COMPLETED
    assert len(sweep.losses) == 50
