from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from lrfind.errors import UserCodeError
from lrfind.records.types import StopReason, Sweep
from lrfind.training.ladder import ladder
from lrfind.training.step import DefaultStep
from lrfind.training.sweep import run_sweep
from lrfind.training.update import Recipe, ScaledUpdate

CPU = torch.device("cpu")
LRS = ladder(1e-4, 1e-2, 25)
Batch = tuple[torch.Tensor, torch.Tensor]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1))


def batches(count: int = 200) -> Iterator[Batch]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        x = torch.randn(16, 4, generator=generator)
        yield x, 10 * x.sum(1, keepdim=True)  # far off at first, so that clipping clips


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=1, momentum=0.9)


def fused(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1, fused=True)


def by_hand(
    recipe: Recipe,
    make_optimizer: Callable[[nn.Module], torch.optim.Optimizer] = sgd,
    data: Iterator[Batch] | None = None,
) -> tuple[list[float], nn.Module]:
    """Train as anyone would write that recipe down; return the loss of every update, and the model."""
    model = network()
    optimizer = make_optimizer(model)
    torch.manual_seed(5)
    data = data or batches()
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(recipe.precision, torch.float32)
    scaler = torch.amp.GradScaler("cpu", enabled=recipe.precision == "fp16")
    losses: list[float] = []
    while len(losses) < len(LRS):
        for group in optimizer.param_groups:
            group["lr"] = LRS[len(losses)]
        optimizer.zero_grad()
        mean = torch.zeros(())
        for _ in range(recipe.accumulate):
            x, y = next(data)
            with torch.autocast("cpu", dtype, enabled=recipe.precision != "fp32"):
                loss = functional.mse_loss(model(x), y) / recipe.accumulate
            scaler.scale(loss).backward()
            mean += loss.detach()
        scaler.unscale_(optimizer)
        if recipe.clip_grad_norm is not None:
            clip_grad_norm_(model.parameters(), recipe.clip_grad_norm)
        if recipe.clip_grad_value is not None:
            clip_grad_value_(model.parameters(), recipe.clip_grad_value)
        before = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        if scaler.get_scale() >= before:  # else the update was skipped, and the learning rate is tried again
            losses.append(mean.item())
    return losses, model


def swept(
    recipe: Recipe, make_optimizer: Callable[[nn.Module], torch.optim.Optimizer] = sgd, **options: Any
) -> tuple[Sweep, nn.Module]:
    model = network()
    optimizer = make_optimizer(model)
    torch.manual_seed(5)
    data = options.pop("data", None) or batches()
    step = DefaultStep(functional.mse_loss)
    options = {"lrs": LRS, "device": CPU, "seed": 0, "stop_on_divergence": False, **options}
    return run_sweep(model, data, step, optimizer, recipe=recipe, **options), model


