from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import parts
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from lrfind.config.schema import Config
from lrfind.config.validate import check_targets
from lrfind.errors import ConfigError, DataError, MisfitError, Note, UserCodeError
from lrfind.observer import Observer
from lrfind.records.types import Group
from lrfind.training.device import find_device
from lrfind.training.minibatches import TensorBatches
from lrfind.training.step import Step
from lrfind.training.update import Recipe
from lrfind.workloads.from_config import build_model, build_workload

CPU = torch.device("cpu")
LAYER = {"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 1}


def config(**sections: Any) -> Config:
    document: dict[str, Any] = {
        "device": "cpu",
        "model": {"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 1},
        "data": data("tensors"),
        "loss": {"_target_": "torch.nn.MSELoss"},
        "optimizer": {"_target_": "torch.optim.SGD", "momentum": 0.9},
    }
    return Config.model_validate(document | sections)


def data(name: str, batch_size: int = 8, **more: Any) -> dict[str, Any]:
    keys = {key: more.pop(key) for key in ("shuffle", "num_workers") if key in more}
    return {"dataset": {"_target_": f"parts.{name}", **more}, "batch_size": batch_size, **keys}


def pass_over(config: Config) -> list[list[float]]:
    *_, batches = build_workload(config, "c.yaml").fresh()
    return [batch[0].flatten().tolist() for batch in batches]


def test_every_start_is_the_same_start() -> None:
    job = build_workload(config(model={"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 4}), "c.yaml")
    starts = []
    for _ in range(2):
        model, _, _, loader = job.fresh()
        batches = [batch[0].flatten().tolist() for batch in loader]
        starts.append((model.weight.tolist(), batches, torch.rand(1).item(), random.random(), np.random.rand()))
    assert starts[0] == starts[1]


def test_another_seed_is_another_start() -> None:
    assert pass_over(config(seed=1)) != pass_over(config(seed=2))


def test_batches_of_tensors_are_those_of_a_plain_data_set() -> None:
    assert pass_over(config()) == pass_over(config(data=data("Plain")))


def test_batches_are_those_of_a_plain_loader() -> None:
    samples = TensorDataset(torch.arange(40.0).reshape(-1, 1))
    order = RandomSampler(samples, generator=torch.Generator().manual_seed(0))
    plain = DataLoader(samples, batch_size=8, sampler=order, drop_last=True)
    assert pass_over(config()) == [batch[0].flatten().tolist() for batch in plain]


def test_data_in_order() -> None:
    assert pass_over(config(data=data("Plain", shuffle=False)))[0] == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_smaller_last_batch_is_dropped_unless_it_is_the_only_one() -> None:
    assert [len(batch) for batch in pass_over(config(data=data("tensors", batch_size=16)))] == [16, 16]
    assert [len(batch) for batch in pass_over(config(data=data("tensors", batch_size=64)))] == [40]


def test_an_iterable_data_set_is_batched_in_its_order() -> None:
    batches = pass_over(config(data=data("Stream", batch_size=16)))
    assert [len(batch) for batch in batches] == [16, 16]
    assert batches[0][:3] == [0, 1, 2]


@pytest.mark.parametrize("name", ["tensors", "Plain"])
def test_an_empty_data_set_is_named(name: str) -> None:
    with pytest.raises(DataError, match=r"data\.dataset: expected at least one sample, got an empty data set"):
        build_workload(config(data=data(name, count=0)), "c.yaml")


def test_what_is_no_data_set_is_named() -> None:
    with pytest.raises(UserCodeError, match=r"got object; for any other source of batches use data\.loader"):
        build_workload(config(data=data("no_dataset")), "c.yaml")


def test_a_loader_of_ones_own_is_taken_as_it_is() -> None:
    loader = {"_target_": "builtins.list", "_args_": [[1, 2, 3]]}
    assert build_workload(config(data={"loader": loader}), "c.yaml").fresh()[3] == [1, 2, 3]
    with pytest.raises(UserCodeError, match=r"data\.loader: expected an iterable of mini-batches, got int"):
        build_workload(config(data={"loader": {"_target_": "builtins.int"}}), "c.yaml")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("frozen", "expected at least one trainable parameter, got none"),
        ("no_module", r"model: expected a torch.nn.Module, got str"),
        ("raises", "model: building parts.raises failed: RuntimeError: out of luck"),
    ],
)
def test_a_model_that_cannot_be_trained(name: str, words: str) -> None:
    with pytest.raises(UserCodeError, match=words):
        build_workload(config(model={"_target_": f"parts.{name}"}), "c.yaml").fresh()


def test_the_users_own_frame_is_shown_when_building_raises() -> None:
    with pytest.raises(UserCodeError) as error:
        build_model(config(model={"_target_": "parts.raises"}), CPU)
    assert "parts.py" in error.value.user_traceback
    assert "hydra" not in error.value.user_traceback


def test_the_model_is_in_training_mode_and_its_trainable_parameters_are_optimized() -> None:
    model, optimizer, *_ = build_workload(config(model={"_target_": "parts.half_frozen"}), "c.yaml").fresh()
    assert model.training
    assert [id(parameter) for parameter in optimizer.param_groups[0]["params"]] == [
        id(parameter) for parameter in list(model.parameters())[2:]
    ]
    assert optimizer.param_groups[0]["momentum"] == 0.9


def step_of(of: Config) -> Step:
    return build_workload(of, "c.yaml").fresh()[2]


def test_parameters_of_the_loss_are_trained_in_a_group_that_can_be_named() -> None:
    node = {"_target_": "parts.WeightedLoss"}
    _, optimizer, step, _ = build_workload(config(loss=node), "c.yaml").fresh()
    assert [group["name"] for group in optimizer.param_groups] == ["default", "loss"]
    weight = optimizer.param_groups[1]["params"][0]
    step(nn.Identity(), (torch.ones(4, 1), torch.zeros(4, 1))).backward()
    assert weight.grad.item() == 1
    own = [{"match": r"^loss\.", "name": "scale", "lr_scale": 10}]
    named = build_workload(config(loss=node, param_groups=own), "c.yaml")
    named.fresh()
    assert [(group.name, group.lr_scale) for group in named.groups] == [("default", 1.0), ("scale", 10.0)]
    frozen = build_workload(config(loss=node, train={"freeze": [r"^loss\."]}), "c.yaml")
    frozen.fresh()
    assert [group.name for group in frozen.groups] == ["default"]


def test_a_function_may_return_several_optimizers() -> None:
    workload = build_workload(config(optimizer={"_target_": "parts.two_optimizers"}), "c.yaml")
    workload.train((0.1, 0.1), Observer())
    assert [(group.name, group.lr_scale) for group in workload.groups] == [("SGD", 1.0), ("Adam", pytest.approx(0.1))]
    twice = {"_target_": "parts.two_optimizers", "shared": True}
    with pytest.raises(UserCodeError, match="optimizer: expected each parameter in one optimizer alone"):
        build_workload(config(optimizer=twice), "c.yaml").fresh()


def test_a_loss_whose_parameters_the_optimizer_function_does_not_take_is_named() -> None:
    notes: list[Note] = []
    of_model = {"_target_": "parts.of_model"}
    build_workload(config(loss={"_target_": "parts.WeightedLoss"}, optimizer=of_model), "c.yaml").fresh(notes.append)
    assert any("not trained: loss.weight" in str(note) for note in notes)


def test_the_loss_is_called_on_output_and_target() -> None:
    step = step_of(config())
    batch = (torch.ones(4, 1), torch.full((4, 1), 3.0))
    assert step(nn.Identity(), batch).item() == 4


def test_a_loss_may_be_a_function() -> None:
    node = {"_target_": "torch.nn.functional.mse_loss", "_partial_": True}
    assert step_of(config(loss=node))(nn.Identity(), (torch.ones(1), torch.zeros(1))).item() == 1
    with pytest.raises(UserCodeError, match=r"step: expected something to call, got dict.* add _partial_: true"):
        step_of(config(step={"_target_": "builtins.dict"}))


def test_a_step_of_ones_own_takes_its_arguments_from_the_config() -> None:
    node = {"_target_": "parts.my_step", "_partial_": True, "scale": 2.0}
    assert step_of(config(step=node))(nn.Identity(), [torch.ones(3)]).item() == 6


def test_every_training_starts_with_what_a_step_holds_around_it() -> None:
    workload = build_workload(config(step={"_target_": "parts.counting_step", "_partial_": True}), "c.yaml")
    for _ in range(3):
        step = workload.fresh()[2]
        assert [step(nn.Identity(), [torch.ones(3)]).item() for _ in range(2)] == [3, 6]


def test_a_device_that_is_absent_is_named() -> None:
    assert find_device("cpu") == torch.device("cpu")
    with pytest.raises(MisfitError, match=r"device: expected cuda:99, got these accelerators: .*; use auto"):
        find_device("cuda:99")


@pytest.mark.parametrize("name", ["tensors", "Plain"])
def test_workers_see_the_same_data_in_every_sweep(name: str) -> None:
    job = build_workload(config(data=data(name, num_workers=1)), "c.yaml")
    sweeps = [[batch[0].flatten().tolist() for batch in job.fresh()[3]] for _ in range(2)]
    job.close()
    assert sweeps[0] == sweeps[1] == pass_over(config(data=data(name)))


def test_samples_in_memory_are_taken_a_batch_at_a_time() -> None:
    assert isinstance(build_workload(config(), "c.yaml").fresh()[3], TensorBatches)


def test_an_optimizer_node_of_a_hydra_project_may_say_partial() -> None:
    node = {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.1}
    _, optimizer, *_ = build_workload(config(optimizer=node), "c.yaml").fresh()
    assert isinstance(optimizer, torch.optim.SGD)


def test_an_optimizer_that_takes_no_learning_rate_gets_none() -> None:
    _, optimizer, *_ = build_workload(config(optimizer={"_target_": "parts.fixed"}), "c.yaml").fresh()
    assert optimizer.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("name", ["tensors", "Plain", "Stream"])
def test_samples_are_put_together_as_the_config_says(name: str) -> None:
    node = {"_target_": "parts.longest_first", "_partial_": True, "key": 1}
    settings = {**data(name), "collate_fn": node}
    (*_, batches) = build_workload(config(data=settings), "c.yaml").fresh()
    first = next(iter(batches))
    assert [sample.tolist() for sample in first] == [[0.0]] * 8


def drawn(**settings: Any) -> list[list[float]]:
    """Return the samples of each batch of a pass."""
    return pass_over(config(data=settings))


def test_the_last_batch_is_kept_if_the_config_says_so() -> None:
    for name in ("tensors", "Plain", "Stream"):
        sizes = [len(batch) for batch in drawn(**data(name) | {"batch_size": 16, "drop_last": False})]
        assert sizes == [16, 16, 8], name
    job = build_workload(config(data=data("Plain") | {"batch_size": 16, "drop_last": False}), "c.yaml")
    assert job.epoch_batches == 3


WEIGHTED = {
    "_target_": "torch.utils.data.WeightedRandomSampler",
    "weights": [1.0] + [0.0] * 39,
    "num_samples": 12,
}


def test_a_sampler_draws_the_samples() -> None:
    assert drawn(**data("tensors"), sampler=WEIGHTED) == [[0.0] * 8]
    some = drawn(**data("tensors"), sampler={"_target_": "torch.utils.data.RandomSampler", "num_samples": 8})
    assert len(set(some[0])) == 8
    assert some == drawn(**data("tensors"), sampler={"_target_": "torch.utils.data.RandomSampler", "num_samples": 8})
    assert drawn(**data("Plain"), sampler="torch.utils.data.SequentialSampler")[1] == [*map(float, range(8, 16))]


def test_a_batch_sampler_draws_the_batches() -> None:
    inner = {"_target_": "torch.utils.data.SequentialSampler"}
    sampler = {"_target_": "torch.utils.data.BatchSampler", "sampler": inner, "batch_size": 16, "drop_last": False}
    dataset = {"_target_": "parts.Plain"}
    assert [batch[0] for batch in drawn(dataset=dataset, batch_sampler=sampler)] == [0, 16, 32]
    job = build_workload(config(data={"dataset": dataset, "batch_sampler": sampler}), "c.yaml")
    job.fresh()
    assert job.title == "Linear, SGD, batch 16, cpu"
    assert job.epoch_batches == 3
    assert job.held_out == ()


def test_samples_are_held_out_of_no_sampler_of_the_users_own() -> None:
    assert build_workload(config(data=data("tensors")), "c.yaml").held_out
    assert not build_workload(config(data=data("tensors") | {"sampler": WEIGHTED}), "c.yaml").held_out


@pytest.mark.slow
def test_the_dataloader_is_set_up_as_the_config_says() -> None:
    workers = {"num_workers": 2, "prefetch_factor": 3, "persistent_workers": False, "pin_memory": False}
    settings = data("Plain") | workers | {"worker_init_fn": "parts.seed_worker"}
    settings = check_targets(config(data=settings), "c.yaml").data.model_dump(exclude_unset=True)
    loader: Any = build_workload(config(data=settings), "c.yaml").fresh()[3]
    assert (loader.num_workers, loader.prefetch_factor, loader.persistent_workers) == (2, 3, False)
    assert loader.worker_init_fn.func.__name__ == "seed_worker"


def test_objects_that_are_there_already_are_used_as_they_are() -> None:
    job = build_workload(config(data={"loader": {"_target_": "parts.loader"}}), "c.yaml")
    assert job.fresh()[3] is parts.loader
    assert job.title == "Linear, SGD, batch 10, cpu"
    dataset = {"_target_": "parts.Transformed", "transform": {"_target_": "parts.negative"}}
    assert min(drawn(dataset=dataset, batch_size=40)[0]) == -39


def test_a_model_that_is_there_already_is_trained_from_its_start_each_time() -> None:
    job = build_workload(config(model={"_target_": "parts.network"}), "c.yaml")
    start = parts.network.weight.item()
    for _ in range(2):
        model, *_ = job.fresh()
        assert model.weight.item() == start
        model.weight.data += 1
    assert parts.network.weight.item() == start


def test_the_title_names_the_classes_that_were_made() -> None:
    for model, name in (("parts.fixed_net", "Linear"), ("parts.half_frozen", "half_frozen")):  # a chain says too little
        job = build_workload(config(model={"_target_": model}, optimizer={"_target_": "parts.fixed"}), "c.yaml")
        job.fresh()
        assert job.title == f"{name}, SGD, batch 8, cpu"


def test_a_collate_fn_is_something_to_call() -> None:
    settings = {**data("tensors"), "collate_fn": {"_target_": "parts.no_module"}}
    with pytest.raises(UserCodeError, match=r"data\.collate_fn: expected something to call, got str"):
        build_workload(config(data=settings), "c.yaml").fresh()


def test_the_recipe_is_that_of_the_config() -> None:
    train = {"accumulate": 3, "clip_grad_norm": 0.5}
    assert build_workload(config(train=train, precision="bf16"), "c.yaml").recipe == Recipe("bf16", 3, 0.5, None)
    assert build_workload(config(), "c.yaml").recipe == Recipe()


def test_every_start_is_that_of_the_checkpoint(tmp_path: Path) -> None:
    trained = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.5, momentum=0.9)
    trained(torch.ones(1, 1)).backward()
    optimizer.step()
    torch.save({"model": trained.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "c.pt")
    train = {"checkpoint": str(tmp_path / "c.pt"), "optimizer_state": True}
    job = build_workload(config(train=train), "c.yaml")
    (tmp_path / "c.pt").unlink()  # it is read once
    for _ in range(2):
        model, resumed, *_ = job.fresh()
        assert torch.equal(model.weight, trained.weight)
        assert resumed.state[model.weight]["momentum_buffer"] == 1
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        resumed.step()


def test_frozen_layers_are_kept_from_the_optimizer() -> None:
    node = {"_target_": "torch.nn.Sequential", "_args_": [LAYER, LAYER]}
    model, optimizer, *_ = build_workload(config(model=node, train={"freeze": [r"^0\."]}), "c.yaml").fresh()
    assert [parameter.requires_grad for parameter in model.parameters()] == [False, False, True, True]
    assert len(optimizer.param_groups[0]["params"]) == 2


def test_groups_of_the_config_reach_the_optimizer() -> None:
    node = {"_target_": "torch.optim.SGD", "lr": 0.2, "momentum": 0.9}
    groups = [{"match": "bias", "lr": 0.1, "momentum": 0.5, "name": "b"}, {"match": "weight", "lr_scale": 0.25}]
    job = build_workload(config(optimizer=node, param_groups=groups), "c.yaml")
    assert job.groups == ()
    _, optimizer, *_ = job.fresh()
    assert [group["momentum"] for group in optimizer.param_groups] == [0.5, 0.9]
    assert job.groups == (Group("b", 0.5, None), Group("weight", 0.25, None))


def test_what_the_user_should_know_is_told_once_in_a_run() -> None:
    told: list[Note] = []
    job = build_workload(config(scheduler={"_target_": "a.b"}), "c.yaml")
    for _ in range(2):
        job.fresh(told.append)
    assert list(map(str, told)) == ["The scheduler is ignored: a sweep sets the learning rate of every step itself."]


def test_a_schedule_free_optimizer_is_put_in_its_training_mode() -> None:
    _, optimizer, *_ = build_workload(config(optimizer={"_target_": "parts.ScheduleFree"}), "c.yaml").fresh()
    assert optimizer.trains  # type: ignore[attr-defined]


def test_compiled_and_channels_last() -> None:
    node = {"_target_": "torch.nn.Conv2d", "in_channels": 3, "out_channels": 4, "kernel_size": 3}
    model, *_ = build_workload(config(model=node, compile=True, channels_last=True), "c.yaml").fresh()
    assert model.weight.is_contiguous(memory_format=torch.channels_last)
    assert model._compiled_call_impl is not None
    assert list(model.state_dict()) == ["weight", "bias"]


def test_a_precision_that_the_device_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.amp, "is_autocast_available", lambda device: False)
    with pytest.raises(ConfigError, match=r"c\.yaml: precision: expected fp32, as PyTorch has no autocast for cpu"):
        build_workload(config(precision="bf16"), "c.yaml")


def test_tf32_is_set_for_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool | None] = []
    monkeypatch.setattr("lrfind.workloads.from_config.allow_tf32", told.append)
    build_workload(config(tf32=True), "c.yaml")
    assert told == [True]


def test_workers_are_started_as_the_config_says() -> None:
    workers = data("Plain", num_workers=1) | {"multiprocessing_context": "spawn"}
    loader: Any = build_workload(config(data=workers), "c.yaml").fresh()[3]
    assert loader.multiprocessing_context.get_start_method() == "spawn"
