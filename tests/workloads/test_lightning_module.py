"""LightningModules of both packages, by their real code."""

from __future__ import annotations

import importlib
import itertools
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from cli import FIXTURES, Project
from torch import nn

import lrfind
from lrfind.errors import UserCodeError
from lrfind.training.groups import describe_groups
from lrfind.workloads import lightning_module as lightning

pytestmark = pytest.mark.slow

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what the packages import
    PACKAGES = [importlib.import_module(name) for name in lightning.PACKAGES]

X, Y = torch.ones(4, 3), torch.zeros(4, 1)


def make(package: ModuleType = PACKAGES[0], attached: bool = True, **methods: Any) -> Any:
    """Return a LightningModule of one linear layer, with methods in place of its own."""

    def init(self: Any) -> None:
        package.LightningModule.__init__(self)
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 1)

    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        x, y = batch
        return nn.functional.mse_loss(self.layer(x), y)

    def configure_optimizers(self: Any) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.3)

    own = {"training_step": training_step, "configure_optimizers": configure_optimizers, **methods}
    model = type("Lit", (package.LightningModule,), {"__init__": init, **own})()
    if attached:
        lightning.attach_trainer(model, steps=50)
    return model


def expected(model: Any) -> Any:
    return nn.functional.mse_loss(model.layer(X), Y).item()


each_package = pytest.mark.parametrize("package", PACKAGES, ids=lightning.PACKAGES)


@each_package
def test_a_lightning_module_is_known_for_one(package: ModuleType) -> None:
    assert lightning.is_lightning(make(package, attached=False))
    assert not lightning.is_lightning(nn.Linear(1, 1))


def test_it_is_not_looked_for_where_it_is_not_loaded() -> None:
    code = (
        "import sys; from torch import nn; from lrfind.workloads import from_config, lightning_module; "
        "assert not lightning_module.is_lightning(nn.Linear(1, 1)); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"lightning", "pytorch_lightning", "transformers"} & set(loaded)


# training_step


@each_package
def test_the_loss_is_that_of_the_training_step(package: ModuleType) -> None:
    model = make(package)
    loss = lightning.own_step(model)(model, (X, Y))
    assert loss.item() == expected(model)
    assert loss.requires_grad


def test_the_loss_may_come_in_a_dict() -> None:
    model = make(training_step=lambda self, batch, batch_idx: {"loss": self.layer(batch[0]).sum(), "n": 4})
    assert lightning.own_step(model)(model, (X, Y)).item() == model.layer(X).sum().item()


def test_batches_are_numbered_from_zero() -> None:
    heard = []

    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        heard.append(batch_idx)
        return self.layer(batch).sum()

    model = make(training_step=training_step)
    for _ in range(2):
        step = lightning.own_step(model)
        for _ in range(3):
            step(model, X)
    assert heard == [0, 1, 2, 0, 1, 2]


def test_a_step_that_takes_the_batch_alone() -> None:
    model = make(training_step=lambda self, batch: self.layer(batch).sum())
    assert lightning.own_step(model)(model, X).item() == model.layer(X).sum().item()


def test_a_step_that_takes_anything_gets_the_index_too() -> None:
    model = make(training_step=lambda self, *arguments: self.layer(arguments[0]).sum() + arguments[1])
    step = lightning.own_step(model)
    assert step(model, X).item() == pytest.approx(step(model, X).item() - 1)


@pytest.mark.parametrize(
    ("returned", "words"),
    [({"los": X}, r"got \{los: "), (1.0, "got float")],
)
def test_a_step_without_a_loss_is_refused(returned: Any, words: str) -> None:
    model = make(training_step=lambda self, batch, batch_idx: returned)
    with pytest.raises(UserCodeError, match=rf"Lit\.training_step to return the loss.*{words}"):
        lightning.own_step(model)(model, (X, Y))


def test_a_step_that_fetches_its_batches_is_refused() -> None:
    model = make(training_step=lambda self, dataloader_iter: None)
    with pytest.raises(UserCodeError, match="fetches its batches itself; take the batch instead"):
        lightning.own_step(model)


def test_manual_optimization_is_refused() -> None:
    model = make()
    model.automatic_optimization = False
    with pytest.raises(UserCodeError, match=r"Lit, which sets automatic_optimization to False.*lrfind run train.py"):
        lightning.own_step(model)


def test_a_batch_is_changed_as_its_hook_says() -> None:
    model = make(on_after_batch_transfer=lambda self, batch, dataloader_idx: [2 * part for part in batch])
    assert lightning.own_step(model)(model, (X, Y)).item() == nn.functional.mse_loss(model.layer(2 * X), Y).item()


# What the methods find around them


@each_package
def test_logging_is_harmless(package: ModuleType) -> None:
    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        self.log("loss", torch.ones(()), prog_bar=True, on_epoch=True, sync_dist=True)
        self.log_dict({"a": 1.0, "b": torch.ones(())})
        self.inner.log("c", 1.0)
        self.logger.experiment.add_scalar("loss", 1.0, self.global_step)
        self.logger.log_metrics({"a": 1.0})
        return self.layer(batch).sum()

    model = make(package, attached=False, training_step=training_step)
    model.inner = make(package, attached=False)
    lightning.attach_trainer(model, steps=50)
    lightning.own_step(model)(model, X)


@each_package
def test_the_trainer_knows_the_length_of_the_training(package: ModuleType) -> None:
    def configure_optimizers(self: Any) -> Any:
        assert self.trainer.max_epochs == 1
        optimizer = torch.optim.Adam(self.parameters(), lr=0.3)
        steps = self.trainer.estimated_stepping_batches
        assert steps == self.trainer.max_steps == 50
        return [optimizer], [torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=steps)]

    model = make(package, configure_optimizers=configure_optimizers)
    optimizer, scheduler = lightning.own_optimizer(model)
    assert scheduler == "OneCycleLR"
    assert (model.current_epoch, model.global_step, model.global_rank) == (0, 0, 0)
    assert model.trainer.training
    assert model.optimizers(use_pl_optimizer=False) is optimizer
    assert model.optimizers().param_groups is optimizer.param_groups


