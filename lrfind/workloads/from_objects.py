"""Training the model, the optimizer and the loader of a script from their current state, and restoring that state."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parameter import is_lazy

from lrfind.errors import Fault, Level, LrfindError, Note, some, user_code
from lrfind.records.facts import LoopFacts
from lrfind.settings import Precision
from lrfind.training.batch import describe
from lrfind.training.batch_form import Loss
from lrfind.training.held_out import DividedLoader, divided, first_batches
from lrfind.training.loader_state import LoaderState
from lrfind.training.minibatches import batch_size_of, length_of
from lrfind.training.optimizers import Optimizers, name_of
from lrfind.training.precision import unsupported
from lrfind.training.rng import keep_rng, seed_for
from lrfind.training.snapshot import Snapshot
from lrfind.training.step import DefaultStep, OnNote, Step
from lrfind.training.sweepable import why_not_swept
from lrfind.training.update import Recipe
from lrfind.workloads import lightning_module
from lrfind.workloads.model_workload import Fresh, ModelWorkload
from lrfind.workloads.preflight import check_model, foreign_parameters

ONE_PROCESS = (
    "sweep before the model is wrapped, in one process (world_size=N makes its updates from as many mini-batches as N "
    "processes would), or with all of them: torchrun --nproc-per-node N -m lrfind run CONFIG"
)


@dataclass(frozen=True)
class Objects:
    """What a script trains.

    Attributes:
        model: In training or evaluation mode.
        loader: Any iterable of mini-batches.
        loss_fn: loss_fn(output, target); None if the model computes its own loss, or `step` does.
        optimizer: Of the parameters of `model`.
        step: step(model, batch) -> loss, instead of the default step around `loss_fn`.
        scaler: The GradScaler of the training, whose scale an fp16 sweep starts with; it is not used itself.
        val_loader: Mini-batches that are not trained on, if there are any.
        trainer: The package of the Trainer that trains them; empty if none does.
        restore: What else a training changes.
    """

    model: nn.Module
    loader: Iterable[Any]
    loss_fn: Loss | None
    optimizer: torch.optim.Optimizer
    step: Step | None = None
    scaler: torch.amp.GradScaler | None = None
    val_loader: Iterable[Any] | None = None
    trainer: str = ""
    restore: Sequence[Any] = ()


@dataclass(kw_only=True)
class ObjectsWorkload(ModelWorkload):
    """Objects as a workload: every training starts from their state at the creation of the workload.

    Attributes:
        objects: What is trained.
    """

    objects: Objects
    _snapshot: Snapshot = field(init=False)
    _loader_states: tuple[LoaderState, LoaderState] = field(init=False)
    _passes: int = field(default=0, init=False)
    _own_step: Step | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        own = self.objects
        self._snapshot = Snapshot(own.model, own.optimizer, own.loss_fn, own.step, own.scaler, whole=own.restore)
        self._loader_states = LoaderState(own.loader), LoaderState(own.val_loader)

    @property
    def loop(self) -> LoopFacts:
        """What code that trains in the same way needs to know."""
        trainer = self.objects.trainer or lightning_module.trainer_of(self.objects.model)
        several = isinstance(self.objects.optimizer, Optimizers)
        return LoopFacts(trainer, several=several, loss=getattr(self._own_step, "code", ""))

    @property
    def recipe(self) -> Recipe:
        """How mini-batches become updates."""
        scaler = self.objects.scaler
        return replace(super().recipe, scaler=scaler.state_dict() if scaler else None)

    @property
    def names(self) -> tuple[str, str]:
        """The names of model and optimizer, for titles."""
        return type(self.objects.model).__name__, name_of(self.objects.optimizer)

    @property
    def batch_size(self) -> int | None:
        """Samples in a mini-batch of a DataLoader; None if that is unknown, or with another loader."""
        return batch_size_of(self.objects.loader)

    @property
    def epoch_batches(self) -> int | None:
        """Mini-batches of a pass over the loader."""
        return length_of(self.objects.loader)

    @contextlib.contextmanager
    def everything_restored(self, on_note: OnNote = lambda note: None) -> Iterator[None]:
        """Restore all objects and random generators at the end, also after an exception; tell what cannot be."""
        put_back_rng = keep_rng()

        def put_back() -> None:
            if changed := self._snapshot.changed:
                text = "The search has changed what it cannot put back unless restore=[...] names it: "
                self.tell(Note(text, Level.WARNING, some(changed)), on_note)
            self._snapshot.restore()
            for state in self._loader_states:
                state.restore()
            put_back_rng()

        try:
            with torch.inference_mode(False), _autocast_off(self.device.type):  # the former turns gradients on, too
                yield
        finally:
            try:
                put_back()
            except KeyboardInterrupt:  # a second one: the training must not continue from a half-restored state
                put_back()
                raise

    @cached_property
    def held_out(self) -> Sequence[Any]:
        """The first batches of `val_loader`; without one, samples of the loader's own data set."""
        if self.objects.val_loader is not None:
            with user_code("loading a batch of val_loader"):
                return first_batches(self.objects.val_loader)
        with user_code("loading held-out samples"):
            return self._divided.batches() if self._divided else ()

    @cached_property
    def _divided(self) -> DividedLoader | None:
        if self.objects.val_loader is not None:
            return None
        return divided(self.objects.loader, self.recipe.accumulate, self.settings.seed)

    def fresh(self, on_note: OnNote = lambda note: None, *, hold_out: bool = False) -> Fresh:
        """Put everything back to the start. The batches of an iterator can be read only once."""
        self._snapshot.rewind()
        self._loader_states[0].rewind()
        seed_for(self.device, self.settings.seed)
        self._passes += 1
        model, loader, optimizer = self.objects.model, self.objects.loader, self.objects.optimizer
        if hold_out and self._divided:
            loader = self._divided.without_held_out(self.settings.seed)
        model.train()
        self.take(optimizer, model, on_note, self.objects.loss_fn)
        used_up = isinstance(loader, Iterator) and self._passes > 1
        self._own_step = self._step(on_note)
        return model, optimizer, self._own_step, () if used_up else loader

    def _step(self, on_note: OnNote) -> Step:
        own = self.objects
        if own.step is not None:
            return own.step
        if own.loss_fn is None and lightning_module.is_lightning(own.model):
            lightning_module.attach_trainer(own.model, self.settings.sweep.num_iter)
            return lightning_module.own_step(own.model)
        return DefaultStep(own.loss_fn, lambda note: self.tell(note, on_note))


