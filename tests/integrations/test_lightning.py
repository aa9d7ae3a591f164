"""The callback in real trainings of both of Lightning's packages."""

from __future__ import annotations

import importlib
import logging
import pickle
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from helpers import run_example
from jsonargparse import ArgumentError, ArgumentParser
from printed import updates_seen
from torch import Tensor, nn
from torch.optim import lr_scheduler as schedulers
from torch.utils.data import DataLoader, TensorDataset

import lrfind
from lrfind.errors import LrfindError, UserCodeError
from lrfind.schedule.code import code
from lrfind.schedule.kinds import set_up
from lrfind.schedule.learning_rates import learning_rates_given
from lrfind.schedule.scheduler import Length
from lrfind.workloads import lightning_module as lightning

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what the packages import
    PACKAGES = [importlib.import_module(name) for name in lightning.PACKAGES]
    from lrfind.integrations.lightning import FindLR

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Found 1 module.s. in eval mode"),
]
QUICK: dict[str, Any] = {"num_iter": 30, "probe_steps": 10}
each_package = pytest.mark.parametrize("package", PACKAGES, ids=lightning.PACKAGES)
OnLoss = Callable[[Any, Tensor], None]


def data(samples: int = 128) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(samples, 8, generator=generator)
    return TensorDataset(x, (x[:, :4].sum(1) > 0).long())


def one_cycle(module: Any, optimizer: torch.optim.Optimizer) -> Any:
    lrs = [group["lr"] for group in optimizer.param_groups]
    return schedulers.OneCycleLR(optimizer, lrs, int(module.trainer.estimated_stepping_batches))


def warm_up(module: Any, optimizer: torch.optim.Optimizer) -> Any:
    return schedulers.LambdaLR(optimizer, lambda step: min(1.0, step / 5))


def make(package: ModuleType, lr: float = 0.01, scheduler: Any = None, on_loss: OnLoss | None = None) -> Any:
    """Return a module with all that a training moves; `on_loss` is done in its training_step."""

    class Lit(package.LightningModule):  # type: ignore[name-defined, misc]
        def __init__(self, lr: float) -> None:
            super().__init__()
            self.save_hyperparameters()
            torch.manual_seed(0)
            self.net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2))
            self.frozen = nn.BatchNorm1d(8).eval()
            self.losses: list[float] = []

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            x, y = batch
            x = self.frozen(x) + 0.01 * random.random() + 0.01 * np.random.rand()
            loss = nn.functional.cross_entropy(self.net(x), y)
            self.log("loss", loss, on_step=True, prog_bar=True)
            self.losses.append(loss.item())
            if on_loss:
                on_loss(self, loss)
            return loss

        def configure_optimizers(self) -> Any:
            head = {"params": self.net[4].parameters(), "lr": self.hparams.lr / 10}
            body = {"params": [*self.net[:4].parameters(), *self.frozen.parameters()]}
            optimizer = torch.optim.SGD([body, head], lr=self.hparams.lr, momentum=0.9)
            if scheduler is None:
                return optimizer
            made = scheduler(self, optimizer)
            return [optimizer], [made if isinstance(made, dict) else {"scheduler": made, "interval": "step"}]

    return Lit(lr)


def trainer(package: ModuleType, *callbacks: Any, **options: Any) -> Any:
    defaults: dict[str, Any] = {"max_epochs": 2, "accelerator": "cpu", "logger": False, "log_every_n_steps": 1}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return package.Trainer(callbacks=[*callbacks], **{**defaults, **quiet, **options})


def seeded() -> None:
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)


def fit(module: Any, runner: Any, loader: Any = None) -> Any:
    seeded()
    runner.fit(module, loader or DataLoader(data(), 16, shuffle=True))
    return module


def lrs_of(runner: Any) -> list[float]:
    return [group["lr"] for group in runner.optimizers[0].param_groups]


def chance() -> Any:
    return random.random(), float(np.random.rand()), torch.rand(1).item()


class Seen:
    """Lists what is drawn and set at every step of a training; made into a Callback of a package by `seen`."""

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        self.steps.append((trainer.global_step, index, batch[0].sum().item(), lrs_of(trainer)))  # type: ignore[attr-defined]


def seen(package: ModuleType) -> Any:
    watcher = type("Watcher", (Seen, package.Callback), {})()
    watcher.steps = []
    return watcher


def by_epoch(build: Any) -> Any:
    def configure(module: Any, optimizer: torch.optim.Optimizer) -> Any:
        return {"scheduler": build(module, optimizer), "interval": "epoch"}

    return configure


