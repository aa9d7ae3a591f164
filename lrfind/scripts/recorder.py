"""The losses of a script and the learning rates of its updates, from calls that every PyTorch training makes.

A training is a row of updates. With one optimizer each of its steps is one. Several optimizers that step in turn make
one update together: it begins with a step of the one that came first. The loss of an update is what `backward` was
called on since the one before: the mean over the calls at the same place in the code (accumulation), and the sum over
different places (several losses).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from lrfind.errors import Fault
from lrfind.records.types import StopReason
from lrfind.scripts.describe import Description
from lrfind.scripts.job import Job
from lrfind.scripts.optimizers import MadeOptimizers, StepRates
from lrfind.scripts.places import Sites, loss_name
from lrfind.scripts.report import Report
from lrfind.training.loss_readers import LossReader, loss_reader
from lrfind.training.stop_rule import StopRule
from lrfind.training.trace import Trace
from lrfind.workloads.preflight import why_not_swept

Site = tuple[Any, int]
Part = tuple[Site, "float | Tensor"]
"""A loss that was propagated backward, and where."""

MAX_SKIPS = 30
"""Updates that a GradScaler skips in a row before the loss counts as infinite. By then the scale, halved each time, has
gone from 2^16 to 2^-14; an overflow at a scale below 1 is not due to the scale."""


class Ended(BaseException):
    """Ends a script. It is no `Exception`, so that code which catches those lets it pass."""


class Recorder:
    """Sets the learning rate of each update, takes its loss, and ends the script after the last.

    Attributes:
        active: Whether calls are recorded: not in a fork of the process, nor while lrfind itself trains.
        ended: Whether the training has come to its end.
    """

    def __init__(self, job: Job, report: Report, made: MadeOptimizers, description: Description) -> None:
        """Make a recorder.

        Args:
            job: What to train.
            report: Is told the losses.
            made: The optimizers that the script makes.
            description: Reads what is trained, if the job wants that.
        """
        self.active = True
        self.ended = False
        self._job, self._report, self._made, self._description = job, report, made, description
        self._lrs: Sequence[float] = (*job.warmup, *job.lrs)
        self._trace = Trace(job.seed, job.lrs, StopRule() if job.stops else None, report.loss)
        self._reader: LossReader | None = None
        self._sites = Sites()
        self.names: dict[Site, str] = {}
        """What the code calls each loss, by its place."""
        self.calls: dict[Site, int] = {}
        """Backward passes of the first update at each place."""
        self._rates: dict[int, tuple[Any, StepRates | None]] = {}
        self._pending: list[Part] = []
        self._passed_over: list[Part] = []
        self._losses: list[Part] = []
        self._lead: Any = None
        self._stepped: set[int] = set()
        self.members: list[Any] = []
        """The optimizers whose learning rates are set, in the order of their first steps."""
        self.updates = 0
        self._skips = self._backwards = self._depth = 0
        self._steps = 0

    # Losses

    def begin_backward(self, tensors: Any, gradients: Any, frame: FrameType | None) -> bool:
        """Take the loss of a backward pass; return whether it is an outermost one, which `end_backward` must end."""
        if not self.active or self.ended:
            return False
        self._backwards += 1
        if self._backwards > 1:  # within another: recomputing a checkpoint makes such a pass
            return True
        site = self._sites.of(frame)
        if site not in self.names:
            code, line = site
            self.names[site] = loss_name(code.co_filename, line) if code else "loss"
            if self._job.describes:
                self._description.at_loss(site, frame)
        if self._job.loss is None or self.names[site] == self._job.loss:
            self._pending.append((site, _value(tensors, gradients)))
        return True

    def end_backward(self) -> None:
        """Note that a backward pass has ended."""
        self._backwards -= 1

    # Steps

    def before_step(self, optimizer: Any) -> None:
        """Set the learning rates of an optimizer that is about to step.

        Raises:
            Ended: The training has come to its end.
        """
        if not self.active:
            return
        self._check_end()
        rates = self._rates_of(optimizer)
        if self._depth == 0 and rates and optimizer is self._lead and self._stepped:
            self._close()
        self._depth += 1
        if rates:
            rates.set(self._lrs[self.updates])

    def after_step(self, optimizer: Any) -> None:
        """Put back the learning rates of an optimizer that has stepped, and end the update if it was the last to do so.

        Raises:
            Ended: The training has come to its end.
        """
        if not self.active or self.ended:
            return
        self._depth -= 1
        rates = self._rates_of(optimizer)
        if rates:
            rates.restore()
        if self._depth:
            return
        self._steps += 1
        if rates is None:
            self._passed_over, self._pending = self._pending or self._passed_over, []
            return
        if _overflowed(optimizer):
            self._skipped()
            return
        self._take_step(optimizer)
        if (self.updates or len(self._lrs) == 1) and len(self._stepped) == len(self.members):
            self._close()

    def scaled_step(self, optimizer: Any, step: Callable[[], Any]) -> Any:
        """Make the step of an optimizer that a GradScaler may skip, and notice if it does."""
        before = self._steps
        result = step()
        if self.active and self._steps == before:
            self._check_end()
            if self._rates_of(optimizer):
                self._skipped()
        return result

    def _take_step(self, optimizer: Any) -> None:
        """Count the losses since the last step for the update."""
        self._skips = 0
        self._losses += self._pending or self._passed_over
        self._pending, self._passed_over = [], []
        self._stepped.add(id(optimizer))

    def _skipped(self) -> None:
        """Drop the losses of an update that was skipped; its learning rate is tried again.

        A loss that is not finite counts all the same: no scale is small enough for it.
        """
        parts, self._pending = self._pending, []
        self._skips += 1
        loss = float(self._combined(parts)) if parts else 0.0
        if self._skips >= MAX_SKIPS or not math.isfinite(loss):
            self._losses = [((None, 0), loss if not math.isfinite(loss) else math.inf)]
            self._close()

    def _rates_of(self, optimizer: Any) -> StepRates | None:
        """Return what sets the learning rates of an optimizer; None if they are not to be set."""
        known = self._rates.get(id(optimizer))
        if known and known[0] is optimizer and (known[1] is None or known[1].fits):
            return known[1]
        made = self._made.of(optimizer)
        inner = self._depth > 0
        chosen = inner or self._job.optimizer in (None, str(made.number), type(optimizer).__name__)
        rates = None
        if chosen:
            if fault := why_not_swept(optimizer):
                self.refuse(fault)
            lead = self._rates[id(self._lead)][1] if self._lead is not None else None
            rates = StepRates(optimizer, made, lead.reference if lead else None)
        self._rates[id(optimizer)] = (optimizer, rates)
        if rates and not inner:
            self._join(optimizer, rates)
        return rates

    def _join(self, optimizer: Any, rates: StepRates) -> None:
        if all(each is not optimizer for each in self.members):
            self.members.append(optimizer)
        if self._lead is None:
            self._lead = optimizer
            if self._job.describes:
                self._tell_what_is_trained(optimizer, rates)

    def _tell_what_is_trained(self, optimizer: Any, rates: StepRates) -> None:
        self.active = False  # lrfind makes steps of its own to measure their size
        try:
            self._report.tell(trained=self._description.at_first_step(optimizer, rates))
        finally:
            self.active = True

    # Updates

    def _close(self) -> None:
        """End an update: hand on its loss, and go on to the next learning rate.

        Raises:
            Ended: It was the last one, or the loss has blown up.
        """
        if not self._losses:
            self.refuse(self._no_loss())
        loss = self._combined(self._losses)
        if not self.updates:
            for site, _ in self._losses:
                self.calls[site] = self.calls.get(site, 0) + 1
        self._losses, self._stepped = [], set()
        self.updates += 1
        if self.updates > len(self._job.warmup):
            self._take(self._read(loss))
        if self._trace.stopped or self.updates == len(self._lrs):
            self.end(StopReason.COMPLETED)

    def _no_loss(self) -> Fault:
        if self._job.loss is not None and self.names:
            got, fix = repr(self._job.loss), "name one of them"
            return Fault("--loss", expected=f"one of {', '.join(sorted(set(self.names.values())))}", got=got, fix=fix)
        problem = "the script updated its weights, but called backward() on no loss before"
        return Fault(problem=problem, fix="lrfind reads the loss there; use lrfind.find_lr with a step of your own")

    def _combined(self, parts: Sequence[Part]) -> float | Tensor:
        """Return the loss of an update from those of its backward passes."""
        if len(parts) == 1:
            return parts[0][1]
        by_site: dict[Site, list[float | Tensor]] = {}
        for site, value in parts:
            by_site.setdefault(site, []).append(value)
        return sum(sum(values) / len(values) for values in by_site.values())

    def _take(self, arrived: Sequence[float]) -> None:
        if self._job.decides:
            self._trace.extend(arrived)
            return
        for loss in arrived:
            self._report.loss(0, 0.0, loss)

    def _read(self, loss: float | Tensor) -> list[float]:
        if isinstance(loss, float):
            return [loss]
        if self._reader is None:
            self._reader = loss_reader(loss.device, len(self._job.lrs), alone=True)
        return self._reader.push(loss)

    # Ends

    def end(self, reason: StopReason) -> None:
        """End the training; a loss that blew up before is the reason if there was one.

        Raises:
            Ended: Always.
        """
        if self._reader:
            self._take(self._reader.drain())
        self.ended = True
        plan = self._description.at_end(self.updates, self.calls, self.names) if self._job.describes else {}
        self._report.tell(end=(self._trace.stopped or reason).value, updates=self.updates, plan=plan)
        raise Ended

    def refuse(self, fault: Fault) -> None:
        """End the training because it cannot be swept.

        Raises:
            Ended: Always.
        """
        self.ended = True
        self._report.tell(refusal={name: getattr(fault, name) for name in ("key", "expected", "got", "fix", "problem")})
        raise Ended

    def finish(self) -> None:
        """End the update that the end of the script has left open.

        Raises:
            Ended: It was the last one.
        """
        if self._stepped and not self.ended:
            self._close()

    def _check_end(self) -> None:
        if self.ended:  # the script has caught it the first time
            raise Ended


def _value(tensors: Any, gradients: Any) -> float | Tensor:
    """Return the scalar whose gradient a backward pass computes: on the host if it is there."""
    many = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
    weights = (gradients,) if gradients is None or isinstance(gradients, Tensor) else tuple(gradients)
    values = []
    for index, tensor in enumerate(many):
        loss = getattr(tensor, "_lrfind_unscaled", tensor).detach()
        weight = weights[index] if index < len(weights) else None
        if weight is not None and loss.numel() > 1:
            loss = (loss * weight).sum()
        if loss.numel() == 1:  # torch raises for others
            values.append(loss)
    total = sum(values[1:], values[0]) if values else torch.tensor(math.nan)
    return float(total) if total.device.type == "cpu" else total.clone()


def _overflowed(optimizer: Any) -> bool:
    """Tell whether a fused optimizer has skipped its update, as the GradScaler left it to.

    This waits for the device. Nothing else tells, and the learning rate must be tried again.
    """
    found = getattr(optimizer, "found_inf", None)
    return found is not None and bool(found.item())
