"""How to sweep, probe and analyze, and what is known of the training: plain values, without a config around them.

The command line, a config and `find_lr` share them. Each field has its type, default and range here and nowhere else:
pydantic reads them for a config, `checked` for Python.
"""

from __future__ import annotations

import numbers
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from annotated_types import Ge, Le, Lt

from lrfind.errors import ConfigError, Fault, MisfitError
from lrfind.errors.setting_names import KEYS

Schedule = Literal["constant", "cosine", "linear", "onecycle"]
SHAPES: dict[str, Schedule] = {  # the functions behind the LambdaLRs of transformers among them
    "OneCycle": "onecycle",
    "osine": "cosine",
    "inear": "linear",
    "olynomial": "linear",
}
"""The shape of a schedule, by a part of the name of its scheduler."""
"""What a learning rate is for: a constant one, or the peak of a schedule that decays to 0."""
Method = Literal["auto", "steepest", "descent_end", "valley", "minimum"]
"""How a learning rate is read from a curve."""
Precision = Literal["fp32", "bf16", "fp16"]
Mode = Literal["exponential", "linear"]
"""Whether the updates of a sweep are spaced evenly in log(LR) or in LR."""
T = TypeVar("T")


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise MisfitError(Fault(expected="a number", got=str(value).lower()))
    return value


class Number:
    """Marks a field as a number: pydantic would take true for 1."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> dict[str, Any]:
        """Return pydantic's schema of the field behind the check, in the plain form that pydantic takes."""
        before = {"type": "no-info", "function": _no_bool}
        return {"type": "function-before", "function": before, "schema": handler(source)}


LEAST, MOST = 1e-50, 1e50
"""Of all settings that are real numbers: products and quotients of two of them stay within what a record takes."""
MOST_COUNT = 10**9
MOST_STEPS = 10_000
"""Of one sweep: smoothing takes memory with their square, here 4 GB."""

Positive = Annotated[float, Ge(LEAST), Le(MOST), Number()]
"""A number above 0."""
LearningRate = Positive
Count = Annotated[int, Ge(1), Le(MOST_COUNT), Number()]
"""A whole number, 1 or above."""
Times = Annotated[int, Ge(1), Le(1_000_000), Number()]
"""How often something is done for one update."""
Steps = Annotated[int, Ge(10), Le(MOST_COUNT), Number()]
"""Updates of all that is trained, or of a probe: fewer show nothing."""
SweepSteps = Annotated[int, Ge(10), Le(MOST_STEPS), Number()]
"""Updates of a sweep."""
Seed = Annotated[int, Ge(0), Lt(2**32), Number()]

_STRICT = {"extra": "forbid"}
"""Tells pydantic that an unknown key is a fault."""


@dataclass(frozen=True)
class SweepSettings:
    """The learning-rate sweep."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    start_lr: LearningRate = 1e-7
    """Learning rate of the first update."""
    end_lr: LearningRate = 10.0
    """Learning rate of the last update."""
    num_iter: SweepSteps = 100
    """Updates, one mini-batch each; `train.accumulate` mini-batches, if that is set."""
    warmup_steps: Annotated[int, Ge(0), Le(MOST_STEPS), Number()] = 0
    """Updates at `start_lr` that are not recorded, for the averages of BatchNorm and of the optimizer to settle."""
    max_iter: SweepSteps = 400
    """Without probes: while noise hides the descent, the sweep runs again with two or four times the updates, up to
    this many."""
    repeats: Annotated[int, Ge(1), Le(1000), Number()] = 1
    """Runs with successive seeds, each with its probes. The median of their suggestions counts, in log(LR)."""
    mode: Mode = "exponential"
    """Whether the updates are spaced evenly in log(LR) or in LR."""
    stop_on_divergence: bool = True
    """Whether to end the sweep when the loss has blown up. A loss that is not finite always ends it."""

    def __post_init__(self) -> None:
        if self.start_lr >= self.end_lr:
            expected, got = f"a learning rate below the last one, {self.end_lr:g}", f"{self.start_lr:g}"
            fix = "lower $start_lr or raise $end_lr"
            raise MisfitError(Fault("sweep.start_lr", expected=expected, got=got, fix=fix))


@dataclass(frozen=True)
class TrainSettings:
    """How the real training runs, as far as its learning rate depends on it."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    schedule: Schedule = "constant"
    """What the learning rate is for: a constant one, or the peak of a schedule that decays to 0."""
    steps: Count | None = None
    """Updates of the real training, if known: the longer it is, the lower its best constant learning rate."""
    epochs: Count | None = None
    """Instead of its updates, its epochs: passes over all mini-batches, whose number must be known."""
    accumulate: Times = 1
    """Mini-batches whose gradients are averaged in one update; the learning rate moves once per update."""
    world_size: Times = 1
    """Processes of the real training. One process stands for all: it makes each update from as many times the
    mini-batches. Under torchrun it need not be set."""
    clip_grad_norm: Positive | None = None
    """Norm of all gradients together above which they are scaled down."""
    clip_grad_value: Positive | None = None
    """Absolute value that each element of a gradient is clipped to."""

    def __post_init__(self) -> None:
        if self.clip_grad_norm is not None and self.clip_grad_value is not None:
            expected = "either $clip_grad_norm or $clip_grad_value"
            raise MisfitError(Fault("train.clip_grad_norm", expected=expected, got="both", fix="drop one"))
        if self.steps is not None and self.epochs is not None:
            expected = "either $train_steps or $train_epochs"
            raise MisfitError(Fault("train.epochs", expected=expected, got="both", fix="drop one"))