def cosine_of_steps(module: Any, optimizer: torch.optim.Optimizer) -> Any:
    return schedulers.CosineAnnealingLR(optimizer, int(module.trainer.estimated_stepping_batches))


@pytest.mark.parametrize(("scheduler", "words"), [(one_cycle, "which is never reached"), (cosine_of_steps, "")])
def test_a_scheduler_of_steps_that_is_stepped_by_epoch_trains_at_the_suggestion(scheduler: Any, words: str) -> None:
    """A cycle of 24 steps makes 3 of them: the peak that was set was never reached. A cosine stays at its top."""
    package, find = PACKAGES[0], FindLR(**QUICK)
    runner = trainer(package, find, max_epochs=3)
    with updates_seen() as updates, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        fit(make(package, 0.01, by_epoch(scheduler)), runner)
    assert find.result
    constant = find.result.analysis.constant_lr
    lrs = [lrs[1] for lrs in updates[-24:]]  # those before are of the search
    assert 0.5 * constant < sum(lrs) / len(lrs) <= max(lrs) <= 1.01 * constant
    said = [str(each.message) for each in warned if "the peak is set" in str(each.message)]
    assert len(said) == bool(words)
    assert all(words in each for each in said)


@each_package
@pytest.mark.filterwarnings("ignore::UserWarning:lightning", "ignore::UserWarning:pytorch_lightning")
def test_the_code_of_a_schedule_trains_with_it(
    package: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    find = FindLR(**QUICK)
    options: dict[str, Any] = {"accumulate_grad_batches": 2, "gradient_clip_val": 0.5, "precision": "bf16-mixed"}
    fit(make(package, scheduler=one_cycle), trainer(package, find, **options))
    assert find.result
    length = Length(2, 128 // 16 // 2)
    for name in ("cosine", "cyclic", "onecycle", "step", "wsd"):
        scheduler = set_up(name, learning_rates_given(1e-3, None), length)
        space: dict[str, Any] = {}
        exec(code(name, scheduler, length, find.result), space)
        module = make(package, scheduler=one_cycle)
        module.__class__ = type("Net", (space["Scheduled"], type(module)), {})
        with updates_seen() as seen:
            space["train"](module, DataLoader(data(), 16))
        expected = [scheduler.at(index) for index in range(length.total)]
        assert [lrs[:2] for lrs in seen] == [pytest.approx([lr / 10, lr], abs=1e-12) for lr in expected], name
    used = module.trainer
    assert (used.accumulate_grad_batches, used.gradient_clip_val, used.precision) == (2, 0.5, "bf16-mixed")


@each_package
@pytest.mark.parametrize("scheduler", [None, warm_up, one_cycle], ids=["plain", "warm-up", "onecycle"])
def test_a_training_is_that_with_the_found_learning_rate_set_by_hand(
    package: ModuleType, scheduler: Any, tmp_path: Path
) -> None:
    def run(name: str, lr: float, *callbacks: Any) -> tuple[Any, ...]:
        loggers = importlib.import_module(f"{package.__name__}.loggers")
        logger = loggers.CSVLogger(tmp_path, name=name, version="")
        watcher = seen(package)
        runner = trainer(package, *callbacks, watcher, logger=logger)
        module = fit(make(package, lr, scheduler), runner)
        drawn = chance()
        runner.save_checkpoint(tmp_path / name / "end.ckpt")
        checkpoint = torch.load(tmp_path / name / "end.ckpt", weights_only=False)
        logged = (tmp_path / name / "metrics.csv").read_text() if scheduler is not one_cycle else ""
        hparams = (tmp_path / name / "hparams.yaml").read_text()
        return watcher.steps, module.losses, runner.callback_metrics, drawn, checkpoint, logged, hparams

    find = FindLR(**QUICK)
    searched = run("searched", 0.01, find)
    assert find.result
    assert find.result.suggested_lr != 0.01
    plain = run("plain", find.result.suggested_lr)
    # A tenth of the old rate, times new over old, is not to the last bit a tenth of the new; nor is a 25th of a peak.
    tolerance = 1e-4 if scheduler is one_cycle else 1e-6
    for one, other in zip(searched, plain, strict=True):
        assert plain_of(one) == plain_of(other, tolerance)


def plain_of(value: Any, tolerance: float | None = None) -> Any:
    """Return a value that can be compared with ==, its numbers within a relative tolerance."""
    if isinstance(value, Tensor):
        return str(value.dtype), plain_of(value.tolist(), tolerance)
    if isinstance(value, dict):
        return {key: plain_of(item, tolerance) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_of(item, tolerance) for item in value]
    return pytest.approx(value, rel=tolerance, abs=1e-6) if tolerance and isinstance(value, float) else value


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({"accumulate_grad_batches": 2, "gradient_clip_val": 0.5}, {"accumulate": 2, "clip_grad_norm": 0.5}),
        ({"gradient_clip_val": 0.1, "gradient_clip_algorithm": "value"}, {"clip_grad_value": 0.1}),
        ({"precision": "bf16-mixed"}, {"precision": "bf16"}),
        ({"max_epochs": -1, "max_steps": 5}, {"train_steps": 5}),
    ],
    ids=["accumulated", "clipped by value", "bf16", "by steps"],
)
def test_the_search_is_that_of_find_lr_with_the_recipe_of_the_trainer(
    options: dict[str, Any], settings: dict[str, Any]
) -> None:
    package = PACKAGES[0]
    find = FindLR(**QUICK)
    fit(make(package, scheduler=one_cycle), trainer(package, find, **options))
    by_hand: list[lrfind.Answer] = []

    def search(module: Any) -> None:
        recipe = {"train_steps": int(module.trainer.estimated_stepping_batches), **settings}

        def step(model: Any, batch: Any) -> Tensor:
            model.frozen.eval()
            loss: Tensor = model.training_step(batch, 0)
            return loss

        module.log = lightning.log_nothing
        optimizer, loader = module.trainer.optimizers[0], module.trainer.train_dataloader
        by_hand.append(
            lrfind.find_lr(module, loader, optimizer=optimizer, step=step, schedule="onecycle", **recipe, **QUICK)
        )

    module = make(package, scheduler=one_cycle)
    module.on_train_start = lambda: search(module)
    fit(module, trainer(package, **options))
    assert find.result is not None
    assert find.result.sweep.losses == by_hand[0].sweep.losses
    assert find.result.suggested_lr == by_hand[0].suggested_lr
    assert {key: find.result.settings["train"].get(key, find.result.settings.get(key)) for key in settings} | {
        "train_steps": find.result.settings["train"]["steps"]
    } == {"train_steps": by_hand[0].settings["train"]["steps"], **settings}


