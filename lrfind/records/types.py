"""What the stages pass to each other: `Sweep` -> `Analysis` -> `Result`."""

from __future__ import annotations

import enum
import math
import statistics
from dataclasses import dataclass, field, replace
from typing import Any

from lrfind.errors.setting_names import Words
from lrfind.records.facts import LoopFacts, ScriptFacts
from lrfind.records.values import (
    Amount,
    Count,
    Described,
    LearningRate,
    Loss,
    Natural,
    Number,
    Seed,
    Share,
    Text,
    Updates,
)


class StopReason(str, enum.Enum):
    """Why a sweep ended."""

    COMPLETED = "completed"
    """Every learning rate of the ladder was trained with."""
    DIVERGED = "diverged"
    """The loss rose far beyond the range it had moved in."""
    NON_FINITE = "non_finite"
    """The loss became NaN or infinite; that loss is the last of the sweep."""
    DATA_ENDED = "data_ended"
    """The data ran out and could not be read a second time."""
    INTERRUPTED = "interrupted"
    """The user stopped the run."""
    FAILED = "failed"
    """The user's code raised after the first step."""

    @property
    def cut_short(self) -> bool:
        """Whether it ended early for a reason other than its losses."""
        return self in (StopReason.DATA_ENDED, StopReason.INTERRUPTED, StopReason.FAILED)


class Status(str, enum.Enum):
    """Whether a learning rate is suggested."""

    OK = "ok"
    NO_SUGGESTION = "no_suggestion"


class Refusal(str, enum.Enum):
    """Why no learning rate can be read from a sweep."""

    TOO_FEW_POINTS = "too_few_points"
    NON_FINITE_AT_START = "non_finite_at_start"
    DIVERGED_AT_ONCE = "diverged_at_once"
    FLAT = "flat"
    NOISE = "noise"
    NO_PLATEAU = "no_plateau"
    UNSURE = "unsure"
    STILL_DESCENDING = "still_descending"


@dataclass(frozen=True)
class Sweep(Described):
    """One measured learning-rate sweep."""

    seed: Seed
    """Seed of the weights and the batch order."""
    lrs: tuple[LearningRate, ...]
    """Learning rate of update i, shape `(n,)`."""
    losses: tuple[Loss, ...]
    """Raw loss of mini-batch i, measured with the weights before update i, shape `(n,)`. What `lrs[i]` did to the
    loss is therefore first seen in `losses[i + 1]`."""
    stop_reason: StopReason
    """Why the sweep ended."""
    updates_per_point: Updates | None = field(default=1.0, kw_only=True)
    """Updates that each entry stands for: an epoch of them, for example, in a curve from elsewhere; null if unknown."""


@dataclass(frozen=True)
class Probe(Described):
    """A short training from the start at one learning rate."""

    lr: LearningRate
    """The learning rate of all its updates."""
    steps: Count
    """Updates that were asked for."""
    losses: tuple[Loss, ...]
    """Raw loss of each mini-batch, shape `(n,)`; all probes see the same mini-batches."""
    stop_reason: StopReason
    """Why it ended."""
    held_out_steps: tuple[Natural, ...] = ()
    """Updates after which the loss on held-out data was measured, from 0 to `steps`, shape `(k,)`; empty without."""
    held_out: tuple[tuple[Loss, ...], ...] = ()
    """Losses on the held-out batches, shape `(k, batches)`; the same batches for all probes. In evaluation mode, but
    those of a script in the mode that it trains in, and each of the batches of an update."""
    shuffled: tuple[Loss, ...] = ()
    """Losses on the held-out batches after the last update, each target with the inputs of another sample, shape
    `(batches,)`: no worse if only a constant was learned. Empty where the inputs of a batch are unknown."""

    @property
    def end_loss(self) -> float:
        """The mean loss of the last quarter; infinite if the training did not reach its end."""
        if len(self.losses) < self.steps or self.stop_reason is not StopReason.COMPLETED:
            return math.inf
        return statistics.fmean(losses) if math.isfinite(sum(losses := self.losses[-self.counted :])) else math.inf

    @property
    def counted(self) -> int:
        """Losses at the end that it is judged by: its last quarter."""
        return max(1, round(self.steps / 4))


@dataclass(frozen=True)
class Group(Described):
    """A parameter group of the optimizer, whose learning rate is a multiple of the swept one, or fixed."""

    name: Text
    """Its name in the config or the optimizer."""
    lr_scale: Amount | None
    """Its learning rate over the swept one; None for a group that is not swept."""
    fixed_lr: Amount | None
    """The learning rate of a group that is not swept."""

    def lr(self, swept: float) -> float:
        """Return the group's learning rate when the swept one is `swept`."""
        return self.fixed_lr if self.lr_scale is None and self.fixed_lr is not None else (self.lr_scale or 0.0) * swept


@dataclass(frozen=True)
class Candidate(Described):
    """The learning rate that one reading method proposes; `lr` is None if the method finds none."""

    method: Text
    lr: LearningRate | None
    note: Text