@contextlib.contextmanager
def _autocast_off(device_type: str) -> Iterator[None]:
    """Switch off the caller's autocast without entering another one.

    Inside an autocast context around several steps, the weights that the first step casts stay cached.
    """
    if not torch.amp.is_autocast_available(device_type):
        yield
        return
    was_enabled = torch.is_autocast_enabled(device_type)
    torch.set_autocast_enabled(device_type, False)
    try:
        yield
    finally:
        torch.set_autocast_enabled(device_type, was_enabled)


def check_objects(objects: Objects, device: Any, precision: Precision) -> torch.device:
    """Check that objects can be swept, and return the device to sweep on.

    Raises:
        LrfindError: One cannot; the message names the argument, what was expected, and the way out.
    """
    _check_model(objects.model)
    _check_optimizer(objects)
    _check_loader("loader", objects.loader)
    if objects.val_loader is not None:
        _check_loader("val_loader", objects.val_loader)
    for name, value, form in (
        ("loss_fn", objects.loss_fn, "(output, target)"),
        ("step", objects.step, "(model, batch)"),
    ):
        is_module_class = isinstance(value, type) and issubclass(value, nn.Module)
        if value is not None and (not callable(value) or is_module_class):
            raise LrfindError(_unlike(name, f"something to call as {name}{form}", value))
    if objects.loss_fn is not None and objects.step is not None:
        raise LrfindError(Fault("loss_fn", problem="does nothing beside step, which returns the loss", fix="drop one"))
    _check_scaler(objects.scaler, precision)
    checked = _device(device, objects.model)
    if fault := unsupported(precision, checked):
        raise LrfindError(fault)
    return checked


