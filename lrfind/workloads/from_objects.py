"""A model, an optimizer and a loader that a script holds, swept as they stand and put back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch._dynamo  # as in `build`
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.parameter import is_lazy

from lrfind.errors import LrfindError, some
from lrfind.training.batch import describe
from lrfind.training.precision import problem_with
from lrfind.training.rng import Reader, keep_chance, seed_for
from lrfind.training.snapshot import Snapshot
from lrfind.training.step import Loss, OnNote, Step, default_step
from lrfind.training.update import Recipe
from lrfind.workloads import lightning_module as lightning
from lrfind.workloads.preflight import check_model, no_sweep, not_of
from lrfind.workloads.workload import Job

WAY_OUT = (
    "sweep before the model is wrapped, in one process (world_size=N makes its updates from as many mini-batches as N "
    "processes would), or with all of them: torchrun --nproc-per-node N -m lrfind run CONFIG"
)


@dataclass(kw_only=True)
class LiveJob(Job):
    """The job of objects that are there: every sweep starts from the state that they are in as the job is made.

    Attributes:
        model: In training or evaluation mode.
        loader: Any iterable of mini-batches.
        loss_fn: loss_fn(output, target); None where the model computes its own loss, or `step` does.
        optimizer: Of the parameters of `model`.
        step: step(model, batch) -> loss, instead of the default step around `loss_fn`.
        scaler: The GradScaler of the training, whose scale an fp16 sweep starts with; it is not used itself.
    """

    model: nn.Module
    loader: Iterable[Any]
    loss_fn: Loss | None
    optimizer: torch.optim.Optimizer
    step: Step | None = None
    scaler: torch.amp.GradScaler | None = None
    _snapshot: Snapshot = field(init=False)
    _reader: Reader = field(init=False)
    _passes: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._snapshot = Snapshot(self.model, self.optimizer, self.loss_fn, self.step, self.scaler)
        self._reader = Reader(self.loader)

    @property
    def recipe(self) -> Recipe:
        """How mini-batches become updates."""
        return replace(super().recipe, scaler=self.scaler.state_dict() if self.scaler else None)

    @contextlib.contextmanager
    def everything_restored(self) -> Iterator[None]:
        """Put all objects and random generators back at the end, however it ends."""
        put_back_chance = keep_chance()

        def put_back() -> None:
            self._snapshot.restore()
            self._reader.restore()
            put_back_chance()

        try:
            with torch.inference_mode(False), _autocast_off(self.device.type):  # the former turns gradients on, too
                yield
        finally:
            try:
                put_back()
            except KeyboardInterrupt:  # a second one: the training must not go on with half of it
                put_back()
                raise

    def fresh(
        self, on_note: OnNote = lambda note: None
    ) -> tuple[nn.Module, torch.optim.Optimizer, Step, Iterable[Any]]:
        """Put everything back to where the training stands. The batches of an iterator are handed out once."""
        self._snapshot.rewind()
        self._reader.rewind()
        seed_for(self.device, self.config.seed)
        self._passes += 1
        self.model.train()
        self.take(self.optimizer, self.model, on_note)
        read_before = isinstance(self.loader, Iterator) and self._passes > 1
        return self.model, self.optimizer, self._step(on_note), () if read_before else self.loader

    def _step(self, on_note: OnNote) -> Step:
        if self.step is not None:
            return self.step
        if self.loss_fn is None and lightning.is_lightning(self.model):
            lightning.attach_trainer(self.model, self.config.sweep.num_iter)
            return lightning.own_step(self.model)
        return default_step(self.loss_fn, lambda note: self.tell(note, on_note))


@contextlib.contextmanager
def _autocast_off(device_type: str) -> Iterator[None]:
    """Switch off the caller's autocast without entering another one.

    A context that is entered around several steps keeps the weights that any autocast within casts at the first.
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


