"""The learning-rate range test (Smith 2015, arXiv 1506.01186, section 3.3): the loop and its stop rule."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lrfind.errors import UserCodeError, user_code
from lrfind.records.types import StopReason, Sweep
from lrfind.training.batch import describe
from lrfind.training.distributed.process_group import Ranks
from lrfind.training.groups import GroupRates
from lrfind.training.step import Step
from lrfind.training.update import Recipe, kind_of_update

OnStep = Callable[[int, float, float], None]
"""on_step(index, learning rate, loss), called once the loss of a step has been read."""

PLAIN = Recipe()
PATIENCE_SECONDS = 5.0
"""To wait for losses that are outstanding when a sweep is cut short, and may never come."""


class SweepFailedError(UserCodeError):
    """The user's code raised after the first step; `partial` is the sweep up to there."""

    def __init__(self, cause: UserCodeError, partial: Sweep) -> None:
        super().__init__(f"step {len(partial.losses) + 1}: {cause}", cause.user_traceback)
        self.partial = partial


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
    ranks: Ranks | None = None,
    warmup: Sequence[float] = (),
    stop_on_divergence: bool = True,
    on_step: OnStep | None = None,
) -> Sweep:
    """Train `model` for one update per learning rate and return the loss of every update.

    The loop does what a bare training loop of the same recipe does and nothing more: fetch, forward, backward,
    update, read the loss. On an accelerator the losses are read a few steps late, so that the host never waits for
    the device; the steps done meanwhile are cut off when the sweep ends early.

    Args:
        model: In training mode, on `device`. It is trained in place.
        batches: Mini-batches; a `Sweep` of fewer steps results if they end early.
        step: Returns the scalar loss of the model on a mini-batch.
        optimizer: Its learning rates are set before each update; parameter groups keep their ratios.
        lrs: Learning rate of each update, shape `(n,)`; what each group makes of it is told by `GroupRates`.
        device: Where the batches are sent.
        seed: Goes into the record.
        recipe: How mini-batches become an update: precision, accumulation, clipping.
        ranks: The processes that train together with this one, all of which end the sweep at the same step.
        warmup: Learning rates of updates made beforehand, which are not recorded.
        stop_on_divergence: Whether to stop when the loss blows up. A non-finite loss always stops the sweep.
        on_step: Called for each loss that was read.

    Raises:
        UserCodeError: The very first step raises.
        SweepFailedError: A later step raises; it carries what was measured.
    """
    reader = _reader(device, len(lrs), ranks)
    rates = GroupRates(optimizer)
    update = kind_of_update(recipe)(model, step, optimizer, batches, device, recipe, ranks)
    trace = _Trace(seed, lrs, StopRule() if stop_on_divergence else None, on_step)
    started = 0
    try:
        with user_code("training step", lambda: (f"the batch was: {describe(update.batch)}",)):
            for lr in warmup:
                rates.set(lr)
                update()
            for lr in lrs:
                rates.set(lr)
                loss = update()
                if loss is None:
                    break
                started += 1
                trace.extend(reader.push(loss))
                if trace.stopped:
                    break
    except KeyboardInterrupt as interrupt:
        trace.extend(reader.drain(PATIENCE_SECONDS))
        return _interrupted(trace, ranks, interrupt)
    except UserCodeError as error:
        if not started:
            raise
        trace.extend(reader.drain(PATIENCE_SECONDS))
        if trace.stopped:  # by a loss from before the fault, read only now: the steps behind it are surplus
            return trace.sweep(trace.stopped)
        raise SweepFailedError(error, trace.sweep(StopReason.FAILED)) from error
    if ranks and started < len(lrs) and not trace.stopped:
        ranks.out_of_data()
    trace.extend(reader.drain())
    return trace.sweep(StopReason.COMPLETED if started == len(lrs) else StopReason.DATA_ENDED)


def _interrupted(trace: _Trace, ranks: Ranks | None, interrupt: KeyboardInterrupt) -> Sweep:
    """Return what was measured before an interrupt, unless torchrun makes it because another process has failed."""
    if ranks and (fault := ranks.fault()):
        raise SweepFailedError(UserCodeError(fault), trace.sweep(StopReason.FAILED)) from interrupt
    return trace.sweep(StopReason.INTERRUPTED)


class _Trace:
    """The losses read so far, up to the one that ends the sweep."""

    def __init__(self, seed: int, lrs: Sequence[float], stop_rule: StopRule | None, on_step: OnStep | None) -> None:
        self._seed = seed
        self._lrs = lrs
        self._stop_rule = stop_rule
        self._on_step = on_step
        self._losses: list[float] = []
        self.stopped: StopReason | None = None

    def extend(self, arrived: Iterable[float]) -> None:
        """Take the losses that were read, in order; those behind a loss that ends the sweep are surplus."""
        for loss in arrived:
            if self.stopped:
                return
            if self._on_step:
                self._on_step(len(self._losses), self._lrs[len(self._losses)], loss)
            self._losses.append(loss)
            if not math.isfinite(loss):
                self.stopped = StopReason.NON_FINITE
            elif self._stop_rule and self._stop_rule.diverged(loss):
                self.stopped = StopReason.DIVERGED

    def sweep(self, otherwise: StopReason) -> Sweep:
        """Return what was measured, ended by the losses themselves or, if they did not, for the reason given."""
        count = len(self._losses)
        return Sweep(self._seed, tuple(self._lrs[:count]), tuple(self._losses), self.stopped or otherwise)