@dataclass(frozen=True)
class ProbeSettings:
    """Probes: short trainings from the start, each at one learning rate, that check what the sweep says."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    enabled: bool = True
    """Whether to probe. If not, the suggestion is read from the curve alone."""
    steps: Steps | None = None
    """Updates of each probe at first. If not set, three of them share what the sweep leaves of the budget."""
    max_probes: Annotated[int, Ge(3), Le(1000), Number()] = 6
    """Probes of one length at the most."""


@dataclass(frozen=True)
class AnalysisSettings:
    """How the suggestion is read from the curve."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    method: Method = "auto"
    """The candidate to suggest. `auto` is what the probes say, or the end of the descent without them; any other is
    read from the curve alone."""


USUAL, REFINED = 3, 10
"""Updates of a search over those of its sweep."""


@dataclass(frozen=True)
class Settings:
    """Everything that a search needs to know beside what is trained."""

    seed: Seed = 0
    """Seed of the weights and of the batch order."""
    precision: Precision = "fp32"
    """bf16 and fp16 run the step under autocast, fp16 with a scaled loss (GradScaler)."""
    refine: bool = False
    """Whether to probe longer, with a budget of ten times the updates of the sweep."""
    budget: Steps | None = None
    """Updates of the sweep and its probes together, at the most. If not set, three times those of the sweep: 300, as
    a rule; with `refine` ten times: 1000."""
    max_time: Positive | None = None
    """Seconds after which no further probe begins; one that would last longer does not begin either."""
    sweep: SweepSettings = field(default_factory=SweepSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    probes: ProbeSettings = field(default_factory=ProbeSettings)
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)

    @property
    def probing(self) -> bool:
        """Whether probes check the sweep."""
        return self.probes.enabled and self.analysis.method == "auto"

    @property
    def most_updates(self) -> int:
        """Updates of the sweep and its probes together, at the most."""
        return self.budget or (REFINED if self.refine else USUAL) * self.sweep.num_iter

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as nested plain values."""
        return asdict(self)


SECTIONS: Mapping[str, type[Any]] = {
    "sweep": SweepSettings,
    "train": TrainSettings,
    "probes": ProbeSettings,
    "analysis": AnalysisSettings,
}


def settings_of(arguments: Mapping[str, Any], source: str = "find_lr") -> Settings:
    """Return the settings that arguments of `find_lr` make.

    Args:
        arguments: Settings by their names as arguments (`lrfind.errors.setting_names.KEYS`).
        source: Who is given them, for error messages.

    Raises:
        ConfigError: One or more are of another type than expected or out of range, or do not go together.
    """
    values: dict[str, dict[str, Any]] = {"": {}, **{section: {} for section in SECTIONS}}
    for argument, value in arguments.items():
        section, _, name = KEYS[argument].rpartition(".")
        values[section][name] = _plain(value)
    faults = [fault for section, given in values.items() for fault in _faults(section, given)]
    if not faults:
        try:
            sections = {section: kind(**values[section]) for section, kind in SECTIONS.items()}
            return Settings(**values[""], **sections)
        except MisfitError as misfit:
            faults.append(misfit.fault)
    raise ConfigError(source, faults)


def _plain(value: Any) -> Any:
    """Return a number as one of Python's own, which JSON can hold."""
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) and not isinstance(value, bool) else value


def _faults(section: str, values: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a fault for each value that its field does not take."""
    hints = typing.get_type_hints(SECTIONS.get(section, Settings), include_extras=True)
    for name, value in values.items():
        if expected := unlike(value, hints[name]):
            yield Fault(f"{section}.{name}".lstrip("."), expected=expected, got=repr(value))


def unlike(value: Any, hint: Any) -> str:
    """Return what a field expects, in words, if it does not take a value; "" if it does."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return "" if value in arguments else listed(arguments)
    if origin in (types.UnionType, typing.Union):
        expected = unlike(value, next(each for each in arguments if each is not type(None)))
        return "" if value is None or not expected else f"{expected}, or None"
    if origin is Annotated:
        return (
            ""
            if _is_a(value, arguments[0]) and all(_holds(value, limit) for limit in arguments[1:])
            else range_of(arguments[0], arguments[1:])
        )
    return "" if _is_a(value, hint) else {bool: "True or False"}.get(hint, f"a value of type {hint}")


def _is_a(value: Any, kind: type[Any]) -> bool:
    if kind is bool:
        return isinstance(value, bool)
    kinds: dict[type[Any], type[Any]] = {int: numbers.Integral, float: numbers.Real}  # NumPy's are among them
    return isinstance(value, kinds.get(kind, kind)) and not isinstance(value, bool)


def _holds(value: Any, limit: Any) -> bool:
    if isinstance(limit, Ge):
        return bool(value >= limit.ge)
    if isinstance(limit, Le):
        return bool(value <= limit.le)
    return not isinstance(limit, Lt) or bool(value < limit.lt)


def schedule_named(name: str) -> Schedule | None:
    """Return the shape of a schedule by the name of its scheduler, or of the function of it; None if unknown."""
    return next((shape for part, shape in SHAPES.items() if part in name), None)


def range_of(kind: type[Any], limits: Any) -> str:
    """Return the numbers that a field takes, in words."""
    low = next((limit.ge for limit in limits if isinstance(limit, Ge)), None)
    most = next((limit.le for limit in limits if isinstance(limit, Le)), None)
    if kind is float:
        return f"a finite number above 0, from {low:g} to {most:g}"
    upper = f"at most {most:,}" if most else next(f"below {limit.lt}" for limit in limits if isinstance(limit, Lt))
    return f"a whole number of at least {low} and {upper}"


def listed(choices: typing.Iterable[Any]) -> str:
    """Return choices as "a, b or c"."""
    *others, last = map(str, choices)
    return f"{', '.join(others)} or {last}" if others else last
