"""What is hooked into torch while a script runs: backward passes, optimizers and their steps, schedulers, loaders."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import ReferenceType, ref

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ChainedScheduler, LRScheduler, SequentialLR
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter
from torch.utils.hooks import RemovableHandle

from lrfind.scripts.fastai import MODULE, watch_fastai
from lrfind.scripts.feed import Feed
from lrfind.scripts.optimizers import MadeOptimizers
from lrfind.scripts.places import Place, caller, place_of

WRAPPED = (
    (argparse.ArgumentParser, "parse_known_args"),
    (Optimizer, "add_param_group"),
    (LRScheduler, "__init__"),
    (SequentialLR, "__init__"),
    (ChainedScheduler, "__init__"),
    (DataLoader, "__iter__"),
    (_BaseDataLoaderIter, "__next__"),
    (torch.autograd, "backward"),
    (torch.amp.GradScaler, "scale"),
    (torch.amp.GradScaler, "step"),
)
"""The functions that are replaced by ones that take note of their calls."""


class Steps(Protocol):
    """Is told of the steps of optimizers."""

    def before_step(self, optimizer: Any, *call: Any) -> None:
        """Take note of an optimizer that is about to step."""

    def after_step(self, optimizer: Any, *call: Any) -> None:
        """Take note of an optimizer that has stepped."""


class Losses(Steps, Protocol):
    """Is told of backward passes as well."""

    active: bool
    propagates: bool

    def begin_backward(self, tensors: Any, gradients: Any, frame: Any) -> None:
        """Take note of a backward pass."""

    def scaled_step(self, optimizer: Any, step: Callable[[], Any]) -> Any:
        """Make the step of an optimizer that a GradScaler may skip."""


@dataclass
class Seen:
    """What a script has made.

    Attributes:
        made: Its optimizers.
        schedulers: Its learning-rate schedulers, in the order made, and where.
        feed: Its DataLoaders, and what becomes of their batches.
        options: The numbers among the options that argparse has read, given or by default, by their flags.
    """

    made: MadeOptimizers = field(default_factory=MadeOptimizers)
    schedulers: list[tuple[ReferenceType[Any], Place]] = field(default_factory=list)
    feed: Feed = field(default_factory=Feed)
    options: dict[str, float] = field(default_factory=dict)

    def schedulers_of(self, optimizer: Any) -> list[tuple[Any, Place]]:
        """Return the schedulers of an optimizer that still exist, and where they were made."""
        alive = [(scheduler(), place) for scheduler, place in self.schedulers]
        return [(each, place) for each, place in alive if each is not None and _is_of(each, optimizer)]


def watch_objects(seen: Seen) -> None:
    """Note the optimizers, schedulers, loaders and options that are made and used from now on."""

    def after_group(original: Callable[..., Any], self: Any, *args: Any, **options: Any) -> Any:
        result = original(self, *args, **options)
        seen.made.take(self, caller())
        return result

    def after_scheduler(original: Callable[..., Any], self: Any, *args: Any, **options: Any) -> Any:
        seen.schedulers.append((ref(self), place_of(caller())))
        return original(self, *args, **options)

    def iterate(original: Callable[..., Any], self: Any) -> Any:
        return seen.feed.iterate(self, original)

    def after_options(original: Callable[..., Any], self: Any, *args: Any, **options: Any) -> Any:
        namespace, rest = original(self, *args, **options)
        for action in self._actions:
            value = getattr(namespace, action.dest, None)
            if action.option_strings and isinstance(value, (int, float)) and not isinstance(value, bool):
                long = [name for name in action.option_strings if name.startswith("--")]
                seen.options[(long or action.option_strings)[0]] = float(value)
        return namespace, rest

    _wrap(argparse.ArgumentParser, "parse_known_args", after_options)
    _wrap(Optimizer, "add_param_group", after_group)
    for kind in (LRScheduler, SequentialLR, ChainedScheduler):  # the last two do not call the first
        _wrap(kind, "__init__", after_scheduler)
    _wrap(DataLoader, "__iter__", iterate)


def watch_steps(steps: Steps) -> tuple[RemovableHandle, RemovableHandle]:
    """Tell of the steps of all optimizers from now on; return what ends that."""
    return (
        register_optimizer_step_pre_hook(steps.before_step),
        register_optimizer_step_post_hook(steps.after_step),
    )


def watch_losses(losses: Losses, seen: Seen) -> None:
    """Tell of backward passes, and of the steps that a GradScaler makes or skips; forks of this process do not."""
    libraries = [MODULE]

    def noting_losses(original: Callable[..., Any]) -> Callable[..., Any]:
        def backward(tensors: Any, *args: Any, **options: Any) -> Any:
            if libraries and MODULE in sys.modules:  # imported since
                libraries.clear()
                watch_fastai(losses.before_step, losses.after_step, seen.made)
            if losses.propagates:  # within another backward pass, as of a checkpoint
                return original(tensors, *args, **options)
            losses.begin_backward(tensors, args[0] if args else options.get("grad_tensors"), sys._getframe(1))
            losses.propagates = True
            try:
                return original(tensors, *args, **options)
            finally:
                losses.propagates = False

        return backward

    def scale(original: Callable[..., Any], self: Any, outputs: Any) -> Any:
        scaled = original(self, outputs)
        if isinstance(scaled, Tensor) and scaled is not outputs:
            scaled._lrfind_unscaled = outputs.detach()  # type: ignore[attr-defined]
        return scaled

    def step(original: Callable[..., Any], self: Any, optimizer: Any, *args: Any, **options: Any) -> Any:
        if not self.is_enabled():
            return original(self, optimizer, *args, **options)
        return losses.scaled_step(optimizer, lambda: original(self, optimizer, *args, **options))

    _replace(_BaseDataLoaderIter, "__next__", seen.feed.follow)
    _replace(torch.autograd, "backward", noting_losses)
    _wrap(torch.amp.GradScaler, "scale", scale)
    _wrap(torch.amp.GradScaler, "step", step)
    os.register_at_fork(after_in_child=lambda: setattr(losses, "active", False))


def keep_still(changes: Callable[[], bool]) -> tuple[RemovableHandle, RemovableHandle]:
    """Let optimizers change nothing in some steps: they find no gradients, as for parameters that were not used.

    Args:
        changes: Tells whether a step is to change the weights, once the gradients of its update are known.
    """
    kept: list[tuple[Tensor, Tensor]] = []

    def take_away(optimizer: Any) -> None:
        if not changes():
            for parameter in (each for group in optimizer.param_groups for each in group["params"]):
                if parameter.grad is not None:
                    kept.append((parameter, parameter.grad))
                    parameter.grad = None

    def before(optimizer: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        closure = args[1] if len(args) > 1 else options.get("closure")
        if closure is None:
            take_away(optimizer)
            return None

        def evaluate() -> Any:
            loss = closure()  # computes the gradients
            take_away(optimizer)
            return loss

        return (args[0], evaluate, *args[2:]), {name: options[name] for name in options if name != "closure"}

    def after(optimizer: Any, args: Any, options: Any) -> None:
        for parameter, gradient in kept:  # the script may look at them
            parameter.grad = gradient
        kept.clear()

    return register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after)


def _is_of(scheduler: Any, optimizer: Any) -> bool:
    """Tell whether a scheduler is of an optimizer, or of a wrapper around it, such as that of Accelerate."""
    own = getattr(scheduler, "optimizer", None)
    return own is optimizer or getattr(own, "optimizer", None) is optimizer


def _wrap(holder: Any, name: str, around: Callable[..., Any]) -> None:
    """Replace a function of a module or a class by `around(original, ...)`."""
    _replace(holder, name, lambda original: lambda *args, **options: around(original, *args, **options))


def _replace(holder: Any, name: str, decorate: Callable[[Any], Callable[..., Any]]) -> None:
    """Replace a function of a module or a class by what a decorator makes of it."""
    original = getattr(holder, name)
    setattr(holder, name, functools.wraps(original)(decorate(original)))
