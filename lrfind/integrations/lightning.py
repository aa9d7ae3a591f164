"""The callback for Lightning's Trainer, of `lightning` and of `pytorch_lightning` alike."""

from __future__ import annotations

import contextlib
import importlib
import math
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from lrfind.answer import Answer
from lrfind.errors import UserCodeError
from lrfind.integrations.search import Search, Training, attributes_kept, renamed, without_autocast
from lrfind.training.step import Step
from lrfind.workloads.lightning_module import (
    PACKAGES,
    hushed,
    idle_hooks,
    log_nothing,
    modules_of,
    own_step,
    package_of,
)


def _packages() -> list[Any]:
    """Return the packages that a Trainer may come from: those that are imported, or else one that is installed."""
    names = [name for name in PACKAGES if name in sys.modules]
    names = names or [name for name in PACKAGES if find_spec(name.split(".")[0])][:1] or [PACKAGES[0]]
    return [importlib.import_module(name) for name in names]


if TYPE_CHECKING:
    from lightning.pytorch import Callback

    class _Base(Callback):
        pass
else:
    _Base = type("_Base", tuple(package.Callback for package in _packages()), {})

DONE_ALREADY = ("setup", "on_before_batch_transfer", "transfer_batch_to_device")
"""Hooks that have run before the search, or that run in it."""
PRECISIONS = {"16-mixed": "fp16", "bf16-mixed": "bf16"}
"""Other ones are in the weights, or in what the precision plugin does around a step."""


class FindLR(_Base):
    """Finds the learning rate as a `fit` begins, by `lrfind.find_lr`, and sets it.

    The search trains with the module's `training_step`, the optimizer and the train loader of the Trainer, in its
    precision, with its accumulation and clipping, for its length and schedule; then everything is as it was but the
    learning rate: of the optimizer, its schedulers, and `lr` or `learning_rate` of the module and its `hparams`, where
    that is what the optimizer was set up with.
    Nothing is logged meanwhile, no callback is called, and of the module's hooks those around a batch alone.

    If no learning rate can be trusted, or if the search cannot run, such as several processes,
    several optimizers or manual optimization, it stays as it is, with a warning that says why. A `fit` that resumes
    from a checkpoint, and `fast_dev_run`, are not searched; every other `fit` is, a second one of the same Trainer as
    well, as it gets an optimizer of its own.

    Args:
        strict: Whether to raise instead of warn.
        search: Arguments of `lrfind.find_lr`, such as `seed`, `num_iter`, `probes`, `schedule`, `progress`.
    """

    def __init__(self, *, strict: bool = False, **search: Any) -> None:
        self._search = Search(strict=strict, options=search, on_note=self._note, warn=self._warn)
        self._package = PACKAGES[0]

    @property
    def result(self) -> Answer | None:
        """The answer of the last search, also if it refuses; None before a search."""
        return self._search.result

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Search, unless no training follows or it goes on with one that has been."""
        self._package = package_of(pl_module).__name__
        if trainer.fast_dev_run:
            self._search.note("fast_dev_run is a trial, so no learning rate is searched")
            return
        if trainer.ckpt_path:
            self._search.note("the training resumes from a checkpoint, and so does its learning rate")
            return
        if reason := _hindrance(trainer, pl_module):
            self._search.refuse(reason)
            return
        trainer.fit_loop.setup_data()  # as `estimated_stepping_batches` does, too
        with hushed():  # it would say twice that there is nothing to train
            if trainer.fit_loop.skip:
                return
        self._find(trainer, pl_module)

    def _find(self, trainer: Any, module: Any) -> None:
        if isinstance(trainer.train_dataloader, (list, tuple, dict)):
            self._search.refuse("expected one train loader, got a collection of them; make one of them: ConcatDataset")
            return
        if hooks := [name for name in idle_hooks(module) if name not in DONE_ALREADY]:
            self._search.note(f"{type(module).__name__}.{', '.join(hooks)} not run in the search")
        try:
            own = own_step(module, transferred=True)
        except UserCodeError as error:
            self._search.refuse(str(error))
            return
        training = _training(trainer, module, own)
        before = training.peak_lr
        with _unobserved(trainer, module):
            lr = self._search.run(training)
        if lr is not None:
            for holder in (vars(module), module.hparams, getattr(module, "_hparams_initial", {})):
                renamed(holder, before, lr)  # the last is what the loggers are given

    def _note(self, note: str) -> None:
        sys.modules[self._package].utilities.rank_zero_info(note)

    def _warn(self, note: str) -> None:
        sys.modules[self._package].utilities.rank_zero_warn(note)


def _hindrance(trainer: Any, module: Any) -> str | None:
    """Return why the training cannot be searched, and the way out; None if it can."""
    kind = type(trainer.strategy).__name__
    if trainer.world_size > 1 or not isinstance(trainer.strategy, package_of(module).strategies.SingleDeviceStrategy):
        return (
            f"expected one process on one device, got {trainer.world_size} with {kind}; search once with "
            f"Trainer(devices=1, strategy='auto', accumulate_grad_batches={trainer.world_size}) and set what it finds"
        )
    if not module.automatic_optimization:
        return (
            f"expected automatic optimization, but {type(module).__name__} updates its weights within training_step; "
            "use lrfind.find_lr with a step of your own"
        )
    if len(trainer.optimizers) != 1:
        return (
            f"expected one optimizer, got {len(trainer.optimizers)}; use lrfind.find_lr for one after the other, "
            "with a step of your own"
        )
    return None


def _training(trainer: Any, module: Any, own: Step) -> Training:
    steps, plugin = trainer.estimated_stepping_batches, trainer.precision_plugin
    clip = "clip_grad_value" if trainer.gradient_clip_algorithm == "value" else "clip_grad_norm"
    settings = {
        "device": trainer.strategy.root_device,
        "precision": PRECISIONS.get(str(plugin.precision), "fp32"),
        "scaler": getattr(plugin, "scaler", None),
        "accumulate": trainer.accumulate_grad_batches,
        clip: trainer.gradient_clip_val or None,
        "train_steps": int(steps) if math.isfinite(steps) else None,
    }
    schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
    step = _step(trainer, module, own)
    return Training(module, trainer.train_dataloader, trainer.optimizers[0], step, schedulers, settings)


def _step(trainer: Any, module: Any, own: Step) -> Step:
    """Return the step of the training loop: the batch made ready, then `training_step` in the Trainer's precision."""
    modes = [(part, part.training) for part in module.modules()]  # the Trainer leaves frozen parts in evaluation mode
    plugin, device = trainer.precision_plugin, trainer.strategy.root_device

    def step(model: nn.Module, batch: Any) -> Tensor:
        for part, mode in modes:
            part.training = mode
        with without_autocast(device):
            batch = module._on_before_batch_transfer(plugin.convert_input(batch), dataloader_idx=0)
            batch = trainer.strategy.batch_to_device(batch, dataloader_idx=0)
            with plugin.train_step_context():
                return own(model, batch)

    return step


@contextlib.contextmanager
def _unobserved(trainer: Any, module: Any) -> Iterator[None]:
    """Keep what `training_step` logs, and what it sets on its Trainer, from the training."""
    modules = modules_of(module)
    with attributes_kept(trainer), contextlib.ExitStack() as stack:
        if trainer.loggers:
            trainer.loggers = [package_of(module).loggers.logger.DummyLogger()]
        for one in modules:
            stack.callback(_put_back_log, one, vars(one).get("log"))
            one.log = log_nothing
        yield


def _put_back_log(module: Any, log: Any) -> None:
    del module.log
    if log is not None:
        module.log = log