RECIPES = {
    "plain": Recipe(),
    "bf16": Recipe("bf16"),
    "fp16": Recipe("fp16"),
    "accumulate": Recipe(accumulate=4),
    "clip norm": Recipe(clip_grad_norm=0.5),
    "clip value": Recipe(clip_grad_value=0.1),
    "all with bf16": Recipe("bf16", accumulate=3, clip_grad_norm=0.5),
    "all with fp16": Recipe("fp16", accumulate=3, clip_grad_norm=0.5),
    "fp16, clip value": Recipe("fp16", clip_grad_value=0.1),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("make_optimizer", [sgd, fused])
def test_it_is_the_training_loop_of_that_recipe(
    recipe: Recipe, make_optimizer: Callable[[nn.Module], torch.optim.Optimizer]
) -> None:
    losses, model = by_hand(recipe, make_optimizer)
    sweep, trained = swept(recipe, make_optimizer)
    assert sweep == Sweep(0, LRS, tuple(losses), StopReason.COMPLETED)
    for parameter, other in zip(model.state_dict().values(), trained.state_dict().values(), strict=True):
        assert torch.equal(parameter, other)


class Newton(torch.optim.Optimizer):
    """Divides each gradient by the sum of its row of the Hessian."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": 1.0})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            gradients = [parameter.grad for parameter in group["params"]]
            with torch.enable_grad():
                rows = torch.autograd.grad(sum(gradient.sum() for gradient in gradients), group["params"])
            for parameter, gradient, row in zip(group["params"], gradients, rows, strict=True):
                parameter.sub_(gradient / row, alpha=group["lr"])


def test_an_optimizer_may_differentiate_the_gradients_again() -> None:
    model = nn.Linear(1, 1, bias=False)
    start = model.weight.item()
    data = [(torch.ones(4, 1), torch.full((4, 1), 3.0))] * 2
    step = DefaultStep(functional.mse_loss)
    run_sweep(model, data, step, Newton(model.parameters()), (0.5, 0.5), device=CPU, seed=0)
    assert model.weight.item() == pytest.approx(3 - (3 - start) / 4)  # half of the way, twice


def test_every_recipe_is_another_training() -> None:
    assert len({tuple(swept(recipe)[0].losses) for recipe in RECIPES.values()}) == len(RECIPES)


@pytest.mark.parametrize("make_optimizer", [sgd, fused])
def test_a_skipped_update_is_not_recorded_and_its_learning_rate_is_tried_again(
    make_optimizer: Callable[[nn.Module], torch.optim.Optimizer],
) -> None:
    def spiked() -> Iterator[Batch]:
        for index, (x, y) in enumerate(batches()):
            yield x, y * (1e6 if index in (0, 1, 7, 20) else 1)  # these gradients overflow

    losses, model = by_hand(Recipe("fp16"), make_optimizer, spiked())
    taken = iter(spiked())
    sweep, trained = swept(Recipe("fp16"), make_optimizer, data=taken)
    assert sweep.losses == tuple(losses)
    assert sweep.lrs == LRS
    assert max(sweep.losses) < 1e5  # of the spikes none is left
    assert len(list(taken)) <= 200 - len(LRS) - 4  # they were taken, though
    assert torch.equal(trained[0].weight, model[0].weight)  # type: ignore[index]


def steep(data: list[float]) -> Sweep:
    """Sweep a model whose loss is the absolute batch, and whose gradient is 1, or infinite for a negative batch."""
    model = nn.Linear(1, 1)

    def step(model: Any, batch: float) -> torch.Tensor:
        zero = model.bias.sum() - model.bias.sum().detach()
        return abs(batch) + (zero if batch > 0 else torch.sqrt(zero))

    optimizer = torch.optim.SGD([model.bias], lr=1)
    lrs = ladder(1e-6, 1e-3, 20)
    return run_sweep(model, data, step, optimizer, lrs, device=CPU, seed=0, recipe=Recipe("fp16"))


def test_gradients_that_no_scale_makes_finite_end_the_sweep_as_a_loss_that_is_not() -> None:
    sweep = steep([1.0] * 12 + [-1.0] * ScaledUpdate.MAX_SKIPS + [1.0] * 20)
    assert sweep.losses == (*[1.0] * 12, math.inf)
    assert sweep.stop_reason is StopReason.NON_FINITE


def test_one_skip_less_goes_on() -> None:
    sweep = steep([1.0] * 12 + [-1.0] * (ScaledUpdate.MAX_SKIPS - 1) + [1.0] * 20)
    assert sweep.losses == tuple([1.0] * 20)


def test_gradients_that_overflow_from_the_start_are_an_error() -> None:
    with pytest.raises(UserCodeError, match=r"precision: expected gradients that fp16 can hold.* use bf16 or fp32"):
        steep([-1.0] * 100)


def test_a_loss_that_is_not_finite_ends_an_fp16_sweep_at_once() -> None:
    sweep = steep([1.0] * 12 + [-math.inf] + [1.0] * 20)
    assert sweep.losses == (*[1.0] * 12, math.inf)
    assert sweep.stop_reason is StopReason.NON_FINITE


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_window_that_the_data_cuts_short_is_dropped(precision: Any) -> None:
    sweep, _ = swept(Recipe(precision, accumulate=4), data=batches(4 * 6 + 3))
    assert sweep.stop_reason is StopReason.DATA_ENDED
    assert len(sweep.losses) == 6


def test_warm_up_is_trained_but_not_recorded() -> None:
    long, _ = swept(Recipe(), lrs=(LRS[0],) * 5 + LRS)
    warm, _ = swept(Recipe(), warmup=(LRS[0],) * 5)
    assert warm.losses == long.losses[5:]
    assert warm.lrs == LRS


def test_warm_up_that_takes_all_the_data_measures_nothing() -> None:
    sweep, _ = swept(Recipe(), warmup=(LRS[0],) * 5, data=batches(3))
    assert sweep == Sweep(0, (), (), StopReason.DATA_ENDED)


def test_a_fault_names_the_batch_that_was_taken_last() -> None:
    def step(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        raise ValueError("no such class")

    model = network()
    with pytest.raises(UserCodeError, match=r"no such class\nthe batch was: a float32 tensor of shape \(3, 2\)"):
        run_sweep(model, [torch.ones(3, 2)], step, sgd(model), LRS, device=CPU, seed=0)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.skipif(not torch.accelerator.is_available(), reason="needs an accelerator")
@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES.values() if recipe.precision != "fp16"])
def test_on_an_accelerator_the_loop_never_waits(recipe: Recipe) -> None:
    device = torch.accelerator.current_accelerator()
    assert device is not None
    model = network().to(device)
    data = [(x.to(device), y.to(device)) for x, y in batches(100)]
    torch.cuda.set_sync_debug_mode("error")
    try:
        sweep = run_sweep(
            model, data, DefaultStep(functional.mse_loss), sgd(model), LRS, device=device, seed=0, recipe=recipe
        )
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(sweep.losses) == len(LRS)


def test_fp16_goes_on_with_the_scale_of_the_training() -> None:
    weight = nn.Linear(1, 1, bias=False)
    seen: list[float] = []
    weight.weight.register_hook(lambda gradient: seen.append(gradient.item()))
    recipe = Recipe("fp16", scaler=torch.amp.GradScaler("cpu", init_scale=8.0).state_dict())
    optimizer = torch.optim.SGD(weight.parameters(), lr=0.1)
    data = [torch.ones(1, 1)]
    update = ScaledUpdate(weight, lambda model, x: model(x).sum(), optimizer, data, torch.device("cpu"), recipe)
    assert update() is not None
    assert seen == [8]


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(accumulate=2), Recipe("fp16")], ids=str)
def test_a_batch_without_a_loss_is_skipped(recipe: Recipe) -> None:
    def step(model: nn.Module, batch: Batch | None) -> torch.Tensor | None:
        return None if batch is None else functional.mse_loss(model(batch[0]), batch[1])

    def swept(data: Iterator[Batch | None]) -> Sweep:
        model = network()
        torch.manual_seed(5)
        return run_sweep(model, data, step, sgd(model), LRS, device=CPU, seed=0, recipe=recipe)

    gaps = (each for index, batch in enumerate(batches()) for each in ([None, batch] if index % 3 == 0 else [batch]))
    assert swept(gaps).losses == swept(batches()).losses


def test_a_step_that_never_returns_a_loss_is_refused() -> None:
    model = network()
    with pytest.raises(UserCodeError, match=r"loss: expected a scalar .*, got None for 100 mini-batches in a row"):
        run_sweep(model, batches(), lambda model, batch: None, sgd(model), LRS, device=CPU, seed=0)
