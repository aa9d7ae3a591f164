"""A training script as a workload: each training is the script run anew, in a process of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import lrfind
from lrfind.errors import DataError, Fault, Level, Note, first_line
from lrfind.observer import Observer
from lrfind.records.facts import ScriptFacts, UpdateSize
from lrfind.records.types import Group, StopReason, Sweep
from lrfind.scripts.job import LOOK_UPDATES, PAGE, HeldOut, Job, Script
from lrfind.scripts.runner import Run, Runner
from lrfind.workloads.script_faults import fault_of
from lrfind.workloads.script_looks import ScriptLooks, looks_at
from lrfind.workloads.workload import Workload

LEAST = 10
"""Updates below which a sweep shows nothing."""
SAME_START = 1e-3
"""Relative difference of the first losses of two trainings that start alike: devices round in different orders."""
LONG_SETUP_SECONDS = 5.0
"""A start of the script that is worth a word, as every training begins with one."""


@dataclass(frozen=True)
class Choice:
    """What of a script is swept.

    Attributes:
        optimizer: Name or number of the optimizer; None means all that are stepped.
        loss: Name of the loss, if an update has several; None means their sum.
        steps_given: Whether the user has said how long the training is.
        schedule_given: Whether the user has said what its schedule is.
    """

    optimizer: str | None = None
    loss: str | None = None
    steps_given: bool = False
    schedule_given: bool = False


@dataclass(kw_only=True)
class ScriptWorkload(Workload):
    """A script; every training starts it again.

    Attributes:
        script: What is run.
        choice: What of it is swept.
        runner: Runs it.
        device: Where it trains, by the name; "" before its first update.
        trained: What it told of its training before its first update.
        plan: What it told of its length and schedule.
    """

    script: Script
    runner: Runner
    choice: Choice = Choice()
    device: str = ""
    trained: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    _farthest: int = field(default=0, init=False)
    _starts_differ: bool = field(default=False, init=False)
    _looks_fail: bool = field(default=False, init=False)
    _first_losses: dict[bool, float] = field(default_factory=dict, init=False)
    """Of the first training, by whether it held samples out: then its first mini-batch is another."""

    @property
    def alone(self) -> bool:
        """Whether no other process trains with this one."""
        return self.runner.size == 1

    def count_epochs(self) -> None:
        """Leave them: the length of an epoch is known after the first training only."""

    def looks(self, steps: int) -> ScriptLooks | None:
        """Return what takes the losses on held-out samples, which a probe needs that goes through its data again."""
        at = self._looks_at(steps)
        return ScriptLooks(at) if at else None

    def look_updates(self, steps: int) -> int:
        """Return the updates that its looks cost a training of `steps`."""
        return LOOK_UPDATES * len(self._looks_at(steps))

    def _looks_at(self, steps: int) -> tuple[int, ...]:
        if self._looks_fail or not self.plan.get("held_out") or not self.alone or steps <= (self.unseen_steps or 0):
            return ()
        return looks_at(steps, self.most_steps or self.plan["steps"])

    def train(
        self,
        lrs: Sequence[float],
        observer: Observer,
        held_out: ScriptLooks | None = None,
    ) -> Sweep:
        """Run the script from its start, with one update per learning rate, and return the loss of every update.

        Raises:
            LrfindError: The script cannot be swept or failed; its `partial` is what was measured before.
        """
        first = not self.plan
        sweep = self._train(lrs, observer, held_out)
        if first and self.plan and sweep.stop_reason is StopReason.DATA_ENDED and lrs[-1] > lrs[0]:
            return self._shorter(sweep, observer)
        return sweep

    def _shorter(self, sweep: Sweep, observer: Observer) -> Sweep:
        """Sweep again with as many updates as the script makes."""
        made = len(sweep.losses)
        if made < LEAST:
            expected = f"at least {LEAST} updates of the weights, and $num_iter by default"
            fix = "let it train longer: pass it more epochs, or a smaller batch"
            raise DataError(Fault(self.script.name, expected=expected, got=str(made), fix=fix, docs=PAGE))
        settings, text = self.settings, f"{self.script.name} ends after {made} updates; sweeping with so many."
        self.settings = replace(settings, budget=settings.most_updates, sweep=replace(settings.sweep, num_iter=made))
        self.tell(Note(text, Level.WARNING), observer.on_note)
        return self._train(self.ladder(made), observer)

    def _train(self, lrs: Sequence[float], observer: Observer, looks: ScriptLooks | None = None) -> Sweep:
        observer.on_sweep(len(lrs))
        on_step = observer.on_step or (lambda index, lr, loss: None)
        run = self.runner.run(self._job(lrs, looks), lambda index, loss: on_step(index, lrs[index], loss))
        if looks and not looks.take(run):  # it has ended before its time: due to the looks?
            sweep = self._train(lrs, observer)
            self._looks_fail |= len(sweep.losses) > len(run.losses)
            return sweep
        self._check_start(run, observer, bool(looks))
        if "end" in run.last:
            self._farthest = max(self._farthest, len(run.losses))
        if run.interrupted:
            return self._sweep(lrs, run, StopReason.INTERRUPTED)
        self._learn(run, observer)
        if (reason := run.last.get("end")) is not None and run.last["updates"]:
            return self._sweep(lrs, run, StopReason(reason))
        error = fault_of(run, self.script.name)
        if run.losses:
            error.where = (f"step {len(run.losses) + 1}",)
            error.partial = self._sweep(lrs, run, StopReason.FAILED)
        if run.rank is not None:
            error.where = (f"rank {run.rank}", *error.where)
        if not self._ended_by_lr(lrs, run, observer):
            raise error
        text = f"A learning rate of {lrs[len(run.losses)]:.3g} is too high, as the script ends itself there: "
        self.tell(Note(text, literal=first_line(error)), observer.on_note)
        count = len(run.losses) + 1
        return Sweep(self.settings.seed, tuple(lrs[:count]), (*run.losses, math.nan), StopReason.NON_FINITE)

    def _ended_by_lr(self, lrs: Sequence[float], run: Run, observer: Observer) -> bool:
        """Tell whether the learning rate made a script end itself, as many do on a loss that is not finite.

        It did if another training comes farther on the same data. After a sweep, one at its first learning rate shows.
        """
        made = len(run.losses)
        if not ("error" in run.last or "exit" in run.last) or not 0 < made < len(lrs):
            return False
        if lrs[-1] > lrs[0] and made >= self._farthest:
            text = f"{self.script.name} ended itself; training with a lower learning rate to see whether that was why."
            self.tell(Note(text), observer.on_note)
            again = self.runner.run(self._job((lrs[0],) * (made + 1)), lambda index, loss: None)
            self._farthest = len(again.losses)
        return made < self._farthest

    def _sweep(self, lrs: Sequence[float], run: Run, reason: StopReason) -> Sweep:
        count = len(run.losses)
        return Sweep(self.settings.seed, tuple(lrs[:count]), tuple(run.losses), reason)

    def _job(self, lrs: Sequence[float], looks: ScriptLooks | None = None) -> Job:
        settings = self.settings
        return Job(
            self.script,
            seed=settings.seed,
            lrs=tuple(lrs),
            warmup=(settings.sweep.start_lr,) * settings.sweep.warmup_steps,
            optimizer=self.choice.optimizer,
            loss=self.choice.loss,
            stops=settings.sweep.stop_on_divergence,
            describes=not self.plan,
            measures=settings.probing,
            held_out=HeldOut(**self.plan["held_out"], at=looks.planned) if looks else None,
        )

    def _learn(self, run: Run, observer: Observer) -> None:
        """Keep what the first run of the script has told of its training."""
        if run.trained and not self.trained:
            self.trained = run.trained
            self.device = run.trained["device"]
            self.groups = tuple(Group(name, scale, None) for name, scale in run.trained["groups"])
            self.update_size = UpdateSize(*(run.trained[name] for name in ("normalized", "replacing_lr", "shrinks")))
        if run.plan and not self.plan:
            self.plan = run.plan
            if several := self.plan["several"]:
                self.groups = tuple(Group(name, scale, None) for name, scale in several["groups"])
            ended = run.last.get("updates") if run.last.get("end") == StopReason.DATA_ENDED.value else None
            self._tell_plan(observer)
            self._plan(self.plan["steps"] if ended is None else ended, self.plan["schedule"])
            self.unseen_steps = self.plan["unseen"]
            self.most_steps = ended
            if run.setup_seconds is not None and run.setup_seconds > LONG_SETUP_SECONDS:
                text = f"{self.script.name} takes {run.setup_seconds:.0f} s until its first update, in each training."
                self.tell(Note(text), observer.on_note)

    @property
    def doubtful(self) -> bool:
        """Whether its losses do not tell how well it trains: several optimizers lower their own, or starts differ."""
        return self.opposed or self._starts_differ

    @property
    def opposed(self) -> bool:
        """Whether the loss is the sum of those of several optimizers, which need not fall together."""
        return bool(self.plan.get("several")) and len(self.plan["losses"]) > 1 and self.choice.loss is None

    def _plan(self, steps: int | None, schedule: str) -> None:
        train = self.settings.train
        if train.epochs is not None and self.plan["per_epoch"]:
            steps = train.epochs * self.plan["per_epoch"]
        steps = train.steps if self.choice.steps_given else steps
        chosen: Any = train.schedule if self.choice.schedule_given else schedule
        self.settings = replace(self.settings, train=replace(train, steps=steps, epochs=None, schedule=chosen))

    def _tell_plan(self, observer: Observer) -> None:
        losses = self.plan["losses"]
        if len(losses) > 1 and self.choice.loss is None:
            names = ", ".join(each["name"] for each in losses)
            text = f"{len(losses)} losses per update: {names}. Their sum is taken; $loss_option takes one of them."
            if self.opposed:
                text += " That of several optimizers is no measure of how well they train together."
            self.tell(Note(text, Level.WARNING if self.opposed else Level.INFO), observer.on_note)
        if self.settings.train.epochs is not None and not self.plan["per_epoch"]:
            text = "The length of an epoch does not show; say $train_steps instead of the epochs."
            self.tell(Note(text, Level.WARNING), observer.on_note)
        if self.plan["moves_lr"] and not (self.choice.schedule_given and self.choice.steps_given):
            text = f"{self.script.name} sets its learning rate itself: say $schedule and $train_steps if that decays."
            self.tell(Note(text), observer.on_note)

    def _check_start(self, run: Run, observer: Observer, holds_out: bool) -> None:
        """Say so if a training does not start as the first one did: the loss of its first mini-batch is another."""
        if not run.losses:
            return
        first = self._first_losses.setdefault(holds_out, run.losses[0])
        if not math.isclose(run.losses[0], first, rel_tol=SAME_START):
            self._starts_differ = True
            text = (
                f"{self.script.name} starts from another loss than before ({run.losses[0]:.4g}, at first "
                f"{first:.4g}): does it resume from a checkpoint, or draw at random without a seed? "
                "$cwd_copy runs each training in a copy of the folder."
            )
            self.tell(Note(text, Level.WARNING), observer.on_note)

    @property
    def facts(self) -> ScriptFacts:
        """The script, and where it sets its learning rate."""
        trained = self.trained or {"peak_lr": None, "argument": "", "place": {"file": "", "line": 0, "through": ""}}
        return ScriptFacts(
            **vars(self.script),
            lr=trained["peak_lr"],
            setting=trained["argument"],
            **trained["place"],
            option=_option(trained.get("options", {}), trained["peak_lr"]),
            scheduler=self.plan.get("scheduler", ""),
        )

    @property
    def title(self) -> str:
        """What is trained, in a line."""
        trained = self.trained
        if not trained:
            return self.script.name
        batch = (f"batch {trained['batch_size']}",) if trained["batch_size"] else ()
        if self.runner.size > 1:
            batch = (f"{batch[0] if batch else 'own loader'} x {self.runner.size} processes",)
        several = self.plan.get("several") or {"models": [trained["model"]], "optimizers": [trained["optimizer"]]}
        names = (" + ".join(filter(None, several[kind])) for kind in ("models", "optimizers"))
        return ", ".join((*filter(None, names), *batch, self.device))

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, machine and size of the run, as its record keeps them."""
        size = self.trained.get("batch_size")
        return {
            "lrfind": lrfind.__version__,
            **self.trained.get("environment", {}),
            "effective_batch_size": size and size * self.runner.size,
            "normalized_updates": self.update_size.normalized,
            "updates_shrink": self.update_size.shrinks,
            "unseen_steps": self.unseen_steps,
            "seed": self.settings.seed,
        }


def _option(options: Mapping[str, float], lr: float | None) -> str:
    """Return the option whose value is the learning rate; "" if none is, or several that are not named after it."""
    equal = [name for name, value in options.items() if value == lr]
    named = [name for name in equal if "lr" in name.lower() or "learning" in name.lower()]
    return (named or equal)[0] if len(named or equal) == 1 else ""