def test_double_precision_is_the_trainers(caplog: pytest.LogCaptureFixture) -> None:
    package = PACKAGES[0]
    types = []
    find = FindLR(**QUICK)
    fit(make(package, on_loss=lambda module, loss: types.append(loss.dtype)), trainer(package, find, precision=64))
    assert find.result is not None
    assert set(types) == {torch.float64}


def test_what_training_step_does_to_its_trainer_and_loggers_stays_in_the_search(tmp_path: Path) -> None:
    package = PACKAGES[0]
    told: list[Any] = []

    class Logger(package.loggers.CSVLogger):  # type: ignore[name-defined, misc]
        def log_metrics(self, metrics: Any, step: Any = None) -> None:
            told.append(metrics)
            super().log_metrics(metrics, step)

    def meddle(module: Any, loss: Tensor) -> None:
        module.logger.log_metrics({"mine": 1.0})
        module.trainer.should_stop = find.result is None  # in the search, not in the training
        assert module.optimizers().param_groups[0]["lr"] > 0

    find = FindLR(**QUICK)
    runner = trainer(package, find, logger=Logger(tmp_path), max_epochs=1)
    module = fit(make(package, on_loss=meddle), runner)
    assert find.result is not None
    assert runner.global_step == 8
    assert len([metrics for metrics in told if "mine" in metrics]) == 8
    assert len(module.losses) == 8
    assert module.trainer is runner
    assert "log" not in vars(module)


def test_hooks_around_a_batch_are_run_and_others_are_told(caplog: pytest.LogCaptureFixture) -> None:
    package = PACKAGES[0]
    module = make(package)
    kinds: list[str] = []

    def before(self: Any, batch: Any, index: int) -> Any:
        kinds.append("before")
        return batch

    def after(self: Any, batch: Any, index: int) -> Any:
        kinds.append("after")
        return batch

    type(module).on_before_batch_transfer = before
    type(module).on_after_batch_transfer = after
    type(module).on_train_batch_end = lambda self, *_: kinds.append("end")
    caplog.set_level(logging.INFO)
    find = FindLR(**QUICK)
    fit(module, trainer(package, find, max_epochs=1))
    assert kinds[:4] == ["before", "after"] * 2
    assert kinds.count("before") == kinds.count("after") > kinds.count("end") == 8
    assert "Lit.on_after_batch_transfer" not in caplog.text
    assert "FindLR: Lit.on_train_batch_end not run in the search" in caplog.text


