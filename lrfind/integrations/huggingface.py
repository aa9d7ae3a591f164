"""The callback for the Trainer of Hugging Face's transformers, and for those that are built on it."""

from __future__ import annotations

import sys
from typing import Any

from torch import Tensor, nn
from transformers import Trainer, TrainerCallback
from transformers.utils import logging

from lrfind.answer import Answer
from lrfind.integrations.search import Search, Training, attributes_kept, renamed, without_autocast
from lrfind.training.step import Step

LOG = logging.get_logger("transformers.lrfind")  # at the level that TrainingArguments(log_level=...) sets


class FindLR(TrainerCallback):
    """Finds the learning rate as `train` begins, by `lrfind.find_lr`, and sets it.

    The search trains with the Trainer's own `compute_loss`, and so with its label smoothing, its `compute_loss_func`
    or what a subclass does; with its optimizer and loader, in its precision, with its accumulation and clipping, for
    its length and schedule. Then everything is as it was but the learning rate: of the optimizer, of its scheduler,
    and `args.learning_rate`. Nothing is logged meanwhile, and no callback is called. A `training_step` of a subclass
    is not run. With accumulation, the tokens of each mini-batch are averaged by themselves. What reports the arguments
    as the training begins may have done so before; the `learning_rate` of every log is the one trained with.

    Where no learning rate can be trusted, or where there is nothing to search with, such as several processes, it
    stays as it is, with a warning that says why. A training that resumes from a checkpoint is not searched; every
    other `train` is, a second one of the same Trainer as well.

    Args:
        strict: Whether to raise where it would warn.
        search: Arguments of `lrfind.find_lr`, such as `seed`, `num_iter`, `probes`, `schedule`, `progress`.
    """

    def __init__(self, *, strict: bool = False, **search: Any) -> None:
        self._search = Search(strict=strict, options=search, on_note=LOG.info, warn=LOG.warning)

    @property
    def result(self) -> Answer | None:
        """What was found, also where it is no learning rate; None before a search."""
        return self._search.result

    def on_train_begin(self, args: Any, state: Any, control: Any, **objects: Any) -> None:
        """Search, unless no training follows or it goes on with one that has been."""
        if state.global_step > 0:
            self._search.note("the training resumes from a checkpoint, and so does its learning rate")
            return
        if control.should_training_stop or state.max_steps <= 0:
            return
        trainer = _trainer_of(self)
        if trainer is None:
            self._search.refuse("expected a transformers.Trainer to train, which knows its loss; use lrfind.find_lr")
            return
        if reason := _hindrance(trainer):
            self._search.refuse(reason)
            return
        training = _training(trainer)
        before = training.peak_lr
        with attributes_kept(trainer, state, control):
            trainer.log = lambda *arguments, **options: None
            lr = self._search.run(training)
        if lr is not None:
            renamed(vars(args), before, lr)


def _trainer_of(callback: TrainerCallback) -> Any:
    """Return the Trainer that calls the callback: it hands over all but itself, and only it knows its loss."""
    frame = sys._getframe().f_back
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, Trainer) and any(one is callback for one in caller.callback_handler.callbacks):
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
        [trainer.lr_scheduler],
        settings,
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