@each_package
def test_nothing_is_said_and_nothing_is_drawn_at_random(
    package: ModuleType, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "4")  # under which a Trainer would look for the other three
    monkeypatch.setenv("SLURM_JOB_NAME", "train")
    model = make(package, attached=False)
    state = torch.random.get_rng_state()
    lightning.attach_trainer(model, steps=50)
    lightning.own_optimizer(model)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert model.trainer.world_size == 1
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == logging.NOTSET


def test_layers_that_are_made_late_are_there() -> None:
    def configure_model(self: Any) -> None:
        self.late = nn.Linear(1, 1)

    assert isinstance(make(configure_model=configure_model).late, nn.Linear)


def test_hooks_that_do_not_run_are_named() -> None:
    hooks = {"on_train_start": lambda self: None, "optimizer_step": lambda self, *arguments: None}
    assert lightning.idle_hooks(make(**hooks, on_validation_end=lambda self: None)) == list(hooks)
    assert lightning.idle_hooks(make()) == []


# configure_optimizers


def forms(optimizer: Any) -> Iterator[tuple[Any, str | None]]:
    """Yield what `configure_optimizers` may return for one optimizer, and the scheduler in it."""
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    config = {"scheduler": scheduler, "interval": "step"}
    yield optimizer, None
    yield [optimizer], None
    yield (optimizer,), None
    yield ([optimizer], []), None
    yield ([optimizer], [scheduler]), "StepLR"
    yield [[optimizer], [config]], "StepLR"
    yield ([optimizer], scheduler), "StepLR"
    yield {"optimizer": optimizer}, None
    yield {"optimizer": optimizer, "lr_scheduler": scheduler}, "StepLR"
    yield {"optimizer": optimizer, "lr_scheduler": config, "monitor": "loss"}, "StepLR"
    yield [{"optimizer": optimizer, "lr_scheduler": scheduler}], "StepLR"
    yield ({"optimizer": optimizer, "lr_scheduler": config},), "StepLR"


