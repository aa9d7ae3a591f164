"""What short trainings around a learning rate show: `Probe`s -> `Course`s -> `Explanation`."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from lrfind.records.types import Probe, StopReason


class Outcome(str, enum.Enum):
    """How a training ended; alpha is the learning rate that the others are compared with."""

    DESCENDS = "descends"
    """It ends below the start, and is the one at alpha; or that one does not descend itself."""
    FASTER = "descends faster"
    """It ends below the one at alpha, and was where that one ends after half of the steps."""
    AS_WELL = "also descends"
    """Neither it nor the one at alpha lags behind the other."""
    CRAWLS = "crawls"
    """A smaller learning rate than alpha, and it lags behind it, or has not left the start."""
    LAGS = "lags"
    """A larger learning rate than alpha that lags behind it all the same."""
    OVERSHOOTS = "overshoots"
    """As `LAGS`, and it rose above the start before it fell."""
    DIVERGES = "diverges"
    """It blew up, or rose above the start and did not come back below it."""
    STALLS = "stalls"
    """It neither fell nor rose by more than chance."""
    FAILS = "fails"
    """The code of the training raised."""
    UNFINISHED = "unfinished"
    """It was interrupted, or ran out of data."""


@dataclass(frozen=True)
class Start:
    """The loss before any training.

    Attributes:
        loss: Its mean over mini-batches.
        noise: Standard deviation from batch to batch.
        error: Standard error of `loss`.
    """

    loss: float
    noise: float
    error: float


@dataclass(frozen=True)
class Course:
    """How a training went.

    Attributes:
        probe: The training.
        smoothed: Its smoothed loss, up to the first that is not finite, shape `(n,)`. What is far above the start
            counts as at a ceiling there.
        outcome: What became of it.
        peak_loss: The highest median of five successive losses; None if it was never above the start by more than
            chance.
        drop_share: Its drop, from the start to its end, over that of alpha; None if alpha has none, or it has no end.
        most_steps: Steps after which 90 % of alpha's drop were made; None if they were not.
        alpha_steps: Steps after which alpha was where this training ends; None if it does not descend, or cannot be
            compared.
    """

    probe: Probe
    smoothed: tuple[float, ...]
    outcome: Outcome
    peak_loss: float | None
    drop_share: float | None
    most_steps: int | None
    alpha_steps: int | None


@dataclass(frozen=True)
class Run(Course):
    """One of the trainings of an explanation: how it went, and what to say of it.

    Attributes:
        factor: Its learning rate over alpha.
        role: The same in words: a tenth, suggested, ten times.
        note: What became of it in a sentence, with numbers.
        error: Message of the fault that ended it; None if none did.
    """

    factor: float
    role: str
    note: str
    error: str | None

    @property
    def lr(self) -> float:
        """Its learning rate."""
        return self.probe.lr


@dataclass(frozen=True)
class Explanation:
    """What short trainings show.

    Attributes:
        alpha: The learning rate that is explained.
        steps: Updates of each training.
        start: The loss before any training.
        runs: The trainings, by rising learning rate.
        message: What they say together.
        title: What was trained.
        source: Name of the config.
    """

    alpha: float
    steps: int
    start: Start
    runs: tuple[Run, ...]
    message: str
    title: str
    source: str

    @property
    def of_alpha(self) -> Run:
        """The training at alpha."""
        return next(run for run in self.runs if run.lr == self.alpha)

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped it before its end."""
        return any(run.probe.stop_reason is StopReason.INTERRUPTED for run in self.runs)
