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

from lrfind.errors import Level, UserCodeError
from lrfind.integrations.course import Clock
from lrfind.integrations.search import Search, Training, replace_lr, without_autocast
from lrfind.training.snapshot import attributes_kept
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
    from typing_extensions import Unpack

    from lrfind.integrations.search import SearchOptions

    class _Base(Callback):
        pass
else:
    _Base = type("_Base", tuple(package.Callback for package in _packages()), {})

DONE_ALREADY = ("setup", "on_before_batch_transfer", "transfer_batch_to_device")
"""Hooks that have run before the search, or run during it."""
PRECISIONS = {"16-mixed": "fp16", "bf16-mixed": "bf16"}
"""Other precisions are in the weights, or in the plugin's context around a step."""

_WAY_OUT = "search the script as it stands: lrfind run train.py"


class FindLR(Search, _Base):
    """Finds the learning rate when a `fit` begins, with `lrfind.find_lr`, and sets it.

    The search trains with the module's `training_step`, the optimizer and the train loader of the Trainer, in its
    precision, with its accumulation and clipping, for its length and schedule. Only the learning rate changes: that of
    the optimizer, of its schedulers, and `lr` or `learning_rate` of the module and its `hparams` if the optimizer was
    set up with it. The search logs nothing, calls no callback, and of the module's hooks only those around a batch.

    If no learning rate can be trusted, or if the search cannot run, such as with several processes, several optimizers
    or manual optimization, the learning rate stays and a warning says why. A `fit` that resumes from a checkpoint, or
    that is a `fast_dev_run`, is not searched. Every other `fit` is, also a second one of the same Trainer, which sets
    up a new optimizer.

    Args:
        strict: Whether to raise instead of warn.
        search: Arguments of `lrfind.find_lr`, such as `seed`, `num_iter`, `probes`, `schedule`, `progress`.
    """

    def __init__(self, *, strict: bool = False, **search: Unpack[SearchOptions]) -> None:
        super().__init__(strict=strict, options=search)
        self._package = PACKAGES[0]

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Search, unless no training follows or it resumes from a checkpoint."""
        self._package = package_of(pl_module).__name__
        if self._is_second(trainer.callbacks):
            return
        if trainer.fast_dev_run:
            self._note("fast_dev_run is a trial, so no learning rate is searched")
            return
        if trainer.ckpt_path:
            self._note("the training resumes from a checkpoint, and so does its learning rate")
            return
        if reason := _hindrance(trainer, pl_module):
            self._refuse(reason)
            return
        trainer.fit_loop.setup_data()  # `estimated_stepping_batches` calls it as well
        with hushed():  # `skip` logs if there is nothing to train, and the Trainer asks it again
            if trainer.fit_loop.skip:
                return
        self._find(trainer, pl_module)

    def _find(self, trainer: Any, module: Any) -> None:
        if isinstance(trainer.train_dataloader, (list, tuple, dict)):
            got = "expected one train loader, got a collection of them"
            self._refuse(f"{got}; run the script without this callback: lrfind run SCRIPT.py")
            return
        if hooks := [name for name in idle_hooks(module) if name not in DONE_ALREADY]:
            self._note(f"{type(module).__name__}.{', '.join(hooks)} not run in the search")
        try:
            own = own_step(module, transferred=True)
        except UserCodeError as error:
            self._refuse(str(error))
            return
        training = _training(trainer, module, own)
        with _unobserved(trainer, module):
            rates = self._run(training)
        if rates:
            for holder in (vars(module), module.hparams, getattr(module, "_hparams_initial", {})):
                replace_lr(holder, *rates)  # loggers get the last of them

    def _log(self, text: str, level: Level = Level.INFO) -> None:
        utilities = sys.modules[self._package].utilities
        (utilities.rank_zero_warn if level is Level.WARNING else utilities.rank_zero_info)(text)


def _hindrance(trainer: Any, module: Any) -> str | None:
    """Return why the training cannot be searched, and the way out; None if it can."""
    kind = type(trainer.strategy).__name__
    if trainer.world_size > 1 or not isinstance(trainer.strategy, package_of(module).strategies.SingleDeviceStrategy):
        pieces = trainer.world_size * trainer.accumulate_grad_batches
        return (
            f"expected one process on one device, got {trainer.world_size} with {kind}; search once with "
            f"Trainer(devices=1, strategy='auto', accumulate_grad_batches={pieces}) and set what it finds"
        )
    if not module.automatic_optimization:
        return (
            f"expected automatic optimization, but {type(module).__name__} updates its weights within training_step; "
            f"{_WAY_OUT}, or use lrfind.find_lr with a step of your own"
        )
    if len(trainer.optimizers) != 1:
        return (
            f"expected one optimizer, got {len(trainer.optimizers)}; {_WAY_OUT}, or pass all of them to "
            "lrfind.find_lr, with a step of your own"
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
    batches = trainer.num_training_batches
    epoch = math.ceil(batches / trainer.accumulate_grad_batches) if math.isfinite(batches) else 0
    clocks = [
        Clock(config.scheduler, config.frequency * (1 if config.interval == "step" else epoch))
        for config in trainer.lr_scheduler_configs
    ]
    step = _step(trainer, module, own)
    return Training(module, trainer.train_dataloader, trainer.optimizers[0], step, clocks, settings)


def _step(trainer: Any, module: Any, own: Step) -> Step:
    """Return the step of the training loop: batch hooks, transfer, `training_step` in the Trainer's precision."""
    modes = [(part, part.training) for part in module.modules()]  # the Trainer leaves frozen parts in evaluation mode
    plugin, device = trainer.precision_plugin, trainer.strategy.root_device

    def step(model: nn.Module, batch: Any) -> Tensor | None:
        if model.training:
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
    """Drop what `training_step` logs, and undo what it sets on its Trainer."""
    with attributes_kept(trainer), contextlib.ExitStack() as stack:
        if trainer.loggers:
            trainer.loggers = [package_of(module).loggers.logger.DummyLogger()]
        for part in modules_of(module):
            stack.callback(vars(part).update, {name: log for name, log in vars(part).items() if name == "log"})
            stack.callback(delattr, part, "log")  # before the call above: a stack unwinds
            part.log = log_nothing
        yield
