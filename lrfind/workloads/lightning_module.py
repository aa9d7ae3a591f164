"""A LightningModule: trained by its own `training_step` and `configure_optimizers`, in the loop of the sweep.

Nothing here imports Lightning: a model can be a LightningModule only once the package that it comes from is loaded.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from lrfind.errors import Fault, UserCodeError, user_code
from lrfind.training.batch import describe
from lrfind.training.step import Step
from lrfind.workloads.preflight import combine

PACKAGES = ("lightning.pytorch", "pytorch_lightning")
"""The same code under two names; a module of one is no module of the other."""
HOOKS = (
    "setup",
    "on_fit_start",
    "on_train_start",
    "on_train_epoch_start",
    "on_train_batch_start",
    "on_before_batch_transfer",
    "transfer_batch_to_device",
    "on_before_backward",
    "backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "configure_gradient_clipping",
    "optimizer_step",
    "optimizer_zero_grad",
    "on_before_zero_grad",
    "on_train_batch_end",
)
"""Methods of a LightningModule that a Trainer would call around a training step, and the sweep does not."""


def is_lightning(model: nn.Module) -> bool:
    """Tell whether `model` is a LightningModule."""
    return package_of(model) is not None


def trainer_of(model: nn.Module) -> str:
    """Return the package whose Trainer trains `model`; empty if it is no LightningModule."""
    package = package_of(model)
    return package.__name__ if package else ""


def is_data_module(data: Any) -> bool:
    """Tell whether `data` is a LightningDataModule."""
    return all(callable(getattr(data, name, None)) for name in ("prepare_data", "setup", "train_dataloader"))


def loaders_of(data: Any) -> tuple[Any, Any]:
    """Return the train loader of a LightningDataModule, and its validation loader, None unless there is just one.

    Raises:
        UserCodeError: It has several train loaders.
    """
    name = type(data).__name__
    with user_code(f"setting up {name}", key="data"), hushed():
        data.prepare_data()
        data.setup("fit")
        train = data.train_dataloader()
        held_out = data.val_dataloader() if _overrides(data, "val_dataloader", "LightningDataModule") else None
    if isinstance(train, (list, tuple, dict)):
        expected, got = f"one loader from {name}.train_dataloader", f"{len(train)}"
        raise UserCodeError(Fault("data", expected=expected, got=got, fix="make one of them: ConcatDataset"))
    if isinstance(held_out, (list, tuple)) and len(held_out) == 1:
        held_out = held_out[0]
    return train, None if isinstance(held_out, (list, tuple, dict)) else held_out


def attach_trainer(model: Any, steps: int) -> None:
    """Give a LightningModule what its methods ask for in a training, and have it make its layers if it has not yet.

    The Trainer is a real one, set up for a trial run of `steps` steps: it knows lengths, epochs and ranks, and its
    logger drops everything. It runs no loop, so `log` does nothing.
    """
    package = package_of(model)
    environment = _part(package, "plugins.environments").LightningEnvironment()  # or it asks Slurm for its tasks
    with hushed(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as that there is a GPU as well
        model.trainer = package.Trainer(
            fast_dev_run=steps,
            accelerator="cpu",  # of no effect, as it moves nothing
            devices=1,
            logger=_part(package, "loggers.logger").DummyLogger(),
            enable_progress_bar=False,
            enable_model_summary=False,
            plugins=[environment],
        )
    model.trainer.training = True
    for module in modules_of(model):
        module.log = log_nothing
    with user_code(f"{type(model).__name__}.configure_model", key="model"):
        model.configure_model()


def modules_of(model: Any) -> list[Any]:
    """Return the LightningModules in a LightningModule, itself among them."""
    return [module for module in model.modules() if isinstance(module, package_of(model).LightningModule)]


def idle_hooks(model: nn.Module) -> list[str]:
    """Return the names of the hooks that a LightningModule overrides and the sweep does not run."""
    return [name for name in HOOKS if _overrides(model, name)]


def own_step(model: Any, *, transferred: bool = False) -> Step:
    """Return the step that is the `training_step` of a LightningModule.

    Args:
        model: The LightningModule.
        transferred: Whether its batches have been through `on_after_batch_transfer` already.

    Raises:
        UserCodeError: It does not return its loss to be trained on, but trains by itself.
    """
    name = type(model).__name__
    if not model.automatic_optimization:
        got = f"{name}, which sets automatic_optimization to False and updates its weights within training_step"
        fix = "sweep the script that trains it, which may do so: lrfind run train.py; or for one loss $own_step"
        raise UserCodeError(Fault("model", expected="automatic optimization", got=got, fix=fix))
    with_index = _takes_index(model)
    transfers = not transferred and _overrides(model, "on_after_batch_transfer")
    transfer = model.on_after_batch_transfer if transfers else None
    counter = count()

    def step(model: Any, batch: Any) -> Tensor | None:
        index = next(counter)
        if transfer is not None:
            batch = transfer(batch, 0)
        output = model.training_step(batch, index) if with_index else model.training_step(batch)
        if output is None:
            return None
        loss = output.get("loss") if isinstance(output, Mapping) else output
        if not isinstance(loss, Tensor):
            expected = f"{name}.training_step to return the loss, or a dict with it under loss"
            raise UserCodeError(Fault("model", expected=expected, got=describe(output)))
        return loss

    return step


def own_optimizer(model: Any) -> tuple[Optimizer, str | None]:
    """Return the optimizer of a LightningModule's `configure_optimizers`, and the class of its scheduler, if any.

    Several optimizers are one that has all their groups.

    Raises:
        UserCodeError: It returns no optimizer.
    """
    name = type(model).__name__
    with user_code(f"{name}.configure_optimizers", key="model"), hushed():
        optimizers, schedulers = _configured(model.configure_optimizers())
    if not optimizers or not all(isinstance(each, Optimizer) for each in optimizers):
        got = f"{len(optimizers)} ({', '.join(type(optimizer).__name__ for optimizer in optimizers)})"
        expected, fix = f"{name}.configure_optimizers to return optimizers", "set optimizer in the config"
        raise UserCodeError(Fault("model", expected=expected, got=got, fix=fix))
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        if "initial_lr" in group:  # a scheduler set its first learning rate already, which may be 0
            group["lr"] = group.pop("initial_lr")
    model.trainer.optimizers = optimizers  # for self.optimizers()
    return combine(optimizers), type(schedulers[0]).__name__ if schedulers else None


def _configured(returned: Any) -> tuple[list[Any], list[Any]]:
    """Return the optimizers and the schedulers in what `configure_optimizers` returned, in any documented form."""
    if isinstance(returned, Mapping):
        optimizers, schedulers = [returned.get("optimizer")], [returned.get("lr_scheduler")]
    elif not isinstance(returned, (list, tuple)):
        optimizers, schedulers = [returned], []
    elif len(returned) == 2 and isinstance(returned[0], (list, tuple)):
        optimizers, schedulers = returned
        schedulers = schedulers if isinstance(schedulers, (list, tuple)) else [schedulers]
    else:
        parts = [_configured(part) for part in returned]
        optimizers = [one for part, _ in parts for one in part]
        schedulers = [one for _, part in parts for one in part]
    schedulers = [one.get("scheduler") if isinstance(one, Mapping) else one for one in schedulers if one is not None]
    return list(optimizers), schedulers


def _takes_index(model: Any) -> bool:
    """Tell whether `training_step` takes (batch, batch_idx), and not the batch alone."""
    parameters = inspect.signature(model.training_step)
    if "dataloader_iter" in parameters.parameters:
        expected = f"{type(model).__name__}.training_step(batch, batch_idx)"
        got = "training_step(dataloader_iter), which fetches its batches itself"
        raise UserCodeError(Fault("model", expected=expected, got=got, fix="take the batch instead"))
    try:
        parameters.bind(None, None)
    except TypeError:
        return False
    return True


def _overrides(model: Any, name: str, kind: str = "LightningModule") -> bool:
    base = getattr(package_of(model, kind), kind, None)
    return getattr(type(model), name, None) is not getattr(base, name, None)


def package_of(model: Any, kind: str = "LightningModule") -> Any:
    """Return the package that a LightningModule, or another kind, comes from; None if `model` is none."""
    for name in PACKAGES:
        base = getattr(sys.modules.get(name), kind, None)
        if base is not None and isinstance(model, base):
            return sys.modules[name]
    return None


def _part(package: Any, name: str) -> Any:
    return importlib.import_module(f"{package.__name__}.{name}")


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Hide the messages of a Trainer about devices, tips and data."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


def log_nothing(*arguments: Any, **options: Any) -> None:
    """Stand in for `LightningModule.log`."""
