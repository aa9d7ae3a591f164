"""From the config to the objects that are trained: device, data, model, loss, optimizer.

The model and the optimizer are built anew, from the same seed, for every sweep. That gives each the same start
without a copy of the weights in memory.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import hydra.errors
import hydra.utils
import numpy as np
import torch
import torch._dynamo  # the first step of any optimizer imports it; here the wait is no part of the sweep
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    TensorDataset,
)

from lrfind.config.check import resolve, takes
from lrfind.config.schema import Config, DataConfig
from lrfind.errors import ConfigError, DataError, Fault, UserCodeError, user_code
from lrfind.training.fetch import TensorBatches
from lrfind.training.step import Step, default_step


@dataclass(frozen=True)
class Job:
    """What stays the same over all sweeps of a run.

    Attributes:
        source: The data set, or the user's own loader.
    """

    config: Config
    device: torch.device
    source: Any

    def fresh(self) -> tuple[nn.Module, torch.optim.Optimizer, Step, Iterable[Any]]:
        """Return the untrained model, its optimizer, the step and the batches, as at the start of a training.

        Every random generator is set to the seed. A loader of the user's own is not made again: it goes on as it
        does from one epoch to the next.
        """
        seed_everything(self.config.seed)
        model = build_model(self.config, self.device)
        optimizer = build_optimizer(self.config, model)
        step = build_step(self.config, self.device)
        return model, optimizer, step, build_loader(self.config, self.source, self.device)


def build_job(config: Config, source: str) -> Job:
    """Build what all sweeps share: the device and the data.

    Raises:
        ConfigError: The device that is asked for is absent.
        DataError: The data set is empty.
        UserCodeError: A target raises, or returns what cannot be used.
    """
    device = find_device(config.device, source)
    seed_everything(config.seed)
    return Job(config, device, build_source(config.data))


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's random generators."""
    random.seed(seed)
    np.random.seed(seed)  # the global generator is the one that transforms draw from
    torch.manual_seed(seed)


def find_device(name: str, source: str) -> torch.device:
    """Return the device of that name; `auto` is the accelerator if there is one, else the CPU."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if name == "auto":
        return accelerator or torch.device("cpu")
    device = torch.device(name)
    if device.type == "cpu":
        return device
    count = torch.accelerator.device_count() if accelerator and accelerator.type == device.type else 0
    if (device.index or 0) >= count:
        have = f"{accelerator.type} ({torch.accelerator.device_count()})" if accelerator else "none, only the CPU"
        raise ConfigError(
            source, [Fault("device", f"expected {name}, but the accelerators here are: {have}; use auto")]
        )
    return device


def build_source(config: DataConfig) -> Any:
    """Return the user's own loader, or the data set."""
    if config.loader is not None:
        loader = _instantiate("data.loader", config.loader)
        if not isinstance(loader, Iterable):
            raise UserCodeError(f"data.loader: expected an iterable of mini-batches, got {type(loader).__name__}")
        return loader
    assert config.dataset is not None  # what DataConfig checks
    dataset = _instantiate("data.dataset", config.dataset)
    if not isinstance(dataset, IterableDataset):
        _check_size(dataset)
    return dataset


def build_loader(config: Config, source: Any, device: torch.device) -> Iterable[Any]:
    """Return the user's own loader as it is, or the batches of a data set in an order that the seed decides."""
    settings = config.data
    if settings.loader is not None or settings.batch_size is None:
        loader: Iterable[Any] = source
        return loader
    generator = torch.Generator().manual_seed(config.seed)
    common: dict[str, Any] = {
        "num_workers": settings.num_workers,
        "persistent_workers": settings.num_workers > 0,
        "pin_memory": device.type == "cuda",
        "generator": torch.Generator().manual_seed(config.seed),  # seeds the workers
        "collate_fn": _called_later("data.collate_fn", settings.collate_fn) if settings.collate_fn else None,
    }
    # A last batch of fewer samples has another noise than the rest, and BatchNorm fails on a single one.
    if isinstance(source, IterableDataset):
        return DataLoader(source, settings.batch_size, drop_last=True, **common)
    drop_last = len(source) >= settings.batch_size
    stacked = type(source) is TensorDataset and settings.collate_fn is None
    if stacked and device.type == "cpu" and settings.shuffle and not settings.num_workers:
        return TensorBatches(source.tensors, settings.batch_size, generator, drop_last=drop_last)
    sampler: Sampler[int] = (
        RandomSampler(source, generator=generator) if settings.shuffle else SequentialSampler(source)
    )
    return DataLoader(source, batch_sampler=BatchSampler(sampler, settings.batch_size, drop_last), **common)


def _check_size(dataset: Any) -> None:
    try:
        size = len(dataset)
    except TypeError as error:
        raise UserCodeError(
            f"data.dataset: expected a map-style data set with a length, or a torch IterableDataset, "
            f"got {type(dataset).__name__}; for any other source of batches use data.loader"
        ) from error
    if size == 0:
        raise DataError("data.dataset: expected at least one sample, got an empty data set")


def build_model(config: Config, device: torch.device) -> nn.Module:
    """Return the model on `device`, in training mode."""
    model = _instantiate("model", config.model)
    if not isinstance(model, nn.Module):
        raise UserCodeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UserCodeError("model: expected at least one trainable parameter, got none; are all layers frozen?")
    with user_code(f"moving the model to {device}"):
        return model.to(device).train()


def build_optimizer(config: Config, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer over the trainable parameters of `model`."""
    assert config.optimizer is not None  # what the check of the targets makes sure of
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    node = {key: value for key, value in config.optimizer.items() if key != "_partial_"}  # Hydra projects have it
    if takes(resolve(node["_target_"], "optimizer"), "lr"):
        node.setdefault("lr", config.sweep.start_lr)  # the sweep sets it anyway, but some insist on one
    optimizer = _instantiate("optimizer", node, trainable)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise UserCodeError(f"optimizer: expected a torch.optim.Optimizer, got {type(optimizer).__name__}")
    return optimizer


def build_step(config: Config, device: torch.device) -> Step:
    """Return the user's own step, or the default one around the loss."""
    if config.step is not None:
        step: Step = _called_later("step", config.step)
        return step
    loss = _called_later("loss", config.loss) if config.loss is not None else None
    return default_step(loss.to(device) if isinstance(loss, nn.Module) else loss)


def _called_later(key: str, node: dict[str, Any]) -> Any:
    built = _instantiate(key, node)
    if not callable(built):
        raise UserCodeError(
            f"{key}: expected something to call, got {type(built).__name__}; "
            f"for a function {node['_target_']} add _partial_: true"
        )
    return built


def _instantiate(key: str, node: dict[str, Any], *arguments: Any) -> Any:
    with user_code(f"{key}: building {node['_target_']}"):
        try:
            return hydra.utils.instantiate({"_convert_": "all", **node}, *arguments)
        except hydra.errors.InstantiationException as error:
            raise error.__cause__ or error  # noqa: B904 - Hydra's wrapper only repeats what the user's code said
