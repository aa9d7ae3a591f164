"""Building and training what a config describes: device, data, model, loss, optimizer.

The model and the optimizer are built again, from the same seed, for every training. So each starts from the same
weights, without a copy in memory.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
import torch._dynamo  # the first step of any optimizer imports it, which would slow the sweep
from torch import nn

from lrfind.config.schema import Config
from lrfind.config.validate import NO_OPTIMIZER
from lrfind.errors import Fault, MisfitError, Note, UserCodeError, blamed_on, some, user_code
from lrfind.records.facts import LoopFacts
from lrfind.training.checkpoint import Checkpoint, read_checkpoint
from lrfind.training.data import only
from lrfind.training.device import find_device
from lrfind.training.distributed.launch import read_launch
from lrfind.training.distributed.process_group import join_process_group
from lrfind.training.groups import freeze, named_parameters
from lrfind.training.held_out import batches_at, check_validation, split, validation_batches
from lrfind.training.loader_state import end_workers
from lrfind.training.minibatches import Share, batch_size_of, length_of
from lrfind.training.optimizers import Optimizers
from lrfind.training.precision import allow_tf32, unsupported
from lrfind.training.rng import seed_everything
from lrfind.training.snapshot import Snapshot
from lrfind.training.step import DefaultStep, OnNote, Step
from lrfind.training.sweepable import why_not_swept
from lrfind.workloads import lightning_module
from lrfind.workloads.config_data import build_collate, build_loader, build_sampler, build_source
from lrfind.workloads.config_optimizer import argument_of, build_optimizer, takes_lr, trained
from lrfind.workloads.instantiate import called_later, instantiate
from lrfind.workloads.lightning_module import is_data_module, loaders_of
from lrfind.workloads.model_workload import Fresh, ModelWorkload
from lrfind.workloads.preflight import check_model, check_optimizer, combine


@dataclass(kw_only=True)
class ConfigWorkload(ModelWorkload):
    """What a config describes; every training builds its own model and optimizer.

    Attributes:
        config: The config, its targets checked.
        source: Name of the config, for error messages.
        data: The data set, or the user's own loader.
        validation: The data set or loader that no probe trains on, if there is one.
        checkpoint: The weights to start from, if there are any.
    """

    config: Config
    source: str
    data: Any
    validation: Any = None
    checkpoint: Checkpoint | None = None
    _collate_fn: Any = field(default=None, init=False)
    _made: tuple[str, str] | None = field(default=None, init=False)
    _batches: Any = field(default=None, init=False)
    _loop: LoopFacts = field(default_factory=LoopFacts, init=False)
    _own_step: Step | None = field(default=None, init=False)
    _around: Snapshot | None = field(default=None, init=False)

    @property
    def loop(self) -> LoopFacts:
        """What code that trains in the same way needs to know."""
        return replace(self._loop, loss=getattr(self._own_step, "code", ""))

    @property
    def names(self) -> tuple[str, str]:
        """The classes of model and optimizer, for titles; what makes them before any is built, and for a chain."""
        optimizer = self.config.optimizer
        return self._made or (_last_name(self.config.model), _last_name(optimizer) if optimizer else "own optimizer")

    @property
    def batch_size(self) -> int | None:
        """Samples in a mini-batch; None if the user's own loader or sampler does not tell."""
        return self.config.data.batch_size or batch_size_of(self.data if self._batches is None else self._batches)

    @property
    def epoch_batches(self) -> int | None:
        """Mini-batches of a pass over the data set, or over the share that the own loader of each process has."""
        settings = self.config.data
        sampler = build_sampler(settings, self.data)
        length, size = length_of(sampler if sampler is not None else self.data), settings.batch_size
        if length is None:
            return None
        if size is None:
            return length * (self.processes.launch.size if self.processes else 1)
        return max(1, length // size if settings.drop_last else math.ceil(length / size))

    @cached_property
    def held_out(self) -> Sequence[Any]:
        """Batches of `data.validation`, or of the data set itself."""
        settings, seed, collate = self.config.data, self.config.seed, self._collate_fn
        with user_code("loading held-out samples"):
            if self.validation is not None:
                size = None if settings.dataset is None else self.batch_size or 1
                return validation_batches(self.validation, size, seed, collate)
            return batches_at(self.data, self._split[1], settings.batch_size or 1, collate) if self._split else ()

    def fresh(self, on_note: OnNote = lambda note: None, *, hold_out: bool = False) -> Fresh:
        """Build what is trained. The user's own loader is kept: it continues as from epoch to epoch."""
        with blamed_on(self.source):
            return self._built(on_note, hold_out=hold_out)

    def _built(self, on_note: OnNote, *, hold_out: bool) -> Fresh:
        seed_everything(self.config.seed)
        if unused := self.config.unused:
            self.tell(
                Note("These keys of the config count only where others refer to them: ", literal=", ".join(unused)),
                on_note,
            )
        model = self._model(on_note)
        # Of a chain the function that made it says more; and FSDP is to make another class of the model.
        name = _last_name(self.config.model) if type(model) is nn.Sequential else type(model).__name__
        loss = called_later("loss", self.config.loss) if self.config.loss and not self.config.step else None
        self._train_only(model, loss)
        step_module = self.processes.prepare(model) if self.processes else None
        optimizer = self._optimizer(model, loss, on_note)
        self._made = name, type(optimizer).__name__
        self._own_step = step = self._step(model, loss, on_note)
        share = self.processes.share if self.processes else Share(world=self.world_size)
        source = self._not_held_out if hold_out else self.data
        self._collate_fn = build_collate(self.config.data, self.data, lambda note: self.tell(note, on_note))
        self._batches = batches = build_loader(self.config, source, self.device, share, self._collate_fn)
        if self.processes and step_module is not None:
            if self.config.parallel is None:
                text = f"{self.processes.launch.size} processes run, which train together by parallel=ddp."
                self.tell(Note(text), on_note)
            settings = self.config.data
            if own := [key for key in ("loader", "sampler", "batch_sampler") if getattr(settings, key) is not None]:
                text = f"Every process reads data.{own[0]}: let it give each its own share, by RANK."
                self.tell(Note(text), on_note)
            model, step = self.processes.join(step_module, step, self.config.seed)
        return model, optimizer, step, batches

    def close(self) -> None:
        """End the processes that load its mini-batches."""
        for loader in (self._batches, self.data):
            end_workers(loader)

    @cached_property
    def _split(self) -> tuple[Sequence[int], Sequence[int]] | None:
        settings, size = self.config.data, self.config.data.batch_size
        if size is None or self.validation is not None or settings.sampler is not None:
            return None  # a sampler of the user's own draws from all samples
        return split(self.data, size * self.config.train.accumulate * self.world_size, self.config.seed)

    @cached_property
    def _not_held_out(self) -> Any:
        return only(self.data, self._split[0]) if self._split else self.data

    def _model(self, on_note: OnNote) -> nn.Module:
        model = build_model(self.config, self.device)
        if self.checkpoint and (misfits := self.checkpoint.load_weights(model, strict=self.config.train.strict)):
            self.tell(Note("", literal=misfits), on_note)
        if self.config.compile:
            model.compile()
        return model

    def _train_only(self, model: nn.Module, loss: Any) -> None:
        """Freeze what the config freezes, and put the loss to where the model is."""
        freeze(named_parameters(model, loss), self.config.train.freeze)
        check_model(model)
        if isinstance(loss, nn.Module):
            loss.to(self.device)
        if self.processes and trained(loss):
            problem = "it has parameters of its own, which the processes would train apart"
            raise MisfitError(Fault("loss", problem=problem, fix="make it a part of the model"))

    def _optimizer(self, model: nn.Module, loss: Any, on_note: OnNote) -> torch.optim.Optimizer:
        if self.config.optimizer is None:
            optimizer = self._own_optimizer(model, on_note)
        else:
            optimizer = combine(build_optimizer(self.config, model, loss))
        check_optimizer(optimizer, model, loss)
        if fault := why_not_swept(optimizer):
            raise MisfitError(fault)
        self.take(optimizer, model, on_note, loss)
        self._loop = LoopFacts(
            trainer=lightning_module.trainer_of(model),
            optimizer_of=argument_of(self.config.optimizer) if self.config.optimizer else "",
            takes_lr=self.config.optimizer is None or takes_lr(self.config.optimizer),
            several=isinstance(optimizer, Optimizers),
            has_mode=callable(getattr(optimizer, "train", None)),
            loss_module="trained" if trained(loss) else "plain" if isinstance(loss, nn.Module) else "",
        )
        if self.config.scheduler is not None:
            self.tell(Note("The scheduler is ignored: a sweep sets the learning rate of every step itself."), on_note)
        if self.checkpoint and self.config.train.optimizer_state:
            if isinstance(optimizer, Optimizers):
                raise MisfitError(Fault("train.optimizer_state", problem="is that of one optimizer, not of several"))
            self.checkpoint.load_optimizer(optimizer)
        return optimizer

    def _own_optimizer(self, model: nn.Module, on_note: OnNote) -> torch.optim.Optimizer:
        if not lightning_module.is_lightning(model):
            raise MisfitError(NO_OPTIMIZER)
        optimizer, scheduler = lightning_module.own_optimizer(model)
        if scheduler:
            text = f"The {scheduler} of configure_optimizers is ignored: a sweep sets every learning rate itself."
            self.tell(Note(text), on_note)
        return optimizer

    def _step(self, model: nn.Module, loss: Any, on_note: OnNote) -> Step:
        if self.config.step is not None:
            step: Step = called_later("step", self.config.step)
            self._keep_around(step)
            return step
        if not lightning_module.is_lightning(model):
            self._keep_around(loss)
            return DefaultStep(loss, lambda note: self.tell(note, on_note))
        if self.config.loss is not None:
            problem = "does nothing beside a LightningModule, whose training_step computes its own"
            raise MisfitError(Fault("loss", problem=problem, fix="drop it"))
        if hooks := lightning_module.idle_hooks(model):
            self.tell(Note(f"The sweep trains with training_step alone, without {some(hooks)}."), on_note)
        return lightning_module.own_step(model)

    def _keep_around(self, function: Any) -> None:
        """Let every training start with what a step or a loss holds around it, such as a counter of its module."""
        if self._around is None:
            self._around = Snapshot(function)
        else:
            self._around.rewind()


def _last_name(node: dict[str, Any]) -> str:
    return str(node["_target_"]).rpartition(".")[2]


def build_workload(config: Config, source: str) -> ConfigWorkload:
    """Build the parts that all trainings share: the device, the data and the weights to start from.

    Raises:
        ConfigError: The device is absent or lacks the precision, or the checkpoint is unusable.
        DataError: The data set is empty.
        UserCodeError: A target raises, or returns an unusable value.
    """
    launch = read_launch(config.parallel, config.train.world_size, source)
    processes = None
    with blamed_on(source):
        device = find_device(config.device, launch)
        if fault := unsupported(config.precision, device):
            raise MisfitError(fault)
        allow_tf32(config.tf32)
        if launch:
            if config.parallel == "fsdp" and config.train.optimizer_state:
                problem = "cannot be read into shards"
                raise MisfitError(Fault("train.optimizer_state", problem=problem, fix="use parallel=ddp"))
            find_unused = config.train.find_unused_parameters
            processes = join_process_group(config.parallel or "ddp", launch, device, find_unused=find_unused)
    with processes.faults_settled() if processes else contextlib.nullcontext(), blamed_on(source):
        checkpoint = read_checkpoint(config.train.checkpoint) if config.train.checkpoint else None
        seed_everything(config.seed)
        with processes.in_turn(config.data.dataset) if processes else contextlib.nullcontext():
            data = build_source(config.data)
            data, held_out = loaders_of(data) if is_data_module(data) else (data, None)
            validation = instantiate("data.validation", config.data.validation) if config.data.validation else held_out
            check_validation(validation, None if config.data.dataset is None else 1)
    return ConfigWorkload(
        settings=config.settings,
        config=config,
        device=device,
        data=data,
        validation=validation,
        source=source,
        checkpoint=checkpoint,
        processes=processes,
    )


def build_model(config: Config, device: torch.device) -> nn.Module:
    """Return the model on `device`, in training mode."""
    model = instantiate("model", config.model)
    if not isinstance(model, nn.Module):
        raise UserCodeError(Fault("model", expected="a torch.nn.Module", got=type(model).__name__))
    if lightning_module.is_lightning(model):
        lightning_module.attach_trainer(model, config.sweep.num_iter)
    check_model(model)
    with user_code(f"moving the model to {device}"):
        model = model.to(device).train()
        # Convolutions compute in the layout of their weights, also if the images come in another one.
        return model.to(memory_format=torch.channels_last) if config.channels_last else model
