"""The callback for the Trainer of Hugging Face's transformers, and for those that are built on it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from transformers import Trainer, TrainerCallback
from transformers.utils import logging

from lrfind.errors import Level
from lrfind.integrations.course import Clock
from lrfind.integrations.search import Search, Training, replace_lr, without_autocast
from lrfind.training.snapshot import attributes_kept
from lrfind.training.step import Step

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from lrfind.integrations.search import SearchOptions

LOG = logging.get_logger("transformers.lrfind")  # at the level that TrainingArguments(log_level=...) sets


class FindLR(Search, TrainerCallback):
    """Finds the learning rate when `train` begins, with `lrfind.find_lr`, and sets it.

    The search trains with the Trainer's own `compute_loss`, so with its label smoothing, its `compute_loss_func` or
    the override of a subclass; with its optimizer and loader, in its precision, with its accumulation and clipping,
    for its length and schedule. Only the learning rate changes: that of the optimizer, of its scheduler, and
    `args.learning_rate`. The search logs nothing and calls no callback. It does not run the `training_step` of a
    subclass. With accumulation, it averages the tokens of each mini-batch separately. A tracker may have reported
    `args` before the search; the `learning_rate` of every log is the one that trains.

    If no learning rate can be trusted, or if the search cannot run, such as with several processes, the learning rate
    stays and a warning says why. A training that resumes from a checkpoint is not searched. Every other `train` is,
    also a second one of the same Trainer.

    A Trainer does not pass itself to its callbacks. Name it with `FindLR(trainer)` or `attach(trainer)`; in
    `Trainer(callbacks=[FindLR()])`, where it does not exist yet, the callback finds it when `train` begins.

    Args:
        trainer: The Trainer to search for; the callback is added to it.
        strict: Whether to raise instead of warn.
        search: Arguments of `lrfind.find_lr`, such as `seed`, `num_iter`, `probes`, `schedule`, `progress`.

    Raises:
        TypeError: `trainer` is not a `transformers.Trainer`, or `find_lr` has no such argument.
    """

    def __init__(
        self, trainer: Trainer | None = None, *, strict: bool = False, **search: Unpack[SearchOptions]
    ) -> None:
        super().__init__(strict=strict, options=search)
        self._trainer: Trainer | None = None
        if trainer is not None:
            self.attach(trainer)

    def attach(self, trainer: Trainer) -> FindLR:
        """Add the callback to a Trainer, and return it.

        Raises:
            TypeError: `trainer` is not a `transformers.Trainer`.
        """
        if not isinstance(trainer, Trainer):
            raise TypeError(f"FindLR: expected a transformers.Trainer, got {type(trainer).__name__}")
        if all(each is not self for each in trainer.callback_handler.callbacks):
            trainer.add_callback(self)
        self._trainer = trainer
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_trainer": None}  # a callback that is saved must not save its Trainer

    def _log(self, text: str, level: Level = Level.INFO) -> None:
        (LOG.warning if level is Level.WARNING else LOG.info)(text)

    def on_train_begin(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """Search, unless no training follows or it resumes from a checkpoint."""
        if state.global_step > 0:
            self._note("the training resumes from a checkpoint, and so does its learning rate")
            return
        if control.should_training_stop or state.max_steps <= 0:
            return
        attached: Any = self._trainer
        trainer = attached if attached is not None and attached.state is state else _caller(self)
        if trainer is None:
            self._refuse(
                "expected a transformers.Trainer to train, which knows its loss; use FindLR(trainer) or lrfind.find_lr"
            )
            return
        if self._is_second(trainer.callback_handler.callbacks):
            return
        if reason := _hindrance(trainer):
            self._refuse(reason)
            return
        training = _training(trainer)
        with attributes_kept(trainer, state, control):
            trainer.log = lambda *arguments, **options: None
            rates = self._run(training)
        if rates:
            replace_lr(vars(args), *rates)


def _caller(callback: TrainerCallback) -> Any:
    """Return the Trainer that calls the callback, from the call stack.

    A fallback for `Trainer(callbacks=[FindLR()])`: the Trainer passes its callbacks its model, optimizer and loader,
    but not itself, and only it knows its loss.
    """
    frame = sys._getframe().f_back
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, Trainer) and any(each is callback for each in caller.callback_handler.callbacks):
            return caller
        frame = frame.f_back
    return None


def _hindrance(trainer: Any) -> str | None:
    """Return why the training cannot be searched, and the way out; None if it can."""
    way_out = (
        "search once in one process on one device (CUDA_VISIBLE_DEVICES=0), with gradient_accumulation_steps as many "
        "times as high, and set what it finds"
    )
    processes = max(trainer.args.world_size, trainer.args.n_gpu)
    if processes > 1:
        return f"expected one process on one device, got {processes}; {way_out}"
    if trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled:
        return f"expected whole parameters, but DeepSpeed or FSDP shards them; {way_out}"
    return None


def _training(trainer: Any) -> Training:
    args = trainer.args
    settings = {
        "device": args.device,
        "precision": {"fp16": "fp16", "bf16": "bf16"}.get(trainer.accelerator.mixed_precision, "fp32"),
        "scaler": trainer.accelerator.scaler,
        "accumulate": args.gradient_accumulation_steps,
        "clip_grad_norm": args.max_grad_norm or None,
        "train_steps": trainer.state.max_steps,
    }
    loader = trainer.callback_handler.train_dataloader
    return Training(
        trainer.model,
        getattr(loader, "base_dataloader", loader),  # accelerate's own would tell its state of each pass
        getattr(trainer.optimizer, "optimizer", trainer.optimizer),
        _step(trainer),
        [Clock(trainer.lr_scheduler)],
        settings,
        "transformers",
    )


def _step(trainer: Any) -> Step:
    """Return the step of `Trainer.training_step`; the precision is in `forward`, where accelerate has put it."""
    model, device = trainer.model_wrapped, trainer.args.device

    def step(_: nn.Module, batch: Any) -> Tensor:
        model.train()
        items = trainer._get_num_items_in_batch([batch], device)
        inputs = trainer._prepare_inputs(batch)
        with without_autocast(device), trainer.compute_loss_context_manager():
            loss: Tensor = trainer.compute_loss(model, inputs, num_items_in_batch=items)
        return loss

    return step
