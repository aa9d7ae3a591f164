"""`find_lr` and `run_config`: the same answer as from the command line, and everything bit for bit as before."""

from __future__ import annotations

import copy
import itertools
import json
import math
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from cli import FIXTURES
from helpers import run_example
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import lrfind
from lrfind.analysis.recorded import reanalyze
from lrfind.errors import LrfindError, UserCodeError
from lrfind.records.json_format import to_json, to_result

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "configs"
SCHEMA = ROOT / "lrfind" / "records" / "record.schema.json"


@pytest.fixture(scope="module")
def digits() -> Iterator[TensorDataset]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(CONFIGS)
        yield __import__("digits").digits()


class Net(nn.Module):
    """BatchNorm, dropout, a buffer that is not saved, one that is made anew, a counter: all that a training moves."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2))
        self.head = nn.Linear(32, 10)
        self.register_buffer("mean", torch.zeros(32), persistent=False)
        self.register_buffer("expanded", torch.zeros(1).expand(4))
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x)
        self.calls += 1
        self.mean = 0.9 * self.mean + 0.1 * hidden.detach().mean(0)
        return self.head(hidden)


class Training:
    """A plain training loop, in the middle of which something may be done."""

    def __init__(self, data: TensorDataset, optimizer: str, seeded_loader: bool = True) -> None:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        self.model = Net()
        kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
            "SGD": lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.9),
            "Adam": lambda groups: torch.optim.Adam(groups, lr=torch.tensor(1e-3), foreach=False, capturable=False),
            "AdamW": lambda groups: torch.optim.AdamW(groups, lr=1e-3, fused=True),
        }
        groups = [{"params": self.model.body.parameters()}, {"params": self.model.head.parameters(), "lr": 0.01}]
        self.optimizer = kinds[optimizer](groups)
        generator = torch.Generator().manual_seed(2) if seeded_loader else None
        self.loader = DataLoader(data, 64, shuffle=True, generator=generator)
        self.loss_fn = nn.CrossEntropyLoss(weight=torch.linspace(0.5, 1.5, 10))
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, [0.1, 0.02], total_steps=60)
        self.losses: list[float] = []

    def train(self, steps: int) -> None:
        self.model.train()
        batches = iter(self.loader)
        for _ in range(steps):
            x, y = next(batches)
            self.optimizer.zero_grad()
            loss = self.loss_fn(self.model(x + 0.01 * random.random() + 0.01 * np.random.rand()), y)
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
            self.losses.append(loss.item())

    def find(self, **options: Any) -> lrfind.Answer:
        options = {"num_iter": 30, "probe_steps": 10} | options
        if "step" in options:
            return lrfind.find_lr(self.model, self.loader, optimizer=self.optimizer, **options)
        return lrfind.find_lr(self.model, self.loader, self.loss_fn, self.optimizer, **options)

    def state(self) -> dict[str, Any]:
        """All that there is to compare, copied."""
        return copy.deepcopy(
            {
                "tensors": dict(self.model.named_parameters()) | dict(self.model.named_buffers()),
                "grads": {name: parameter.grad for name, parameter in self.model.named_parameters()},
                "wanted": [parameter.requires_grad for parameter in self.model.parameters()],
                "modes": [module.training for module in self.model.modules()],
                "calls": self.model.calls,
                "optimizer": self.optimizer.state_dict(),
                "attributes": sorted(vars(self.optimizer)),
                "hooks": len(self.optimizer._optimizer_step_pre_hooks),
                "scheduler": {k: v for k, v in self.scheduler.state_dict().items() if k != "_anneal_func"},
                "chance": (random.getstate(), np.random.get_state(), torch.get_rng_state()),
                "loader": self.loader.generator.get_state() if self.loader.generator else None,
            }
        )


def same(one: Any, other: Any) -> bool:
    """Tell whether two nested values are equal to the last bit."""
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and bits(one) == bits(other)
    if isinstance(one, np.ndarray):
        return bool((one == other).all())
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def bits(tensor: Tensor) -> bytes:
    return tensor.detach().contiguous().numpy().tobytes()


@pytest.mark.parametrize("seeded_loader", [True, False], ids=["own generator", "global generator"])
@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("before", [0, 7])
def test_a_training_goes_on_as_if_nothing_had_been(
    digits: TensorDataset, optimizer: str, before: int, seeded_loader: bool
) -> None:
    plain = Training(digits, optimizer, seeded_loader)
    plain.train(before)
    plain.train(12)
    end = plain.state()
    searched = Training(digits, optimizer, seeded_loader)
    searched.train(before)
    state = searched.state()
    parts = [*searched.model.parameters(), *(group["lr"] for group in searched.optimizer.param_groups)]
    places = [parameter.data_ptr() for parameter in searched.model.parameters()]
    answer = searched.find()
    assert len(answer.probes) >= 3
    assert same(searched.state(), state)
    now = [*searched.model.parameters(), *(group["lr"] for group in searched.optimizer.param_groups)]
    assert all(one is other for one, other in zip(parts, now, strict=True) if isinstance(one, Tensor))
    assert [parameter.data_ptr() for parameter in searched.model.parameters()] == places
    searched.train(12)
    assert searched.losses == plain.losses
    assert same(searched.state(), end)


def explode(at: int, error: BaseException) -> Callable[[nn.Module, Any], Tensor]:
    """Return a step that raises at one of its calls; its counter is none that a search puts back."""
    calls = itertools.count(1)

    def step(model: nn.Module, batch: Any) -> Tensor:
        if model.training and next(calls) == at:  # a look at held-out samples is no part of the training
            raise error
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    return step


@pytest.mark.parametrize("at", [1, 15, 45], ids=["first step", "sweep", "probe"])
@pytest.mark.parametrize("error", [ValueError("bad sample"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_everything_is_put_back_however_it_ends(digits: TensorDataset, error: BaseException, at: int) -> None:
    training = Training(digits, "SGD")
    training.train(5)
    training.model.body.eval()
    state = training.state()
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else UserCodeError
    with pytest.raises(expected) as caught:
        training.find(step=explode(at, error))
    assert same(training.state(), state)
    if expected is UserCodeError:
        assert "ValueError: bad sample" in str(caught.value)
        causes = iter_causes(caught.value)
        assert error in causes


def iter_causes(error: BaseException | None) -> list[BaseException]:
    causes = []
    while error := error.__cause__ if error else None:
        causes.append(error)
    return causes


@pytest.mark.parametrize("options", [{"precision": "fp16"}, {"precision": "bf16"}, {"accumulate": 2}], ids=str)
def test_everything_is_put_back_whatever_the_recipe(digits: TensorDataset, options: dict[str, Any]) -> None:
    training = Training(digits, "SGD")
    training.train(3)
    state = training.state()
    assert training.find(clip_grad_norm=1.0, **options).sweep.losses
    assert same(training.state(), state)


def test_the_same_seed_gives_the_same_answer(digits: TensorDataset) -> None:
    training = Training(digits, "SGD", seeded_loader=False)
    first, again, other = training.find(seed=3), training.find(seed=3), training.find(seed=4)
    assert (first.sweeps, first.probes, first.analysis) == (again.sweeps, again.probes, again.analysis)
    assert first.sweep.losses != other.sweep.losses


def test_every_sweep_and_probe_starts_alike(digits: TensorDataset) -> None:
    answer = Training(digits, "SGD").find()
    assert len({probe.losses[0] for probe in answer.probes}) == 1  # not the sweep's: samples are held out


def test_it_answers_as_the_command_does(digits: TensorDataset) -> None:
    cnn = sys.modules["digits"].cnn
    torch.manual_seed(0)
    model = cnn()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    answer = lrfind.find_lr(
        model, DataLoader(digits, 64, shuffle=True, drop_last=True), nn.CrossEntropyLoss(), optimizer
    )
    config = lrfind.run_config(CONFIGS / "digits.yaml", ["device=cpu"])
    assert answer
    assert answer.suggested_lr == pytest.approx(config.suggested_lr, rel=0.3)
    assert answer.title == "Sequential, SGD, batch 64, cpu"
    assert answer.source is None
    assert (answer.config, answer.source) == ({}, None)  # there is none
    assert answer.settings["sweep"]["end_lr"] == 10
    assert answer.environment["effective_batch_size"] == 64
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(json.loads(to_json(answer)))
    assert type(answer)(**vars(to_result(json.loads(to_json(answer)), "r.json"))) == answer
    assert reanalyze(answer).analysis.suggested_lr == pytest.approx(answer.suggested_lr)


def linear(**options: Any) -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Linear(4, 1)
    return model, torch.optim.SGD(model.parameters(), **({"lr": 0.1} | options))


def line(count: int = 8, size: int = 16) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(size, 4, generator=generator) for _ in range(count)]
    return [(x, x.sum(1, keepdim=True)) for x in inputs]


class Stream:
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(line())


def test_a_warm_up_that_stands_at_zero_keeps_the_ratios_of_its_groups() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    groups = [{"params": model[0].parameters(), "lr": 0.01}, {"params": model[1].parameters(), "lr": 0.1}]
    optimizer = torch.optim.SGD(groups)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    answer = lrfind.find_lr(model, line(), nn.MSELoss(), optimizer)
    assert [group.lr_scale for group in answer.groups] == [1, pytest.approx(10)]
    assert [group["lr"] for group in optimizer.param_groups] == [0, 0]
    assert list(answer.group_lrs) == ["group 0", "group 1"]
    optimizer.step()
    scheduler.step()  # warns if it took a step of the sweep for one of the training
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.001, 0.01])


def test_a_scheduler_still_warns_of_the_order_of_steps() -> None:
    model, optimizer = linear()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    lrfind.find_lr(model, line(), nn.MSELoss(), optimizer)
    with pytest.warns(UserWarning, match=r"lr_scheduler.step\(\)` before `optimizer.step"):
        scheduler.step()


def test_a_loss_that_learns_is_put_back() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, output: Tensor, target: Tensor) -> Tensor:
            self.seen += len(target)
            return nn.functional.mse_loss(self.scale * output, target)

    model, loss_fn = nn.Linear(4, 1), Scaled()
    optimizer = torch.optim.SGD([*model.parameters(), *loss_fn.parameters()], lr=0.1)
    assert lrfind.find_lr(model, line(), loss_fn, optimizer)
    assert (loss_fn.scale.item(), loss_fn.seen.item(), loss_fn.scale.grad) == (1, 0, None)


def test_the_scaler_of_the_training_stays_as_it_is() -> None:
    model, optimizer = linear()
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    state = scaler.state_dict()
    assert lrfind.find_lr(model, line(), nn.MSELoss(), optimizer, precision="fp16", scaler=scaler)
    assert scaler.state_dict() == state
    assert not optimizer._optimizer_step_pre_hooks


def test_a_model_with_a_loss_of_its_own_needs_no_other() -> None:
    class Own(nn.Linear):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return nn.functional.mse_loss(super().forward(x), y)

    model = Own(4, 1)
    assert lrfind.find_lr(model, line(), optimizer=torch.optim.SGD(model.parameters(), lr=0.1))


def test_numbers_that_are_not_finite_are_found_in_the_data() -> None:
    model, optimizer = linear()
    notes: list[str] = []
    x, y = line(1)[0]
    x[3, 2] = math.nan
    answer = lrfind.find_lr(model, [(x, y)], nn.MSELoss(), optimizer, on_note=notes.append)
    assert not answer
    assert notes == ["A loss is not finite where the mini-batch itself holds such numbers: item 0 (column 2)"]


def test_a_generator_is_swept_once_and_its_notes_are_told(caplog: pytest.LogCaptureFixture) -> None:
    model, optimizer = linear()
    notes: list[str] = []
    answer = lrfind.find_lr(model, iter(line(400, 128)), nn.MSELoss(), optimizer, on_note=notes.append)
    assert answer
    assert answer.probes == ()
    assert notes == ["The data cannot be read again, so no probe checks the sweep."]
    with caplog.at_level("INFO", logger="lrfind"):
        lrfind.find_lr(model, line(), nn.MSELoss(), optimizer)
        assert caplog.messages == []  # a list of a known length starts over as a matter of course
        lrfind.find_lr(model, Stream(), nn.MSELoss(), optimizer)
    assert caplog.messages == ["The data ran out; starting over with its first batch."]


def test_a_script_sees_what_may_make_the_answer_wrong_and_nothing_else() -> None:
    ran = subprocess.run(
        [sys.executable, FIXTURES / "scripts" / "find_lr.py"], capture_output=True, text=True, check=True
    )
    untrained = "No group of the optimizer holds these parameters, so they are not trained: bias"
    unchecked = "The data cannot be read again, so no probe checks the sweep."
    assert (ran.stdout, ran.stderr.splitlines()[:3]) == ("", [untrained, untrained, unchecked])
    assert "loss_fn is not used, as Own computes its own" in ran.stderr
    assert "starting over" not in ran.stderr


def test_what_is_left_untrained_is_told() -> None:
    model = nn.Linear(4, 1)
    notes: list[str] = []
    optimizer = torch.optim.SGD([model.weight], lr=0.1)
    lrfind.find_lr(model, line(), nn.MSELoss(), optimizer, on_note=notes.append)
    assert "No group of the optimizer holds these parameters, so they are not trained: bias" in notes


def test_parameters_of_the_loss_that_no_optimizer_holds_are_told() -> None:
    class Weighted(nn.MSELoss):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, output: Tensor, target: Tensor) -> Tensor:
            return self.weight * super().forward(output, target)

    model, loss_fn = nn.Linear(4, 1), Weighted()
    notes: list[str] = []
    settings: Any = {"on_note": notes.append, "num_iter": 30, "probes": False}
    lrfind.find_lr(model, line(), loss_fn, torch.optim.SGD(model.parameters(), lr=0.1), **settings)
    told = "No group of the optimizer holds these parameters, so they are not trained: loss.weight"
    assert told in notes
    notes.clear()
    both = torch.optim.SGD([*model.parameters(), *loss_fn.parameters()], lr=0.1)
    lrfind.find_lr(model, line(), loss_fn, both, **settings)
    assert told not in notes
    assert loss_fn.weight == 1


def test_an_average_of_the_weights_stays_as_it_was_or_is_named() -> None:
    model, notes, steps = nn.Linear(4, 1), [], []
    average = torch.optim.swa_utils.AveragedModel(model)
    meter = SimpleNamespace(seen=0)

    def step(model: nn.Module, batch: Any) -> Tensor:
        average.update_parameters(model)
        steps.append(1)
        meter.seen += 1
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    settings: Any = {"step": step, "num_iter": 30, "probes": False, "on_note": notes.append}
    before = copy.deepcopy(average.state_dict())
    lrfind.find_lr(model, line(), None, optimizer, **settings)
    assert str(average.state_dict()) == str(before)
    assert steps == []
    told = "The search has changed what it cannot put back unless restore=[...] names it: meter (SimpleNamespace)"
    assert told in notes
    notes.clear()
    seen = meter.seen
    lrfind.find_lr(model, line(), None, optimizer, **settings, restore=[meter])
    assert meter.seen == seen
    assert told not in notes


def test_the_other_half_of_a_gan_stays_as_it_was_gradients_and_averages_included() -> None:
    torch.manual_seed(0)
    generator = nn.Linear(4, 2)
    critic = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))

    def step(model: nn.Module, batch: Any) -> Tensor:
        return nn.functional.softplus(-critic(model(batch[0]))).mean()

    critic(torch.randn(4, 2)).sum().backward()
    gradients = [parameter.grad.clone() for parameter in critic.parameters() if parameter.grad is not None]
    before = str(critic.state_dict())
    optimizer = torch.optim.Adam(generator.parameters())
    lrfind.find_lr(generator, line(), None, optimizer, step=step, num_iter=30, on_note=lambda note: None)
    assert all(
        torch.equal(parameter.grad, gradient)  # type: ignore[arg-type]
        for parameter, gradient in zip(critic.parameters(), gradients, strict=True)
    )
    assert str(critic.state_dict()) == before


def test_a_net_that_is_trained_already_is_told() -> None:
    torch.manual_seed(0)
    x = torch.randn(512, 4)
    model = nn.Linear(4, 1)
    with torch.no_grad():
        model.weight.fill_(1.0)
        model.bias.fill_(0.001)
    loader = DataLoader(TensorDataset(x, x.sum(1, keepdim=True) + 0.01 * torch.randn(512, 1)), 32, shuffle=True)
    answer = lrfind.find_lr(model, loader, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1), num_iter=60)
    assert "The model knows this data already" in answer.message


def test_a_refusal_is_an_answer_in_the_words_of_python() -> None:
    model, optimizer = linear()
    answer = lrfind.find_lr(model, line(), nn.MSELoss(), optimizer, end_lr=1e-6)
    assert not answer
    assert (answer.suggested_lr, answer.safe_range, answer.confidence, answer.group_lrs) == (None, None, 0, {})
    assert "raise budget" in answer.message
    assert answer.reason is not None


def test_gradients_may_be_off_around_it() -> None:
    model, optimizer = linear()
    with torch.no_grad():
        assert lrfind.find_lr(model, line(), nn.MSELoss(), optimizer)
        assert not torch.is_grad_enabled()


def test_autocast_around_it_changes_nothing() -> None:
    model, optimizer = linear()
    alone = lrfind.find_lr(model, line(), nn.MSELoss(), optimizer)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert lrfind.find_lr(model, line(), nn.MSELoss(), optimizer).sweep == alone.sweep
        within = lrfind.find_lr(model, line(), nn.MSELoss(), optimizer, precision="bf16")
        assert torch.is_autocast_enabled("cpu")
    assert within.sweep == lrfind.find_lr(model, line(), nn.MSELoss(), optimizer, precision="bf16").sweep


MODEL, OPTIMIZER = linear()
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no optimizer": ({"optimizer": None}, "optimizer: expected a torch.optim.Optimizer of the model's parameters, got"),
    "in another order": ({"optimizer": nn.MSELoss(), "loss_fn": OPTIMIZER}, "optimizer: expected .* got MSELoss"),
    "of another model": (
        {"model": nn.Linear(4, 1)},
        "optimizer: expected the parameters of model and loss_fn, and no",
    ),
    "no module": ({"model": "resnet"}, "model: expected a torch.nn.Module, got str"),
    "a class": ({"model": nn.Linear}, r"model: .* got the class Linear; pass Linear\(\.\.\.\)"),
    "a class of losses": ({"loss_fn": nn.MSELoss}, "loss_fn: expected .* got the class MSELoss; pass MSELoss"),
    "a class of optimizers": ({"optimizer": torch.optim.SGD}, "optimizer: expected .* got the class SGD; pass SGD"),
    "frozen": ({"model": nn.Linear(4, 1).requires_grad_(False)}, "model: expected at least one trainable parameter"),
    "lazy": ({"model": nn.LazyLinear(1)}, "model: expected parameters that hold values, got lazy ones: weight, bias"),
    "a data set": (
        {"loader": TensorDataset(torch.ones(9, 4))},
        r"got TensorDataset; .*DataLoader\(dataset",
    ),
    "no loader": ({"loader": 3}, "loader: expected an iterable of mini-batches, got int$"),
    "no data": ({"loader": []}, "loader: expected at least one mini-batch, got none"),
    "no loss": ({"loss_fn": None}, r"loss_fn: expected .* add for example loss_fn=torch.nn.MSELoss\(\)"),
    "no function": ({"loss_fn": "mse"}, r"loss_fn: expected something to call as loss_fn\(output, target\), got str"),
    "two losses": ({"step": lambda model, batch: None}, "loss_fn: does nothing beside step"),
    "target": ({"loader": [torch.ones(2, 4)]}, "loader: expected .* pass a function of your own: step=my_step"),
    "too few": ({"loader": line(2), "accumulate": 4}, "accumulate: one update takes 4 .* lower accumulate"),
    "steps": ({"num_iter": 3}, "num_iter: expected a whole number of at least 10 and at most 10,000, got 3"),
    "range": ({"start_lr": 2, "end_lr": 1}, "start_lr: expected a learning rate below the last one, .* raise end_lr"),
    "clipping": ({"clip_grad_norm": 1, "clip_grad_value": 1}, "either clip_grad_norm or clip_grad_value, got both"),
    "schedule": ({"schedule": "cos"}, "schedule: expected constant, cosine, .* got 'cos'"),
    "precision": ({"precision": "fp8"}, "precision: expected fp32, bf16 or fp16, got 'fp8'"),
    "scaler": ({"scaler": torch.amp.GradScaler("cpu")}, "scaler: expected precision='fp16' beside it, got 'fp32'"),
    "no scaler": ({"scaler": 2.0}, "scaler: expected a torch.amp.GradScaler, got float"),
    "device": ({"device": "gpu"}, "device: expected one that is here, such as 'cpu' or 'cuda:1', got 'gpu'"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_names_the_argument(name: str) -> None:
    change, message = FAULTS[name]
    arguments = {"model": MODEL, "loader": line(), "loss_fn": nn.MSELoss(), "optimizer": OPTIMIZER}
    with pytest.raises(LrfindError, match=message) as caught:
        lrfind.find_lr(**(arguments | change))
    assert "_target_" not in str(caught.value)
    assert not [key for key in ("sweep.", "train.", "data.b", "probes.") if key in str(caught.value)]


def test_several_processes_are_refused_at_once() -> None:
    from torch.testing._internal.distributed.fake_pg import FakeStore

    torch.distributed.init_process_group("fake", rank=0, world_size=2, store=FakeStore())
    try:
        with pytest.raises(LrfindError, match=r"expected one process, got one of 2 .* torchrun .* -m lrfind run"):
            lrfind.find_lr(MODEL, line(), nn.MSELoss(), OPTIMIZER)
    finally:
        torch.distributed.destroy_process_group()


def test_a_wrapped_model_is_refused(tmp_path: Path) -> None:
    torch.distributed.init_process_group("gloo", rank=0, world_size=1, init_method=f"file://{tmp_path}/store")
    try:
        model = nn.parallel.DistributedDataParallel(nn.Linear(4, 1))
        with pytest.raises(LrfindError, match="model: expected a plain module, got one in DistributedDataParallel"):
            lrfind.find_lr(model, line(), nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1))
    finally:
        torch.distributed.destroy_process_group()


def test_nothing_is_printed_unless_asked_for(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    model, optimizer = linear()
    lrfind.find_lr(model, line(), nn.MSELoss(), optimizer)
    assert capfd.readouterr() == ("", "")
    drawn = random.getstate()
    lrfind.find_lr(model, line(), nn.MSELoss(), optimizer, progress=True)
    assert random.getstate() == drawn
    out, err = capfd.readouterr()
    assert out == ""
    assert "sweep" in err


def test_a_config_writes_nothing_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state = random.getstate(), torch.get_rng_state()
    overrides = {"device": "cpu", "optimizer.momentum": 0.5, "tf32": True}
    answer = lrfind.run_config(CONFIGS / "digits.yaml", overrides)
    assert (random.getstate(), torch.get_rng_state().tolist()) == (state[0], state[1].tolist())
    assert torch.get_float32_matmul_precision() == "highest"
    assert answer.config["optimizer"]["momentum"] == 0.5
    assert answer.source == str(CONFIGS / "digits.yaml")
    assert list(tmp_path.iterdir()) == []
    answer = lrfind.run_config(CONFIGS / "digits.yaml", ["device=cpu", "sweep.num_iter=50"], out=tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["digits.lrfind.json", "digits.lrfind.png"]
    assert lrfind.load(tmp_path / "new" / "digits.lrfind.json") == answer
    assert answer.config["sweep"]["num_iter"] == 50


def test_the_example_of_the_docs_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = run_example("python.md", 1, tmp_path, monkeypatch)
    answer = names["answer"]
    assert capsys.readouterr().out.startswith(f"{answer.suggested_lr:.3g}, safe from ")
    assert names["optimizer"].param_groups[0]["lr"] == answer.suggested_lr
    assert (tmp_path / "digits.png").read_bytes().startswith(b"\x89PNG")
    assert lrfind.load("digits.lrfind.json") == answer


def test_a_folder_that_cannot_be_written_is_said_before_the_run() -> None:
    with pytest.raises(LrfindError, match=r"cannot write /proc/x: .*name another folder with out="):
        lrfind.run_config(CONFIGS / "digits.yaml", out="/proc/x")


@pytest.mark.parametrize("overrides", [{"optimizer.momentumm": 1}, ["optimizer.momentumm=1"]], ids=["dict", "list"])
def test_a_fault_in_a_config_is_raised(overrides: Any) -> None:
    with pytest.raises(LrfindError, match="momentumm; did you mean momentum"):
        lrfind.run_config(CONFIGS / "digits.yaml", overrides)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_training_on_a_gpu_goes_on_as_if_nothing_had_been(digits: TensorDataset) -> None:
    losses = []
    for searched in (False, True):
        torch.manual_seed(0)
        model = Net().cuda()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        loader = DataLoader(digits, 64, shuffle=True, generator=torch.Generator().manual_seed(0))
        for part in range(2):
            if searched and part:
                before = torch.cuda.memory_allocated()
                lrfind.find_lr(model, loader, nn.CrossEntropyLoss(), optimizer)
                assert torch.cuda.memory_allocated() <= before
            for x, y in loader:
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x.cuda()), y.cuda())
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
    assert losses[: len(losses) // 2] == losses[len(losses) // 2 :]


@pytest.mark.parametrize(
    "error", [KeyError("train.steps"), ValueError("data.batch_size must divide 3"), RuntimeError("set --num-iter")]
)
def test_the_words_of_the_user_come_out_unchanged(error: Exception) -> None:
    def step(model: nn.Module, batch: Any) -> Tensor:
        raise error

    model = nn.Linear(2, 1)
    with pytest.raises(UserCodeError) as caught:
        lrfind.find_lr(model, [torch.ones(2)], None, torch.optim.SGD(model.parameters(), 0.1), step=step)
    assert str(error) in str(caught.value)
    assert caught.value.__cause__ is error


def test_the_length_may_be_said_in_epochs(digits: TensorDataset) -> None:
    def length(loader: Any, **settings: Any) -> Any:
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        few = {"num_iter": 10, "max_iter": 10, "probes": False}
        return lrfind.find_lr(model, loader, nn.CrossEntropyLoss(), optimizer, **few, **settings).settings

    loader = DataLoader(digits, 64, drop_last=True)
    assert length(loader, train_epochs=3)["train"]["steps"] == 3 * len(loader)
    assert length(loader, train_epochs=3, accumulate=4)["train"]["steps"] == 3 * (len(loader) // 4)
    with pytest.raises(LrfindError, match=r"train_epochs: expected data whose length is known, .* say train_steps"):
        length((batch for batch in loader), train_epochs=3)
    with pytest.raises(LrfindError, match="expected either train_steps or train_epochs, got both"):
        length(loader, train_epochs=3, train_steps=100)
