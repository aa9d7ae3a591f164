"""The learning rate of each update of a script, and its losses as they become known.

With one optimizer, each of its steps is an update. Several optimizers that step in turn make one together: it begins
with a step of the one that came first.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from lrfind.errors import Fault
from lrfind.records.types import StopReason
from lrfind.scripts.describe import Description
from lrfind.scripts.feed import Feed
from lrfind.scripts.job import Job
from lrfind.scripts.losses import BackwardLosses, Loss
from lrfind.scripts.optimizers import MadeOptimizers, StepRates, overflowed
from lrfind.scripts.report import Report
from lrfind.training.loss_readers import LossReader, loss_reader
from lrfind.training.stop_rule import StopRule
from lrfind.training.sweepable import why_not_swept
from lrfind.training.trace import Trace

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
        updates: Those that were made, with those before the first recorded one.
    """

    def __init__(self, job: Job, report: Report, made: MadeOptimizers, feed: Feed, description: Description) -> None:
        """Make a recorder.

        Args:
            job: What to train.
            report: Is told the losses.
            made: The optimizers that the script makes.
            feed: What becomes of its mini-batches.
            description: Reads what is trained, if the job wants that.
        """
        self.active = True
        self.ended = False
        self.updates = 0
        self._job, self._report, self._made, self._feed, self._description = job, report, made, feed, description
        self._lrs: Sequence[float] = (*job.warmup, *job.lrs)
        self._trace = Trace(job.seed, job.lrs, StopRule() if job.stops else None, report.loss)
        self._reader: LossReader | None = None
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
        self._steps = self._skips = self._depth = 0

    # What the script does

    def begin_backward(self, tensors: Any, gradients: Any, frame: FrameType | None) -> bool:
        """Take the loss of a backward pass; return whether `end_backward` must follow."""
        if not self.active or self.ended:
            return False
        if self._losses.begin(tensors, gradients, frame):
            self._feed.use()
        return True

    def end_backward(self) -> None:
        """Note that a backward pass has ended."""
        self._losses.end()

    def before_step(self, optimizer: Any) -> None:
        """Set the learning rates of an optimizer that is about to step.

        Raises:
            Ended: The training has come to its end.
        """
        if not self.active:
            return
        self._check_end()
        rates = self._rates_of(optimizer)
        if rates and not self._depth and self._stepped and optimizer is self._members[0]:
            self._close()
        self._depth += 1
        if rates:
            rates.set(self._lrs[min(self.updates, len(self._lrs) - 1)])  # a look may follow the last

    def after_step(self, optimizer: Any) -> None:
        """Put back the learning rates of an optimizer that has stepped; that may end the update.

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
        known = self._rates.get(id(optimizer))
        if known and known[0] is optimizer and (known[1] is None or known[1].fits):
            return known[1]
        made = self._made.of(optimizer)
        rates, inner = None, self._depth > 0  # an optimizer within another one, which has been chosen
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
                self._report.tell(trained=self._description.at_first_step(optimizer, rates))
            finally:
                self.active = True

    # Updates

    def _count(self, optimizer: Any) -> None:
        """Count the step of an optimizer for the update, and end that if all of them have stepped.

        Which ones there are shows after the first update.
        """
        self._skips = 0
        self._feed.step()
        if self._succeeds(optimizer):
            self.end(StopReason.DATA_ENDED)
        self._losses.take()
        self._stepped.add(id(optimizer))
        shown = self.updates or self._feed.looks or len(self._lrs) == 1
        if shown and len(self._stepped) == len(self._members):
            self._close()

    def _succeeds(self, optimizer: Any) -> bool:
        """Tell whether a new training has begun: a late optimizer steps on and on, and the first one no longer does."""
        if optimizer is self._members[0]:
            self._alone = 0
        elif id(optimizer) in self._late:
            self._alone += 1
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
        self._stepped = set()
        looks, count = self._feed.looks, len(self._lrs)
        if not (looks and looks.take(loss, self.updates, last=self.updates == count)):
            self.updates += 1
            if self.updates > len(self._job.warmup):
                self._take(self._read(loss))
        if self.updates == PATIENCE and self._job.describes:
            self._report.tell(plan=self._plan())
        if self._trace.stopped or (self.updates == count and (not looks or looks.over)):
            self.end(StopReason.COMPLETED)

    def _read(self, loss: Loss) -> list[float]:
        if isinstance(loss, float):
            return [loss]
        if self._reader is None:
            self._reader = loss_reader(loss.device, len(self._job.lrs), alone=True)
        return self._reader.push(loss)

    def _take(self, arrived: Sequence[float]) -> None:
        if self._job.decides:
            self._trace.extend(arrived)
        else:
            for loss in arrived:
                self._report.loss(0, 0.0, loss)

    # Ends

    def end(self, reason: StopReason) -> None:
        """End the training; a loss that blew up before is the reason if there was one.

        Raises:
            Ended: Always.
        """
        if self._reader:
            self._take(self._reader.drain())
        self.ended = True
        self._report.tell(
            end=(self._trace.stopped or reason).value,
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
        self._report.tell(refusal={name: getattr(fault, name) for name in ("key", "expected", "got", "fix", "problem")})
        raise Ended

    def _check_end(self) -> None:
        if self.ended:  # the script has caught it the first time
            raise Ended