def check_live(
    model: Any, loader: Any, loss_fn: Any, optimizer: Any, step: Any, device: Any, scaler: Any, precision: Any
) -> torch.device:
    """Check that the objects can be swept, and return the device to sweep on.

    Raises:
        LrfindError: One cannot; the message names the argument, what was expected, and the way out.
    """
    if not isinstance(model, nn.Module):
        raise LrfindError(f"model: expected a torch.nn.Module, got {_described(model)}")
    _check_alone(model)
    if lazy := [name for name, parameter in model.named_parameters() if is_lazy(parameter)]:
        raise LrfindError(f"model: expected parameters that hold values, got lazy ones: {some(lazy)}; call it once")
    check_model(model)
    _check_optimizer(optimizer, model, loss_fn, step)
    _check_loader(loader)
    for name, value, form in (("loss_fn", loss_fn, "(output, target)"), ("step", step, "(model, batch)")):
        if value is not None and (not callable(value) or _is_module_class(value)):
            raise LrfindError(f"{name}: expected something to call as {name}{form}, got {_described(value)}")
    if loss_fn is not None and step is not None:
        raise LrfindError("loss_fn: does nothing beside step, which returns the loss; drop one of them")
    if isinstance(scaler, torch.amp.GradScaler) and scaler.is_enabled() and precision != "fp16":
        raise LrfindError(f"scaler: expected precision='fp16' beside it, got {precision!r}; or leave scaler out")
    if scaler is not None and not isinstance(scaler, torch.amp.GradScaler):
        raise LrfindError(f"scaler: expected a torch.amp.GradScaler, got {describe(scaler)}")
    found = _device(device, model)
    if problem := problem_with(precision, found):
        raise LrfindError(f"precision: {problem}")
    return found


def _described(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}; make one of it: {value.__name__}(...)"
    return describe(value)


def _is_module_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, nn.Module)


def _check_alone(model: nn.Module) -> None:
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        raise LrfindError(
            f"find_lr: expected one process, got one of {dist.get_world_size()} of torch.distributed, which would "
            f"have to agree on every step; {WAY_OUT}"
        )
    for module in model.modules():
        if isinstance(module, DistributedDataParallel) or "FullyShardedDataParallel" in _names(module):
            raise LrfindError(f"model: expected a plain module, got one in {type(module).__name__}; {WAY_OUT}")
        if "FSDPModule" in _names(module):
            raise LrfindError(f"model: expected whole parameters, got those that fully_shard has sharded; {WAY_OUT}")


def _names(module: nn.Module) -> set[str]:
    return {base.__name__ for base in type(module).__mro__}


def _check_optimizer(optimizer: Any, model: nn.Module, loss_fn: Any, step: Any) -> None:
    if not isinstance(optimizer, torch.optim.Optimizer):
        got = "none" if optimizer is None else _described(optimizer)
        raise LrfindError(f"optimizer: expected a torch.optim.Optimizer of the model's parameters, got {got}")
    own = [*model.parameters(), *(loss_fn.parameters() if isinstance(loss_fn, nn.Module) else ())]
    if step is None and (foreign := not_of(own, optimizer)):  # a step may well train more than the model
        raise LrfindError(
            f"optimizer: expected parameters of model and loss_fn alone, but it holds {foreign} that are not theirs; "
            "was it built for another model? With step= it may hold others"
        )
    if reason := no_sweep(optimizer):
        raise LrfindError(f"optimizer: {type(optimizer).__name__} {reason}")


def _check_loader(loader: Any) -> None:
    if isinstance(loader, Iterable):
        return
    way_out = (
        "torch.utils.data.DataLoader(dataset, batch_size=...) makes them" if hasattr(loader, "__getitem__") else ""
    )
    raise LrfindError(
        f"loader: expected an iterable of mini-batches, got {describe(loader)}" + (f"; {way_out}" if way_out else "")
    )


def _device(device: Any, model: nn.Module) -> torch.device:
    if device is None:
        return next(model.parameters()).device
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, TypeError, AssertionError) as error:  # the last where torch was built without it
        raise LrfindError(f"device: expected one that is here, such as 'cpu' or 'cuda:1', got {device!r}") from error
