"""What the stages hand on to each other, and its JSON form: `Sweep` -> `Analysis` -> `Result`.

The JSON is strict (a number that is not finite is null) and carries a schema number. Reading a document
back gives an equal `Result`.
"""

from __future__ import annotations

import enum
import json
import math
from dataclasses import dataclass
from typing import Any, cast

from lrfind.errors import RecordError

SCHEMA = 1
"""Number of the JSON layout; it rises when a reader of the old layout would misread the new one."""


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
        """Whether it ended before its time for a reason that is not in the losses."""
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
class Sweep:
    """One learning-rate sweep as it was measured.

    Attributes:
        seed: Seed of the weights and the batch order.
        lrs: Learning rate of update i, shape `(n,)`.
        losses: Raw loss of mini-batch i, measured with the weights before update i, shape `(n,)`.
            What `lrs[i]` did to the loss is therefore first seen in `losses[i + 1]`.
        stop_reason: Why the sweep ended.
    """

    seed: int
    lrs: tuple[float, ...]
    losses: tuple[float, ...]
    stop_reason: StopReason


@dataclass(frozen=True)
class Probe:
    """A short training from the start at one learning rate.

    Attributes:
        lr: The learning rate of all its updates.
        steps: Updates that it was to have.
        losses: Raw loss of each mini-batch, shape `(n,)`; the mini-batches are those of every other probe.
        stop_reason: Why it ended.
    """

    lr: float
    steps: int
    losses: tuple[float, ...]
    stop_reason: StopReason

    @property
    def end_loss(self) -> float:
        """The mean loss of the last quarter; infinite if the training did not get to its end."""
        return self.loss_after(self.steps)

    def loss_after(self, steps: int) -> float:
        """Return the mean loss of the last quarter of the first `steps` steps; infinite if it ended by then."""
        if len(self.losses) < steps or (len(self.losses) == steps and self.stop_reason is not StopReason.COMPLETED):
            return math.inf
        last = self.losses[steps - max(1, round(steps / 4)) : steps]
        return sum(last) / len(last)


@dataclass(frozen=True)
class Candidate:
    """The learning rate that one reading method proposes; `lr` is None where the method finds nothing."""

    method: str
    lr: float | None
    note: str


@dataclass(frozen=True)
class Landmarks:
    """The features of a smoothed loss-vs-LR curve.

    Attributes:
        plateau_loss: Loss before the learning rate is large enough to matter.
        noise: Standard deviation of the loss from batch to batch on the plateau.
        significance: plateau_loss - minimum_loss in its standard errors.
        steepest_lr: Learning rate of the steepest descent.
        steepest_slope: Slope there, in loss per decade of learning rate (negative).
        descent_end_lr: Learning rate at which most of the drop from plateau to minimum is made.
        minimum_lr: Learning rate of the minimum.
        minimum_loss: Smoothed loss there.
        divergence_lr: Learning rate at which the curve rises above its plateau, or the sweep blew up;
            None when neither happened.
    """

    plateau_loss: float
    noise: float
    significance: float
    steepest_lr: float
    steepest_slope: float
    descent_end_lr: float
    minimum_lr: float
    minimum_loss: float
    divergence_lr: float | None