class StopRule:
    """Tells from the raw losses, one after the other, whether the training has blown up.

    It has when the median of the last five losses lies above `start + RISE * range`: `start` is the median of
    the first losses, `range` the larger of the descent so far and what the noise from batch to batch would span.
    Levels enter as differences only, so that losses below or at zero work, and no single spike stops a sweep.
    """

    RISE = 3.0
    """A rise of three times the observed range is no longer descent or noise; a smaller factor stops sweeps whose
    descent has not begun, a larger one changes little, as a loss that has come so far grows by factors."""
    NOISE_SPAN = 4.0
    """The span of batch noise in mean absolute differences of successive losses, about 4 standard deviations
    (for normal noise the mean absolute difference is 1.13 standard deviations)."""
    START = 5
    """Losses that make up the start level, before which no sweep is stopped."""

    def __init__(self) -> None:
        self._first: list[float] = []
        self._recent: deque[float] = deque(maxlen=5)
        self._start = math.nan
        self._lowest = math.inf
        self._differences = 0.0
        self._count = 0

    def diverged(self, loss: float) -> bool:
        """Take the next loss, a finite one, and tell whether the training has blown up."""
        before = self._recent[-1] if self._recent else loss
        self._recent.append(loss)
        level = sorted(self._recent)[len(self._recent) // 2]
        difference = abs(loss - before)
        if len(self._first) < self.START:
            self._first.append(loss)
            self._start = statistics.median(self._first)
        else:
            threshold = self._threshold()
            if level > threshold:
                return True
            # An explosion is not to widen the range by itself; noise with heavy tails does so by and by.
            difference = min(difference, threshold - self._start)
        self._lowest = min(self._lowest, level)
        self._differences += difference
        self._count += 1
        return False

    def _threshold(self) -> float:
        descent = max(self._start - self._lowest, 0.0)
        noise = self.NOISE_SPAN * self._differences / self._count
        rounding = 1e-6 * abs(self._start)  # what a float32 loss that stands still may move by
        return self._start + self.RISE * max(descent, noise, rounding)


class _Reader(Protocol):
    def push(self, loss: Tensor) -> list[float]:
        """Take the loss of a step; return the losses, in order, that have become known."""

    def drain(self, seconds: float = math.inf) -> list[float]:
        """Return all losses that are still outstanding, or become known in that time."""


class _HostReader:
    """Reads each loss at once: on the host it is known as soon as the step is done."""

    def push(self, loss: Tensor) -> list[float]:
        return [loss.item()]

    def drain(self, seconds: float = math.inf) -> list[float]:
        return []


class _LateReader:
    """Reads losses from an accelerator without waiting for it: each is copied behind its step, and looked up later."""

    def __init__(self, device: torch.device, steps: int) -> None:
        self._device = device
        self._host = torch.empty(steps, pin_memory=device.type == "cuda")
        self._pending: deque[torch.Event] = deque()
        self._read = 0

    def push(self, loss: Tensor) -> list[float]:
        self._record(loss)
        return self._take(lambda event: event.query())

    def drain(self, seconds: float = math.inf) -> list[float]:
        if self._pending:
            self._pending[-1].synchronize()
        return self._take(lambda event: True)

    def _record(self, loss: Tensor) -> None:
        index = self._read + len(self._pending)
        self._host[index].copy_(loss.detach().reshape(()), non_blocking=True)
        event = torch.Event(self._device)
        event.record()
        self._pending.append(event)

    def _take(self, ready: Callable[[torch.Event], bool]) -> list[float]:
        start = self._read
        while self._pending and ready(self._pending[0]):
            self._pending.popleft()
            self._read += 1
        return self._host[start : self._read].tolist() if self._read > start else []


class _SteadyReader(_LateReader):
    """Reads the loss of each step a fixed number of steps later, so that all processes see the same at each step.

    It looks again and again rather than waiting in the driver, from which no signal wakes it when another process
    has died and its share of a sum never comes.
    """

    LAG = 8
    """Steps that are queued on the device while the host waits: enough for it never to run dry."""

    def push(self, loss: Tensor) -> list[float]:
        self._record(loss)
        return self._take(lambda event: len(self._pending) > self.LAG and _comes(event, math.inf))

    def drain(self, seconds: float = math.inf) -> list[float]:
        end = time.monotonic() + seconds
        return self._take(lambda event: _comes(event, end))


def _comes(event: torch.Event, end: float) -> bool:
    """Wait for an event until that time; return whether it came."""
    while not event.query():
        if time.monotonic() > end:
            return False
        time.sleep(1e-4)
    return True


def _reader(device: torch.device, steps: int, ranks: Ranks | None) -> _Reader:
    if device.type == "cpu":
        return _HostReader()
    return _SteadyReader(device, steps) if ranks else _LateReader(device, steps)
