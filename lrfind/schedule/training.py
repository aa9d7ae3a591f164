"""What a record says of the training that a schedule is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, ValidationError

from lrfind.analysis.recorded import settings_of_record
from lrfind.config.schema import Config, ParamGroup
from lrfind.errors import Fault, RecordError
from lrfind.errors.fault import MisfitError
from lrfind.records.facts import LoopFacts
from lrfind.records.types import Result


class _Recorded(Config):
    """The parts of a recorded config that a training loop depends on."""

    model_config = ConfigDict(extra="ignore")

    model: Any = None
    data: Any = None
    output: Any = None
    sweep: Any = None
    probes: Any = None
    analysis: Any = None


@dataclass(frozen=True)
class Training:
    """What a record says of a training.

    Attributes:
        result: The record.
        config: Its config, as far as a training loop depends on it; of objects, their settings.
        loop: What it says of the loop; None in a record of former versions, of a script, or of a curve from elsewhere.
    """

    result: Result
    config: Config
    loop: LoopFacts | None

    @property
    def trainer(self) -> str:
        """The package of the Trainer that trains; empty if none is known to."""
        if self.loop is None and self.result.script and self.result.script.through == "transformers":
            return "transformers"
        return self.loop.trainer if self.loop else ""

    @property
    def has_own_groups(self) -> bool:
        """Whether the optimizer, and not the config, makes several parameter groups."""
        return len(self.result.groups) > 1 and not self.has_groups

    @property
    def has_groups(self) -> bool:
        """Whether the config makes parameter groups."""
        return bool(self.config.param_groups or self.config.no_decay_on_bias_and_norm or self.trains_loss)

    @property
    def trains_loss(self) -> bool:
        """Whether the optimizer trains parameters of the loss."""
        return bool(self.loop and self.loop.loss_module == "trained" and self.loop.optimizer_of == "parameters")

    @property
    def on_host(self) -> bool:
        """Whether it trains where loaders make their batches."""
        return str(self.result.environment.get("device", "cpu")) == "cpu"

    def lr_of(self, group: ParamGroup, lr: float) -> float:
        """Return the learning rate of a group of the config when that of the optimizer is `lr`."""
        if group.fixed_lr is not None:
            return group.fixed_lr
        if group.lr is not None and self.config.optimizer:
            return digits(lr * group.lr / self.config.optimizer["lr"])
        return digits(lr * (group.lr_scale or 1.0))


def digits(lr: float) -> float:
    """Return a product without the rounding of its last digits."""
    return float(f"{lr:.12g}")


def training_of(result: Result) -> Training:
    """Return what a record says of its training.

    Raises:
        RecordError: Its config is at fault, or describes what no code of a few lines can do.
    """
    settings = settings_of_record(result)
    document: Mapping[str, Any] = result.config or {name: settings.get(name) for name in ("precision", "train")}
    document = {name: value for name, value in document.items() if name in Config.model_fields and value is not None}
    try:
        config = _Recorded.model_validate(document)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        cause = detail.get("ctx", {}).get("error")
        fault = cause.fault if isinstance(cause, MisfitError) else Fault(problem=detail["msg"])
        key = ".".join(("config", *map(str, detail["loc"]), fault.key)).rstrip(".")
        raise RecordError(Fault(key, fault.expected, fault.got, fault.fix, problem=fault.problem)) from error
    if config.train.optimizer_state:
        problem = "the code cannot resume the optimizer's state from a checkpoint"
        raise RecordError(Fault("train.optimizer_state", problem=problem, fix="run without it"))
    if result.loop and result.loop.several:
        problem = "several optimizers train together, and each needs a scheduler of its own"
        raise RecordError(Fault("optimizer", problem=problem, fix="group_lrs in the record says the peak of each"))
    return Training(result, config, result.loop)