@dataclass(frozen=True)
class Analysis:
    """What was read from one sweep.

    Attributes:
        status: Whether a learning rate is suggested.
        reason: Why none is; None when one is.
        message: The finding in a sentence or two, with what to do next.
        method: Name of the candidate that was chosen; None without a suggestion.
        suggested_lr: The suggestion for the schedule of the training; None when the curve does not say.
        suggested_lrs: The suggestion for each schedule: the constant learning rate, or the peak; empty without one.
        safe_range: (low, high) around the suggestion; None without one.
        confidence: 0 to 1; 0 without a suggestion.
        candidates: One entry per method.
        landmarks: Features of the curve; None when there were too few points to find any.
        smoothed: Smoothed loss after an update at `lrs[i]`, shape `(n,)`; NaN where there is none.
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


@dataclass(frozen=True)
class Result:
    """The whole outcome of a run.

    Attributes:
        sweeps: Every sweep in the order it was run, at least one.
        smoothed: The smoothed curve of each sweep, as in `Analysis.smoothed`.
        used: Index of the sweep that the suggestion comes from.
        analysis: What was read from that sweep.
        title: One line that says what was swept (model, optimizer, batch size, device).
        config: The resolved config.
        environment: Versions, device and seed.
        timing: Seconds, by stage.
        error: Message of the fault that cut the run short; None when none did.
        probes: Short trainings that refined the suggestion, in the order run; empty without `refine`.
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

    @property
    def sweep(self) -> Sweep:
        """The sweep that the suggestion comes from."""
        return self.sweeps[self.used]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document as plain Python values, without any non-finite number."""
        document = {
            "schema": SCHEMA,
            **{name: getattr(self.analysis, name) for name in _ANALYSIS_KEYS},
            "candidates": [vars(candidate) for candidate in self.analysis.candidates],
            "landmarks": self.analysis.landmarks and vars(self.analysis.landmarks),
            "stop_reason": self.sweep.stop_reason,
            "error": self.error,
            "sweeps": [
                {**vars(sweep), "smoothed": smoothed, "used": index == self.used}
                for index, (sweep, smoothed) in enumerate(zip(self.sweeps, self.smoothed, strict=True))
            ],
            "probes": [vars(probe) for probe in self.probes],
            "title": self.title,
            "config": self.config,
            "environment": self.environment,
            "timing": self.timing,
        }
        return cast(dict[str, Any], _finite(document))

    def to_json(self) -> str:
        """Return the JSON document as text; the same result gives the same text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Read a document that `to_json` wrote.

        Raises:
            RecordError: The text is no JSON, of another schema, or lacks a key.
        """
        try:
            document = json.loads(text)
            if document["schema"] != SCHEMA:
                raise RecordError(
                    f"schema: expected {SCHEMA}, got {document['schema']!r}; "
                    "read this record with the lrfind version that wrote it"
                )
            return _result_from(document)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise RecordError(f"not a record of lrfind: {type(error).__name__}: {error}") from error


_ANALYSIS_KEYS = ("status", "reason", "message", "suggested_lr", "suggested_lrs", "safe_range", "confidence", "method")


def _result_from(document: dict[str, Any]) -> Result:
    sweeps = document["sweeps"]
    smoothed = tuple(_numbers(sweep["smoothed"]) for sweep in sweeps)
    used = [sweep["used"] for sweep in sweeps].index(True)
    landmarks = document["landmarks"]
    analysis = Analysis(
        **{name: document[name] for name in ("message", "suggested_lr", "suggested_lrs", "confidence", "method")},
        status=Status(document["status"]),
        reason=Refusal(document["reason"]) if document["reason"] else None,
        safe_range=tuple(document["safe_range"]) if document["safe_range"] else None,
        candidates=tuple(Candidate(**candidate) for candidate in document["candidates"]),
        landmarks=Landmarks(**landmarks) if landmarks else None,
        smoothed=smoothed[used],
    )
    return Result(
        sweeps=tuple(
            Sweep(
                seed=sweep["seed"],
                lrs=_numbers(sweep["lrs"]),
                losses=_numbers(sweep["losses"]),
                stop_reason=StopReason(sweep["stop_reason"]),
            )
            for sweep in sweeps
        ),
        smoothed=smoothed,
        used=used,
        analysis=analysis,
        probes=tuple(
            Probe(probe["lr"], probe["steps"], _numbers(probe["losses"]), StopReason(probe["stop_reason"]))
            for probe in document["probes"]
        ),
        **{name: document[name] for name in ("title", "config", "environment", "timing", "error")},
    )


def _numbers(values: list[float | None]) -> tuple[float, ...]:
    return tuple(math.nan if value is None else float(value) for value in values)


def _finite(value: Any) -> Any:
    """Return a copy of `value` in JSON types, with None for every number that is not finite."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value if value is None or isinstance(value, (str, int)) else str(value)
