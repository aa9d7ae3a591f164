"""The learning-rate range test (Smith 2015, arXiv 1506.01186, section 3.3): the loop and its stop rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from lrfind.errors import UserCodeError, interrupts, user_code
from lrfind.records.types import StopReason, Sweep
from lrfind.training.batch import describe
from lrfind.training.distributed.process_group import ProcessGroup
from lrfind.training.groups import GroupRates
from lrfind.training.loss_readers import loss_reader
from lrfind.training.step import Step
from lrfind.training.stop_rule import StopRule
from lrfind.training.trace import OnStep, Trace
from lrfind.training.update import Recipe, ScaledUpdate, Update

PLAIN = Recipe()
PATIENCE_SECONDS = 5.0
"""Longest wait for the outstanding losses of a sweep that is cut short; they may never come."""


def run_sweep(
    model: nn.Module,
    batches: Iterable[Any],
    step: Step,
    optimizer: torch.optim.Optimizer,
    lrs: Sequence[float],
    *,
    device: torch.device,
    seed: int,
    recipe: Recipe = PLAIN,
    processes: ProcessGroup | None = None,
    warmup: Sequence[float] = (),
    stop_on_divergence: bool = True,
    on_step: OnStep | None = None,
    look: Callable[[int], None] | None = None,
) -> Sweep:
    """Train `model` for one update per learning rate and return the loss of every update.

    The loop does only what a bare training loop of the same recipe does: fetch, forward, backward, update, read the
    loss. On an accelerator the losses are read a few steps late, so that the host never waits for the device; the
    surplus steps are cut off when the sweep ends early.

    Args:
        model: In training mode, on `device`. It is trained in place.
        batches: Mini-batches; a `Sweep` of fewer steps results if they end early.
        step: Returns the scalar loss of the model on a mini-batch.
        optimizer: Its learning rates are set before each update; parameter groups keep their ratios.
        lrs: Learning rate of each update, shape `(n,)`; `GroupRates` scales it for each group.
        device: Where the batches are sent.
        seed: Goes into the record.
        recipe: How mini-batches become an update: precision, accumulation, clipping.
        processes: The processes of this training; all of them end the sweep at the same step.
        warmup: Learning rates of the updates before the first recorded one.
        stop_on_divergence: Whether to stop when the loss blows up. A non-finite loss always stops the sweep.
        on_step: Called for each loss that was read.
        look: Called before each update that counts, and after the last, with the number of them so far.

    Raises:
        UserCodeError: A step raises; its `partial` is the sweep up to there, if there was a step before.
    """
    reader = loss_reader(device, len(lrs), alone=processes is None)
    rates = GroupRates(optimizer)
    kind = ScaledUpdate if recipe.precision == "fp16" else Update
    update = kind(model, step, optimizer, batches, device, recipe, processes)
    trace = Trace(seed, lrs, StopRule() if stop_on_divergence else None, on_step)
    started = 0
    interruptible = interrupts.interruptible()  # not where a loss is on its way from the device to the trace
    try:
        with (
            interrupts.worker_deaths_told(),
            user_code("training step", lambda: (f"the batch was: {describe(update.batch)}",), docs="batches.md"),
        ):
            for lr in warmup:
                rates.set(lr)
                with interruptible:
                    update()
            for lr in _looking(lrs, look) if look else lrs:
                rates.set(lr)
                with interruptible:
                    loss = update()
                if loss is None:
                    break
                started += 1
                trace.extend(reader.push(loss))
                if trace.stopped:
                    break
    except KeyboardInterrupt as interrupt:
        interrupts.hold()
        trace.extend(reader.drain(PATIENCE_SECONDS))
        return _interrupted(trace, processes, interrupt)
    except UserCodeError as error:
        if not started:
            raise
        trace.extend(reader.drain(PATIENCE_SECONDS))
        if trace.stopped:  # by a loss from before the fault, read only now: the steps behind it are surplus
            return trace.sweep(trace.stopped)
        _locate(error, trace)
        raise
    if processes and started < len(lrs) and not trace.stopped:
        processes.out_of_data()
    trace.extend(reader.drain())
    return trace.sweep(StopReason.COMPLETED if started == len(lrs) else StopReason.DATA_ENDED)


def _looking(lrs: Sequence[float], look: Callable[[int], None]) -> Iterator[float]:
    interruptible = interrupts.interruptible()
    for done, lr in enumerate(lrs):
        with interruptible:
            look(done)
        yield lr
    with interruptible:
        look(len(lrs))


def _interrupted(trace: Trace, processes: ProcessGroup | None, interrupt: KeyboardInterrupt) -> Sweep:
    """Return the sweep up to an interrupt; raise if torchrun interrupts because another process has failed."""
    if processes and (fault := processes.fault()):
        raise _locate(UserCodeError(fault), trace) from interrupt
    return trace.sweep(StopReason.INTERRUPTED)


def _locate(error: UserCodeError, trace: Trace) -> UserCodeError:
    """Add to an error the sweep up to it, and its step."""
    error.partial = trace.sweep(StopReason.FAILED)
    error.where = (f"step {len(error.partial.losses) + 1}", *error.where)
    return error