def _check_model(model: Any) -> None:
    if not isinstance(model, nn.Module):
        raise LrfindError(_unlike("model", "a torch.nn.Module", model))
    _check_alone(model)
    if lazy := [name for name, parameter in model.named_parameters() if is_lazy(parameter)]:
        got = f"lazy ones: {some(lazy)}"
        raise LrfindError(Fault("model", expected="parameters that hold values", got=got, fix="call it once"))
    check_model(model)


def _check_scaler(scaler: Any, precision: Precision) -> None:
    if scaler is not None and not isinstance(scaler, torch.amp.GradScaler):
        raise LrfindError(Fault("scaler", expected="a torch.amp.GradScaler", got=describe(scaler)))
    if scaler is not None and scaler.is_enabled() and precision != "fp16":
        fix = "set it, or leave scaler out"
        raise LrfindError(Fault("scaler", expected="precision='fp16' beside it", got=repr(precision), fix=fix))


def _unlike(name: str, expected: str, value: Any) -> Fault:
    if isinstance(value, type):
        return Fault(name, expected=expected, got=f"the class {value.__name__}", fix=f"pass {value.__name__}(...)")
    return Fault(name, expected=expected, got="none" if value is None else describe(value))


def _check_alone(model: nn.Module) -> None:
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        got = f"one of {dist.get_world_size()} of torch.distributed, which would have to agree on every step"
        raise LrfindError(Fault("find_lr", expected="one process", got=got, fix=ONE_PROCESS))
    for module in model.modules():
        bases = {base.__name__ for base in type(module).__mro__}
        if bases & {"DistributedDataParallel", "FullyShardedDataParallel"}:
            got = f"one in {type(module).__name__}"
            raise LrfindError(Fault("model", expected="a plain module", got=got, fix=ONE_PROCESS))
        if "FSDPModule" in bases:
            got = "those that fully_shard has sharded"
            raise LrfindError(Fault("model", expected="whole parameters", got=got, fix=ONE_PROCESS))


def _check_optimizer(objects: Objects) -> None:
    optimizer, loss_fn = objects.optimizer, objects.loss_fn
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise LrfindError(_unlike("optimizer", "a torch.optim.Optimizer of the model's parameters", optimizer))
    own = [*objects.model.parameters(), *(loss_fn.parameters() if isinstance(loss_fn, nn.Module) else ())]
    if objects.step is None and (foreign := foreign_parameters(own, optimizer)):  # a step may train more than the model
        fix = "was it built for another model? With step= it may hold others"
        expected = "the parameters of model and loss_fn, and no others"
        raise LrfindError(Fault("optimizer", expected=expected, got=f"{foreign} others", fix=fix))
    if fault := why_not_swept(optimizer):
        raise LrfindError(fault)


def _check_loader(name: str, loader: Any) -> None:
    if not isinstance(loader, Iterable):
        fix = "torch.utils.data.DataLoader(dataset, batch_size=...) makes them" * hasattr(loader, "__getitem__")
        raise LrfindError(Fault(name, expected="an iterable of mini-batches", got=describe(loader), fix=fix))


def _device(device: Any, model: nn.Module) -> torch.device:
    if device is None:
        return next(model.parameters()).device
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, TypeError, AssertionError) as error:  # the last where torch was built without it
        expected = "one that is here, such as 'cpu' or 'cuda:1'"
        raise LrfindError(Fault("device", expected=expected, got=repr(device))) from error