@pytest.mark.parametrize("index", range(12))
def test_one_optimizer_in_any_form(index: int) -> None:
    made = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.3)
    returned, name = next(itertools.islice(forms(made), index, None))
    optimizer, scheduler = lightning.own_optimizer(make(configure_optimizers=lambda self: returned))
    assert optimizer is made
    assert scheduler == name


def test_the_learning_rates_are_those_before_the_scheduler() -> None:
    groups = [{"params": [nn.Parameter(torch.ones(1))], "lr": lr} for lr in (0.4, 0.1)]
    optimizer = torch.optim.SGD(groups)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(step / 10, 1))
    assert [group["lr"] for group in optimizer.param_groups] == [0, 0]
    made, _ = lightning.own_optimizer(make(configure_optimizers=lambda self: optimizer))
    assert [group["lr"] for group in made.param_groups] == [0.4, 0.1]
    assert "initial_lr" not in made.param_groups[0]


def sgd() -> torch.optim.Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.3)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ([sgd(), None], r"got 2 \(SGD, NoneType\)"),
        ([], r"got 0 \(\)"),
        (None, r"\(NoneType\)"),
        ({"lr_scheduler": None}, r"\(NoneType\)"),
        ("sgd", r"\(str\)"),
    ],
)
def test_what_is_no_optimizer_is_refused(returned: Any, words: str) -> None:
    with pytest.raises(
        UserCodeError, match=rf"Lit\.configure_optimizers to return optimizers, .*{words}.*in the config"
    ):
        lightning.own_optimizer(make(configure_optimizers=lambda self: returned))


@pytest.mark.parametrize(
    "form", [list, tuple, lambda both: (both, []), lambda both: [{"optimizer": each} for each in both]]
)
def test_several_optimizers_are_one_with_all_their_groups(form: Any) -> None:
    both = [sgd(), torch.optim.Adam([nn.Parameter(torch.ones(1))], lr=0.03)]
    made, _ = lightning.own_optimizer(make(configure_optimizers=lambda self: form(both)))
    assert [group.name for group in describe_groups(made)] == ["SGD", "Adam"]
    assert [group.lr_scale for group in describe_groups(made)] == [1.0, pytest.approx(0.1)]


def test_a_fault_in_configure_optimizers_is_the_users() -> None:
    def configure_optimizers(self: Any) -> Any:
        raise ValueError("no such optimizer")

    with pytest.raises(UserCodeError, match=r"Lit\.configure_optimizers failed: ValueError: no such"):
        lightning.own_optimizer(make(configure_optimizers=configure_optimizers))


# From the command line

CONFIG = """\
model: {_target_: lit.Lit}
data: {dataset: {_target_: own.data}, batch_size: 64}
sweep: {start_lr: 1e-5, num_iter: 60}
output: {plot: none}
"""


@pytest.fixture(params=lightning.PACKAGES)
def project(request: pytest.FixtureRequest, project: Project) -> Project:
    module = (FIXTURES / "project" / "lit.py").read_text()
    (project.folder / "lit.py").write_text(module.replace("lightning.pytorch", request.param))
    project.config.write_text(CONFIG)
    return project


def test_a_lightning_module_is_swept_as_the_plain_training_is(project: Project) -> None:
    outcome = project.run("--json")
    assert outcome.code == 0, outcome.err
    outcome.says("The CosineAnnealingLR of configure_optimizers is ignored")
    assert outcome.json["title"] == "Lit, SGD, batch 64, cpu"
    plain = (
        "model={_target_: own.net}",
        "loss={_target_: torch.nn.MSELoss}",
        "optimizer={_target_: torch.optim.SGD}",
    )
    project.config.write_text(CONFIG.replace("lit.Lit", "own.net"))
    assert project.run("--json", *plain).json["suggested_lr"] == outcome.json["suggested_lr"]


def test_its_report_says_where_the_learning_rate_goes(project: Project) -> None:
    outcome = project.run()
    assert outcome.code == 0
    assert "set in configure_optimizers" in outcome.out