@each_package
def test_the_user_is_told(package: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    find = pickle.loads(pickle.dumps(FindLR(**QUICK)))  # as to processes that are spawned
    assert find.result is None
    fit(make(package), trainer(package, find))
    assert f"FindLR: the learning rate is {find.result.suggested_lr:.3g} instead of 0.01 (safe range" in caplog.text


def test_no_suggestion_leaves_the_learning_rate(caplog: pytest.LogCaptureFixture) -> None:
    package = PACKAGES[0]
    find = FindLR(end_lr=1e-6, **QUICK)
    runner = trainer(package, find)
    with pytest.warns(UserWarning, match="FindLR: the learning rate stays as it is: "):
        module = fit(make(package), runner)
    assert find.result is not None
    assert not find.result
    assert lrs_of(runner) == [0.01, 0.001]
    assert module.hparams.lr == 0.01
    plain = fit(make(package), trainer(package))
    assert module.losses == plain.losses


def test_strict_raises_instead() -> None:
    package = PACKAGES[0]
    module = make(package)
    with pytest.raises(LrfindError, match="FindLR: "):
        fit(module, trainer(package, FindLR(strict=True, end_lr=1e-6, **QUICK)))
    assert module.losses == []


def test_a_fault_in_the_module_is_raised_and_nothing_is_trained() -> None:
    def fail(module: Any, loss: Tensor) -> None:
        raise ValueError("my own fault")

    module = make(PACKAGES[0], on_loss=fail)
    weights = module.net[0].weight.clone()
    with pytest.raises(UserCodeError, match="training step failed: ValueError: my own fault") as raised:
        fit(module, trainer(PACKAGES[0], FindLR(**QUICK)))
    assert isinstance(raised.value.__cause__, ValueError)
    assert torch.equal(module.net[0].weight, weights)


def test_an_interrupt_ends_the_fit_before_its_first_step() -> None:
    def interrupt(module: Any, loss: Tensor) -> None:
        if len(module.losses) == 12:
            raise KeyboardInterrupt

    module = make(PACKAGES[0], on_loss=interrupt)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    runner = trainer(PACKAGES[0], FindLR(**QUICK))
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(module, runner)
    assert runner.global_step == 0
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert "log" not in vars(module)


def test_a_resumed_fit_keeps_its_learning_rate_and_a_second_one_is_searched(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    package = PACKAGES[0]
    caplog.set_level(logging.INFO)
    find = FindLR(**QUICK)
    runner = trainer(package, find)
    fit(make(package), runner)
    first = find.result
    runner.save_checkpoint(tmp_path / "end.ckpt")
    again = FindLR(**QUICK)
    resumed = trainer(package, again, max_epochs=3)
    resumed.fit(make(package), DataLoader(data(), 16), ckpt_path=tmp_path / "end.ckpt")
    assert again.result is None
    assert lrs_of(resumed)[0] == first.suggested_lr
    assert "FindLR: the training resumes from a checkpoint" in caplog.text
    runner.fit_loop.max_epochs = 3
    again_module = fit(make(package), runner)
    assert find.result is not first
    assert again_module.hparams.lr == find.result.suggested_lr == lrs_of(runner)[0]
    assert runner.global_step == 24


@pytest.mark.parametrize("options", [{"fast_dev_run": True}, {"max_epochs": 0}, {"limit_train_batches": 0}])
def test_where_nothing_is_trained_nothing_is_searched(options: dict[str, Any]) -> None:
    find = FindLR(**QUICK)
    fit(make(PACKAGES[0]), trainer(PACKAGES[0], find, **options))
    assert find.result is None


def test_validation_alone_is_not_searched() -> None:
    module = make(PACKAGES[0])
    type(module).validation_step = lambda self, batch, index: None
    find = FindLR(**QUICK)
    trainer(PACKAGES[0], find).validate(module, DataLoader(data(), 16), verbose=False)
    assert find.result is None


def manual(module: Any) -> None:
    module.automatic_optimization = False


def two_optimizers(module: Any) -> None:
    manual(module)
    module.configure_optimizers = lambda: [torch.optim.SGD(module.parameters(), 0.1) for _ in range(2)]


def with_closure(module: Any) -> None:
    module.configure_optimizers = lambda: torch.optim.LBFGS(module.parameters(), 0.1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (manual, "expected automatic optimization, but Lit updates its weights"),
        (two_optimizers, "expected automatic optimization"),
        (with_closure, "optimizer: LBFGS needs a closure"),
    ],
)
def test_what_cannot_be_searched_is_trained_as_it_is(change: Callable[[Any], None], why: str) -> None:
    module = make(PACKAGES[0])
    change(module)
    runner = trainer(PACKAGES[0], FindLR(**QUICK))
    with pytest.warns(UserWarning, match=why):
        fit(module, runner)
    assert len(module.losses) >= 16


def test_a_second_finder_of_a_trainer_leaves_it_to_the_first() -> None:
    first, second = FindLR(**QUICK), FindLR(**QUICK)
    module, runner = make(PACKAGES[0]), trainer(PACKAGES[0], first, second)
    with pytest.warns(UserWarning, match="FindLR is in the same Trainer and sets it too; keep one of them"):
        fit(module, runner)
    assert first.result
    assert second.result is None
    assert lrs_of(runner)[0] == first.result.suggested_lr


@pytest.mark.filterwarnings("ignore::UserWarning:lightning")
def test_beside_the_finder_of_lightning_nothing_is_searched(tmp_path: Path) -> None:
    own = PACKAGES[0].callbacks.LearningRateFinder(num_training_steps=20)
    find = FindLR(**QUICK)
    runner = trainer(PACKAGES[0], own, find, default_root_dir=tmp_path, enable_checkpointing=False)
    with pytest.warns(UserWarning, match="LearningRateFinder is in the same Trainer and sets it too"):
        fit(make(PACKAGES[0]), runner)
    assert find.result is None


@pytest.mark.filterwarnings("ignore:`training_step` returned `None`")
def test_batches_that_training_step_skips_are_skipped() -> None:
    def make_skipping(lr: float = 0.01) -> Any:
        module = make(PACKAGES[0], lr)
        own = module.training_step
        module.training_step = lambda batch, batch_idx: None if batch_idx % 4 == 1 else own(batch, batch_idx)
        return module

    find = FindLR(**QUICK)
    searched = fit(make_skipping(), trainer(PACKAGES[0], find))
    assert find.result
    lr = find.result.suggested_lr
    assert searched.losses == fit(make_skipping(lr), trainer(PACKAGES[0])).losses
    assert len(searched.losses) == 2 * 6


def test_a_collection_of_loaders_is_not_searched() -> None:
    module = make(PACKAGES[0])
    own = module.training_step
    module.training_step = lambda batch, batch_idx: own(batch[0], batch_idx)
    with pytest.warns(UserWarning, match="expected one train loader"):
        fit(module, trainer(PACKAGES[0], FindLR(**QUICK)), [DataLoader(data(), 16), DataLoader(data(), 16)])
    assert len(module.losses) == 16


def test_a_strategy_of_several_processes_is_not_searched() -> None:
    find = FindLR(strict=True)
    runner = trainer(PACKAGES[0], find, strategy="ddp", devices=2)  # not started
    runner.strategy.connect(make(PACKAGES[0]))
    with pytest.raises(LrfindError, match="expected one process on one device, got 2 with DDPStrategy; search once"):
        find.on_fit_start(runner, runner.strategy.lightning_module)


def test_an_unknown_option_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match=r"expected strict or one of seed, .*; got steps"):
        FindLR(steps=3)  # type: ignore[call-arg]


def test_its_options_can_be_said_in_the_yaml_of_a_lightning_cli() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--callback", type=PACKAGES[0].Callback)
    options = {"num_iter": 30, "schedule": "cosine", "max_time": 2.5}
    node = {"class_path": "lrfind.integrations.lightning.FindLR", "init_args": options}
    made = parser.instantiate(parser.parse_object({"callback": node})).callback
    assert made._options == {"progress": False, **options}
    with pytest.raises(ArgumentError, match="num_itr"):
        parser.parse_object({"callback": {**node, "init_args": {"num_itr": 30}}})


@pytest.mark.filterwarnings("ignore:Starting from v1.9.0, `tensorboardX`", "ignore:The number of training batches .29.")
def test_the_example_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_example("trainers.md", 1, tmp_path, monkeypatch)
    assert names["find"].result
    assert names["trainer"].lightning_module.hparams.lr == names["find"].result.suggested_lr
