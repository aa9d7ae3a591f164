"""The typed config. Each field has a type, a default and its meaning; ranges are checked as it is read.

Pydantic reports all faults of a document at once, and reads `1e-3`, `"1e-3"` and `.5` as the same kind of number.
"""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _has_target(node: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(node.get("_target_"), str):
        raise ValueError("expected a node with _target_: the dotted path of a class or function")
    return node


Node = Annotated[dict[str, Any], AfterValidator(_has_target)]
"""A mapping that Hydra's `instantiate` turns into an object: `_target_` and the arguments of its call."""


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"expected a number, got {str(value).lower()}")
    return value


LearningRate = Annotated[float, Field(gt=0, allow_inf_nan=False), BeforeValidator(_no_bool)]
"""A learning rate: above 0 and finite."""

Whole = Annotated[int, BeforeValidator(_no_bool)]
"""A whole number."""


class Section(BaseModel):
    """Base of all config sections: unknown keys are faults, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class DataConfig(Section):
    """Where the mini-batches come from: a data set and how to batch it, or a loader of one's own."""

    dataset: Node | None = None
    """The data set, map-style or iterable."""
    loader: Node | None = None
    """Instead of a data set: a call that returns an iterable of mini-batches."""
    batch_size: Whole | None = Field(default=None, ge=1)
    """Samples in a mini-batch of the data set."""
    num_workers: Whole = Field(default=0, ge=0)
    """Worker processes that load the data set; 0 loads in the main process."""
    shuffle: bool = True
    """Whether to draw a map-style data set in random order."""

    @model_validator(mode="after")
    def _one_source(self) -> DataConfig:
        if (self.dataset is None) == (self.loader is None):
            raise ValueError("expected either dataset or loader, got " + ("both" if self.loader else "neither"))
        if self.dataset is not None and self.batch_size is None:
            raise ValueError("expected batch_size beside dataset, got none; set data.batch_size")
        defaults = {name: field.default for name, field in type(self).model_fields.items() if name != "loader"}
        idle = [name for name, default in defaults.items() if getattr(self, name) != default] if self.loader else []
        if idle:
            raise ValueError(f"{', '.join(idle)} does nothing beside loader, which makes its own batches; drop it")
        return self


class SweepConfig(Section):
    """The learning-rate sweep."""

    start_lr: LearningRate = 1e-7
    """Learning rate of the first update."""
    end_lr: LearningRate = 10.0
    """Learning rate of the last update."""
    num_iter: Whole = Field(default=100, ge=10)
    """Updates, one mini-batch each."""
    max_iter: Whole = Field(default=400, ge=10)
    """Without probes: while noise hides the descent, the sweep is run again with two or four times the steps, up to
    this many."""
    mode: Literal["exponential", "linear"] = "exponential"
    """Whether the updates are spaced evenly in log(LR) or in LR."""
    stop_on_divergence: bool = True
    """Whether to end the sweep when the loss has blown up. A loss that is not finite always ends it."""

    @model_validator(mode="after")
    def _rising(self) -> SweepConfig:
        if self.start_lr >= self.end_lr:
            raise ValueError(
                f"expected start_lr below end_lr, got start_lr={self.start_lr:g} and end_lr={self.end_lr:g}; "
                "lower sweep.start_lr or raise sweep.end_lr"
            )
        return self


class TrainConfig(Section):
    """How the real training will be run, as far as its learning rate depends on it."""

    schedule: Literal["constant", "cosine", "linear", "onecycle"] = "constant"
    """What the learning rate is for: a constant one, or the peak of a schedule that decays to 0."""


class ProbesConfig(Section):
    """Short trainings from the start, each at one learning rate, that check what the sweep says."""

    enabled: bool = True
    """Whether to check it. If not, the suggestion is read from the curve alone."""
    steps: Whole = Field(default=25, ge=10)
    """Updates of each probe at first. They are doubled while the best learning rate moves with them; where the sweep
    shows no descent, and with `refine`, twice as many are made from the beginning."""
    max_steps: Whole = Field(default=400, ge=10)
    """Updates of each probe at the most."""
    max_probes: Whole = Field(default=6, ge=3)
    """Probes of one length at the most."""


class AnalysisConfig(Section):
    """How the suggestion is read from the curve."""

    method: Literal["auto", "steepest", "descent_end", "valley", "minimum"] = "auto"
    """The candidate to suggest. `auto` is what the probes say, or the end of the descent without them; any other is
    read from the curve alone."""


class OutputConfig(Section):
    """What is written, and where."""

    dir: Annotated[str, AfterValidator(os.path.expanduser)] = Field(default=".", min_length=1)
    """Folder of the record and the plot; made if it does not exist."""
    plot: Literal["png", "svg", "pdf", "none"] = "png"
    """Format of the loss-vs-LR plot."""


class Config(Section):
    """Everything that a run needs to know."""

    seed: Whole = Field(default=0, ge=0, lt=2**32)
    """Seed of the weights and of the batch order."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|xpu|cuda(:\d+)?)$")
    """auto (an accelerator if there is one), cpu, cuda, cuda:1, mps or xpu."""
    model: Node
    """The `torch.nn.Module` to train."""
    data: DataConfig
    loss: Node | None = None
    """Called as loss(model(x), y). Not needed with `step`, or with dict batches whose model returns `.loss`."""
    optimizer: Node
    """Called with the parameters as its first argument. An `lr` in it is the one the real training uses."""
    step: Node | None = None
    """Called as step(model, batch), returns the scalar loss: for whatever the default step does not cover."""
    train: TrainConfig = TrainConfig()
    sweep: SweepConfig = SweepConfig()
    probes: ProbesConfig = ProbesConfig()
    refine: bool = False
    """Whether to probe with twice the steps, and at learning rates in between; `--refine` on the command line."""
    analysis: AnalysisConfig = AnalysisConfig()
    output: OutputConfig = OutputConfig()
