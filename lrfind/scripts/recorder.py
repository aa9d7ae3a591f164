"""The learning rate of each update of a script, and its losses as they become known.

With one optimizer, each of its steps is an update. Several optimizers that step in turn make one together: it begins
with a step of the one that came first.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from lrfind.errors import Fault
from lrfind.records.types import StopReason
from lrfind.scripts.curve import Curve
from lrfind.scripts.describe import Description
from lrfind.scripts.feed import Feed
from lrfind.scripts.job import Job
from lrfind.scripts.losses import BackwardLosses, Loss
from lrfind.scripts.optimizers import MadeOptimizers, StepRates, overflowed
from lrfind.scripts.report import Report
from lrfind.scripts.steps_within import StepsWithin
from lrfind.training.sweepable import why_not_swept

MAX_SKIPS = 30
"""Updates that a GradScaler skips in a row before the loss counts as infinite. By then the scale, halved each time, has
gone from 2^16 to 2^-14; an overflow at a scale below 1 is not due to the scale."""
PATIENCE = 5
"""Updates in which an optimizer that belongs to the training from the start has stepped, and steps of a later one
without the first after which the training of the first is over, as with the next fold of a cross-validation."""


class Ended(BaseException):
    """Ends a script. It is no `Exception`, so that code which catches those lets it pass."""


class Recorder:
    """Sets the learning rate of each update, takes its loss, and ends the script after the last.

    Attributes:
        active: Whether calls are recorded: not in a fork of the process, nor while lrfind itself trains.
        ended: Whether the training has come to its end.
        propagates: Whether a backward pass is being made.
        updates: Those that were made, with those before the first recorded one.
        curve: Takes their losses.
    """

    def __init__(self, job: Job, report: Report, made: MadeOptimizers, feed: Feed, description: Description) -> None:
        """Make a recorder.

        Args:
            job: What to train.
            report: Is told the losses, and what is trained.
            made: The optimizers that the script makes.
            feed: What becomes of its mini-batches.
            description: Reads what is trained, if the job wants that.
        """
        self.active = True
        self.ended = self.propagates = False
        self.updates = 0
        self._job, self._made, self._feed, self._description = job, made, feed, description
        self.curve = Curve(job, report)
        self._lrs: Sequence[float] = (*job.warmup, *job.lrs)
        self._losses = BackwardLosses(job.loss, description.at_loss if job.describes else lambda site, frame: None)
        self._rates: dict[int, tuple[Any, StepRates | None]] = {}
        self._members: list[Any] = []
        """The optimizers that are swept, in the order of their first steps."""
        self.others: dict[int, str] = {}
        """Numbers and names of the optimizers that step, but are not to be swept."""
        self._stepped: set[int] = set()
        """Those that have stepped in this update."""
        self._late: set[int] = set()
        """Members that were not there at the start."""
        self._alone = 0
        """Steps of those since the last of the first member."""
        self._steps = self._skips = 0
        self._within = StepsWithin()

    # What the script does

    def begin_backward(self, tensors: Any, gradients: Any, frame: FrameType | None) -> None:
        """Take the loss of a backward pass that begins."""
        if self.active and not self.ended and self._losses.begin(tensors, gradients, frame):
            self._feed.use()

    def before_step(self, optimizer: Any, *call: Any) -> None:
        """Set the learning rates of an optimizer that is about to step.

        Raises:
            Ended: The training has come to its end.
        """
        if not self.active:
            return
        self._check_end()
        frame = sys._getframe(1)
        self._within.leave_failed(frame)
        rates = self._rates_of(optimizer)
        if rates and self._stepped and not self._within and optimizer is self._members[0]:
            self._close()
        self._within.enter(frame, rates)
        if rates:
            rates.set(self._lrs[min(self.updates, len(self._lrs) - 1)])  # a look may follow the last

    def after_step(self, optimizer: Any, *call: Any) -> None:
        """Put back the learning rates of an optimizer that has stepped; that may end the update.

        Raises:
            Ended: The training has come to its end.
        """
        if not self.active or self.ended:
            return
        rates = self._within.leave()
        if self._within:
            return
        self._steps += 1
        if rates is None:
            self._losses.pass_over()
        elif overflowed(optimizer) and not self._feed.holds_out:
            self._skip()
        else:
            self._count(optimizer)

    def scaled_step(self, optimizer: Any, step: Callable[[], Any]) -> Any:
        """Make the step of an optimizer that a GradScaler may skip, and notice if it does."""
        before = self._steps
        result = step()
        if self.active and self._steps == before:
            self._check_end()
            if self._rates_of(optimizer):
                self._count(optimizer) if self._feed.holds_out else self._skip()
        return result

    def finish(self) -> None:
        """End the update that the end of the script has left open.

        Raises:
            Ended: It was the last one.
        """
        if self._stepped and not self.ended:
            self._close()

    # Optimizers

    def _rates_of(self, optimizer: Any) -> StepRates | None:
        """Return what sets the learning rates of an optimizer; None if they are not to be set."""
        known, rates = self._rates.get(id(optimizer), (None, None))
        if known is optimizer and (rates is None or rates.fits):
            return rates
        made = self._made.of(optimizer)
        rates, inner = None, bool(self._within)  # an optimizer within another one, which has been chosen
        if inner or self._job.optimizer in (None, str(made.number), type(optimizer).__name__):
            if fault := why_not_swept(optimizer):
                self.refuse(fault)
            lead = self._rates[id(self._members[0])][1] if self._members else None
            rates = StepRates(optimizer, made, lead.reference if lead else None)
        if rates is None:
            self.others[made.number] = type(optimizer).__name__
        self._rates[id(optimizer)] = (optimizer, rates)
        if rates and not inner:
            self._join(optimizer, rates)
        return rates

    def _join(self, optimizer: Any, rates: StepRates) -> None:
        if any(each is optimizer for each in self._members):
            return
        self._members.append(optimizer)
        if self.updates >= PATIENCE:
            self._late.add(id(optimizer))
        if len(self._members) == 1 and self._job.describes:
            self.active = False  # lrfind makes steps of its own to measure their size
            try:
                self.curve.tell(trained=self._description.at_first_step(optimizer, rates))
            finally:
                self.active = True

    # Updates

    def _count(self, optimizer: Any) -> None:
        """Count the step of an optimizer for the update, and end that if all of them have stepped.

        Which ones there are shows after the first update.
        """
        self._skips = 0
        self._feed.step()
        if optimizer is self._members[0]:
            self._alone = 0
        elif self._succeeds(optimizer):
            self.end(StopReason.DATA_ENDED)
        self._losses.take()
        self._stepped.add(id(optimizer))
        shown = self.updates or self._feed.looks or len(self._lrs) == 1
        if shown and len(self._stepped) == len(self._members):
            self._close()

    def _succeeds(self, optimizer: Any) -> bool:
        """Tell whether a new training has begun: a late optimizer steps on and on, and the first one no longer does."""
        self._alone += id(optimizer) in self._late
        return self._alone > PATIENCE

    def _skip(self) -> None:
        """Drop the losses of an update that was skipped; its learning rate is tried again.

        A loss that is not finite counts all the same: no scale is small enough for it.
        """
        loss = self._losses.drop()
        self._feed.skip()
        self._skips += 1
        value = 0.0 if loss is None else float(loss)  # waits for the device, but only after a skip
        if not math.isfinite(value) or self._skips >= MAX_SKIPS:
            self._record(value if not math.isfinite(value) else math.inf)

    def _close(self) -> None:
        """End an update.

        Raises:
            Ended: It was the last one, or the loss has blown up.
        """
        loss = self._losses.of_update(first=not self.updates)
        if loss is None:
            self.refuse(self._losses.missing())
        else:
            self._record(loss)

    def _record(self, loss: Loss) -> None:
        """Take the loss of an update, and go on to the next learning rate unless it is one of a look."""
        self._stepped.clear()
        looks, count = self._feed.looks, len(self._lrs)
        if not (looks and looks.take(loss, self.updates, last=self.updates == count)):
            self.updates += 1
            if self.updates > len(self._job.warmup):
                self.curve.add(loss)
        if self.updates == PATIENCE and self._job.describes:
            self.curve.tell(plan=self._plan())
        if self.curve.stopped or (self.updates == count and (not looks or looks.over)):
            self.end(StopReason.COMPLETED)

    # Ends

    def end(self, reason: StopReason) -> None:
        """End the training; a loss that blew up before is the reason if there was one.

        Raises:
            Ended: Always.
        """
        self.curve.finish()
        self.ended = True
        self.curve.tell(
            end=(self.curve.stopped or reason).value,
            updates=self.updates,
            plan=self._plan() if self._job.describes and self._members else {},
            backwards=len(self._losses.names),
            others=self.others,
            child_seconds=sum(os.times()[2:4]),
            **(self._feed.looks.told() if self._feed.looks else {}),
        )
        raise Ended

    def _plan(self) -> dict[str, Any]:
        rates = [(each, self._rates[id(each)][1]) for each in self._members]
        swept = [(each, own) for each, own in rates if own]
        return self._description.plan(self.updates, self._losses, swept, others=bool(self.others))

    def refuse(self, fault: Fault) -> None:
        """End the training because it cannot be swept.

        Raises:
            Ended: Always.
        """
        self.ended = True
        self.curve.tell(refusal={name: getattr(fault, name) for name in ("key", "expected", "got", "fix", "problem")})
        raise Ended

    def _check_end(self) -> None:
        if self.ended:  # the script has caught it the first time
            raise Ended