def test_the_data_may_be_a_data_module(project: Project) -> None:
    plain = project.run("--json").json
    project.config.write_text(CONFIG.replace("{dataset: {_target_: own.data}, batch_size: 64}", "lit.Data"))
    ran = project.run("--json").json
    assert ran["title"] == "Lit, SGD, batch 64, cpu"
    assert ran["sweeps"][0]["losses"][:20] == pytest.approx(plain["sweeps"][0]["losses"][:20])
    assert len(ran["probes"][0]["held_out"][0]) == 8  # the batches of val_dataloader
    outcome = project.run("data={_target_: lit.Data, loaders: 2}")
    assert (outcome.code, outcome.out) == (1, "")
    outcome.says("data: expected one loader from Data.train_dataloader, got 2; make one of them: ConcatDataset")


def test_the_config_of_a_lightning_cli_is_run(project: Project) -> None:
    project.config.write_text("""\
seed_everything: 0
trainer: {max_epochs: 60, accelerator: cpu, callbacks: null}
model: {class_path: lit.Lit, init_args: {momentum: 0.5}}
data: {class_path: lit.Data, init_args: {batch_size: 32}}
ckpt_path: null
sweep: {start_lr: 1e-5, num_iter: 60}
output: {plot: none}
""")
    outcome = project.run("--json")
    assert outcome.code == 0, outcome.err
    outcome.says("These keys of the config count only where others refer to them: ckpt_path")
    assert outcome.json["title"] == "Lit, SGD, batch 32, cpu"
    assert outcome.json["settings"]["train"]["steps"] == 120


def test_quiet_is_silent(project: Project) -> None:
    outcome = project.run("--quiet", "--format", "lr")
    assert (outcome.code, outcome.err) == (0, "")
    assert float(outcome.out) > 0


def test_an_optimizer_or_a_step_of_the_config_goes_first(project: Project) -> None:
    project.add("def step(model, batch): return model.layer(batch[0]).square().mean()")
    plain = project.run("--json").json
    adam = project.run("--json", "optimizer._target_=torch.optim.Adam").json
    step = project.run("--json", "step={_target_: own.step, _partial_: true}").json
    assert adam["title"] == "Lit, Adam, batch 64, cpu"
    losses = [record["sweeps"][0]["losses"] for record in (plain, adam, step)]
    assert losses[0][0] == losses[1][0] != losses[2][0]
    assert losses[0] != losses[1]


def test_a_function_may_return_one(project: Project) -> None:
    assert project.run("model._target_=lit.lit").code == 0


def test_a_function_that_returns_none_needs_an_optimizer(project: Project) -> None:
    outcome = project.run("model._target_=own.net", "loss={_target_: torch.nn.MSELoss}")
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("optimizer: expected a value, got none", "only a LightningModule")


def test_a_loss_beside_it_is_a_fault(project: Project) -> None:
    outcome = project.run("loss={_target_: torch.nn.MSELoss}")
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("loss: does nothing beside a LightningModule", "drop it")


def test_hooks_that_are_left_out_are_named_once(project: Project) -> None:
    outcome = project.run("model._target_=lit.Hooked", "--refine")
    assert outcome.code == 0
    assert outcome.err.count("trains with training_step alone, without on_train_batch_start.") == 1


def test_no_folder_is_made(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert project.run().code == 0
    assert list(tmp_path.iterdir()) == []


@each_package
def test_a_module_that_a_script_holds_is_left_as_it_was(package: ModuleType) -> None:
    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        loss = nn.functional.mse_loss(self.layer(batch[0]), batch[1])
        self.log("loss", loss)
        return loss

    model = make(package, attached=False, training_step=training_step)
    attributes, weight = list(vars(model)), model.layer.weight.clone()
    assert lrfind.find_lr(model, [(X, Y)], optimizer=model.configure_optimizers())
    assert list(vars(model)) == attributes
    assert model._trainer is None
    assert torch.equal(model.layer.weight, weight)