@dataclass(frozen=True)
class Landmarks(Described):
    """The features of a smoothed loss-vs-LR curve."""

    plateau_loss: Number
    """Loss before the learning rate is large enough to matter."""
    noise: Number
    """Standard deviation of the loss from batch to batch on the plateau."""
    significance: Number
    """plateau_loss - minimum_loss in its standard errors."""
    steepest_lr: LearningRate
    """Learning rate of the steepest descent."""
    steepest_slope: Number
    """Slope there, in loss per decade of learning rate (negative)."""
    descent_end_lr: LearningRate
    """Learning rate at which the loss has dropped most of the way from plateau to minimum."""
    minimum_lr: LearningRate
    """Learning rate of the minimum."""
    minimum_loss: Number
    """Smoothed loss there."""
    divergence_lr: LearningRate | None
    """Learning rate at which the curve rises above its plateau, or the sweep diverged; None without either."""


@dataclass(frozen=True)
class Analysis:
    """What was read from one sweep.

    Attributes:
        status: Whether a learning rate is suggested.
        reason: Why none is; None when one is.
        message: The finding in a sentence or two, with what to do next.
        method: Name of the candidate that was chosen; None without a suggestion.
        suggested_lr: The suggestion for the schedule of the training; None without one.
        suggested_lrs: The suggestion for each schedule: the constant learning rate, or the peak; empty without one.
        safe_range: (low, high) around the suggestion; None without one.
        confidence: 0 to 1; 0 without a suggestion.
        candidates: One entry per method.
        landmarks: Features of the curve; None when there were too few points to find any.
        smoothed: Smoothed loss after an update at `lrs[i]`, shape `(n,)`; NaN if there is none.
    """

    status: Status
    reason: Refusal | None
    message: str
    method: str | None
    suggested_lr: float | None
    suggested_lrs: dict[str, float]
    safe_range: tuple[float, float] | None
    confidence: float
    candidates: tuple[Candidate, ...]
    landmarks: Landmarks | None
    smoothed: tuple[float, ...]

    def in_words(self, words: Words) -> Analysis:
        """Return the analysis with its texts in the words of an audience."""
        candidates = tuple(replace(each, note=words.fill(each.note)) for each in self.candidates)
        return replace(self, message=words.fill(self.message), candidates=candidates)

    @property
    def by_probes(self) -> bool:
        """Whether short trainings have decided, and not the curve."""
        return self.method == "probes"

    @property
    def constant_lr(self) -> float | None:
        """The suggestion for a constant learning rate, also if the sweep was read for a schedule."""
        return None if self.suggested_lr is None else self.suggested_lrs.get("constant", self.suggested_lr)


@dataclass(frozen=True)
class Repeat(Described):
    """What the run of one seed suggested; `suggested_lr` is None if it suggested none."""

    seed: Seed
    suggested_lr: LearningRate | None
    confidence: Share


@dataclass(frozen=True)
class Result:
    """The whole outcome of a run.

    Attributes:
        sweeps: Every sweep in the order it was run, at least one.
        smoothed: The smoothed curve of each sweep, as in `Analysis.smoothed`.
        used: Index of the sweep that the suggestion comes from.
        analysis: What was read from that sweep.
        title: One line that says what was swept (model, optimizer, batch size, device).
        source: The config as the user named it; None if there was none.
        config: The resolved config; empty for the objects of a script, which have none.
        environment: Versions, device and seed.
        timing: Seconds, by stage.
        error: Message of the fault that cut the run short; None when none did.
        probes: Short trainings that checked that sweep, in the order run.
        groups: The parameter groups of the optimizer.
        repeats: What each seed suggested, if more than one was run.
        interrupted: Whether the user stopped the run early.
        settings: How it was swept, probed and read, as nested plain values; empty in records that lack it.
        script: The script that was run, and where it sets its learning rate; None if none was.
        loop: What code that trains in the same way needs to know; None if that is unknown.
    """

    sweeps: tuple[Sweep, ...]
    smoothed: tuple[tuple[float, ...], ...]
    used: int
    analysis: Analysis
    title: str
    config: dict[str, Any]
    environment: dict[str, Any]
    timing: dict[str, float]
    error: str | None = None
    probes: tuple[Probe, ...] = ()
    groups: tuple[Group, ...] = ()
    repeats: tuple[Repeat, ...] = ()
    interrupted: bool = False
    source: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    script: ScriptFacts | None = None
    loop: LoopFacts | None = None

    @property
    def cut_short(self) -> bool:
        """Whether it ended early."""
        return self.interrupted or self.error is not None

    @property
    def spread(self) -> float | None:
        """Standard deviation of log10 of the suggestions over the repeats, in decades; None below two of them."""
        exponents = [math.log10(repeat.suggested_lr) for repeat in self.repeats if repeat.suggested_lr is not None]
        return statistics.stdev(exponents) if len(exponents) > 1 else None

    @property
    def group_lrs(self) -> dict[str, float]:
        """The learning rate of each parameter group at the suggestion, by name; empty without a suggestion."""
        suggested = self.analysis.suggested_lr
        return {} if suggested is None else {group.name: group.lr(suggested) for group in self.groups}

    @property
    def sweep(self) -> Sweep:
        """The sweep that the suggestion comes from."""
        return self.sweeps[self.used]
