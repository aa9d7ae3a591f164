from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from lrfind.errors import UserCodeError
from lrfind.records.types import StopReason, Sweep
from lrfind.training import sweep as sweep_module
from lrfind.training.ladder import ladder
from lrfind.training.step import DefaultStep
from lrfind.training.sweep import StopRule, SweepFailedError, run_sweep

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
    with pytest.raises(SweepFailedError, match="step 8: training step failed: ValueError: bad sample") as failure:
        failing(ValueError("bad sample"), at=7)
    assert failure.value.partial.stop_reason is StopReason.FAILED
    assert len(failure.value.partial.losses) == 7


def test_a_fault_at_the_first_step_has_nothing_to_keep() -> None:
    with pytest.raises(UserCodeError, match="training step failed: ValueError: bad sample") as failure:
        failing(ValueError("bad sample"), at=0)
    assert not isinstance(failure.value, SweepFailedError)


def test_running_out_of_memory_names_the_way_out() -> None:
    with pytest.raises(UserCodeError, match=r"lower data\.batch_size"):
        failing(torch.OutOfMemoryError("CUDA out of memory"), at=0)


class TestStopRule:
    def first_stop(self, losses: list[float]) -> int | None:
        rule = StopRule()
        return next((index for index, loss in enumerate(losses) if rule.diverged(loss)), None)

    @given(scale=st.floats(1e-3, 1e6), shift=st.floats(-1e4, 1e4))
    def test_it_knows_no_scale_and_no_zero(self, scale: float, shift: float) -> None:
        assert self.first_stop(EXPLOSION) == 17
        stop = self.first_stop([scale * (loss + shift) for loss in EXPLOSION])
        assert stop is not None
        assert stop == 17

    def test_losses_below_zero_may_fall_for_ever(self) -> None:
        assert self.first_stop([-0.1 * index for index in range(300)]) is None

    def test_one_spike_is_no_divergence(self) -> None:
        losses = [1.0, 1.1, 0.9, 1.0, 1.1, 0.9] * 5
        losses[17] = 1e6
        assert self.first_stop(losses) is None

    def test_a_spike_does_not_widen_the_range(self) -> None:
        spiked = list(EXPLOSION)
        spiked[7] = 1e6
        assert self.first_stop(spiked) in (17, 18)

    def test_noise_with_heavy_tails_is_no_divergence(self) -> None:
        generator = torch.Generator().manual_seed(0)
        stops = [
            self.first_stop(torch.empty(400).log_normal_(0, 1.5, generator=generator).tolist()) for _ in range(100)
        ]
        assert sum(stop is not None for stop in stops) <= 5

    def test_noise_is_no_divergence(self) -> None:
        generator = torch.Generator().manual_seed(0)
        assert self.first_stop((2 + torch.randn(5000, generator=generator)).tolist()) is None

    def test_a_constant_loss_is_no_divergence(self) -> None:
        assert self.first_stop([0.7] * 100) is None
        assert self.first_stop([0.0] * 100) is None

    def test_a_return_to_the_plateau_is_no_divergence(self) -> None:
        assert self.first_stop([1.0] * 10 + [0.2] * 10 + [1.5] * 10) is None


class FakeEvent:
    """An event of a device that lags `LAG` steps behind the host."""

    LAG = 4
    recorded = 0

    def __init__(self, device: torch.device) -> None:
        self.index = -1

    def record(self) -> None:
        self.index = FakeEvent.recorded
        FakeEvent.recorded += 1

    def query(self) -> bool:
        return FakeEvent.recorded - self.index > self.LAG

    def synchronize(self) -> None:
        FakeEvent.recorded += self.LAG


@pytest.fixture(params=["_LateReader", "_SteadyReader"])
def late_losses(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(seconds: float) -> None:
        FakeEvent.recorded += 1  # the device works on

    kind = getattr(sweep_module, request.param)
    monkeypatch.setattr(FakeEvent, "recorded", 0)
    monkeypatch.setattr(sweep_module.time, "sleep", sleep)
    monkeypatch.setattr(sweep_module.torch, "Event", FakeEvent)
    monkeypatch.setattr(sweep_module, "_reader", lambda device, steps, ranks: kind(device, steps))


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
    with pytest.raises(SweepFailedError) as failure:
        failing(ValueError("bad sample"), at=7)
    assert len(failure.value.partial.losses) == 7


@pytest.mark.gpu
@pytest.mark.skipif(not torch.accelerator.is_available(), reason="needs an accelerator")
def test_on_an_accelerator_the_loop_never_waits() -> None:
    device = torch.accelerator.current_accelerator()
    assert device is not None
    model = network().to(device)
    lrs = ladder(1e-5, 1e-2, 50)
    torch.cuda.set_sync_debug_mode("error")
    try:
        sweep = run_sweep(model, batches(), STEP, torch.optim.SGD(model.parameters(), lr=1), lrs, device=device, seed=0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert sweep.stop_reason is StopReason.COMPLETED
    assert len(sweep.losses) == 50


def test_processes_read_the_same_losses_at_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module.torch, "Event", FakeEvent)
    monkeypatch.setattr(
        sweep_module.time, "sleep", lambda seconds: setattr(FakeEvent, "recorded", FakeEvent.recorded + 2000)
    )
    arrived = []
    for device_lag in (0, 3, 1000):  # of a fast process and a slow one
        monkeypatch.setattr(FakeEvent, "LAG", device_lag)
        monkeypatch.setattr(FakeEvent, "recorded", 0)
        reader = sweep_module._SteadyReader(CPU, 20)
        arrived.append([reader.push(torch.tensor(float(step))) for step in range(20)] + [reader.drain()])
    lag = sweep_module._SteadyReader.LAG
    assert arrived[0] == arrived[1] == arrived[2]
    assert arrived[0] == [[]] * lag + [[step] for step in range(20 - lag)] + [[12, 13, 14, 15, 16, 17, 18, 19]]


def test_losses_that_never_come_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module.torch, "Event", FakeEvent)
    monkeypatch.setattr(FakeEvent, "recorded", 0)
    reader = sweep_module._SteadyReader(CPU, 9)
    for step in range(6):
        reader.push(torch.tensor(float(step)))
    assert reader.drain(0.01) == [0, 1]
