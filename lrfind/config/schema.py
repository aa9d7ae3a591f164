"""The typed config. Each field has a type, a default and its meaning; ranges are checked as it is read.

Pydantic reports all faults of a document at once, and reads `1e-3`, `"1e-3"` and `.5` as the same kind of number.
"""

from __future__ import annotations

import os
import re
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

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), BeforeValidator(_no_bool)]
"""A number above 0, and finite."""


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"expected a regular expression, got {pattern!r}: {error}") from error
    return pattern


Pattern = Annotated[str, Field(min_length=1), AfterValidator(_compiles)]
"""A regular expression, looked for anywhere in the name of a parameter."""


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
    """Samples in a mini-batch of the data set; under torchrun, of every process."""
    num_workers: Whole = Field(default=0, ge=0)
    """Worker processes that load the data set; 0 loads in the main process."""
    shuffle: bool = True
    """Whether to draw a map-style data set in random order."""
    collate_fn: Node | None = None
    """Called with a list of samples, makes a mini-batch of them: where they cannot just be stacked."""
    multiprocessing_context: Literal["fork", "spawn", "forkserver"] | None = None
    """How the worker processes are started; null is the default of the platform."""

    @model_validator(mode="after")
    def _one_source(self) -> DataConfig:
        if (self.dataset is None) == (self.loader is None):
            raise ValueError("expected either dataset or loader, got " + ("both" if self.loader else "neither"))
        if self.dataset is not None and self.batch_size is None:
            raise ValueError("expected batch_size beside dataset, got none; set data.batch_size")
        if self.multiprocessing_context and not self.num_workers and self.loader is None:
            raise ValueError("multiprocessing_context does nothing without workers; set data.num_workers or drop it")
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
    """Updates, one mini-batch each; `train.accumulate` mini-batches, if that is set."""
    warmup_steps: Whole = Field(default=0, ge=0)
    """Updates at `start_lr` that are not recorded, for the averages of BatchNorm and of the optimizer to settle."""
    max_iter: Whole = Field(default=400, ge=10)
    """Without probes: while noise hides the descent, the sweep is run again with two or four times the steps, up to
    this many."""
    repeats: Whole = Field(default=1, ge=1)
    """Runs with successive seeds, each with its probes; the median of what they suggest is taken, in log(LR)."""
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
    steps: Whole | None = Field(default=None, ge=1)
    """Updates of the real training, if known: the longer it is, the lower its best constant learning rate."""
    accumulate: Whole = Field(default=1, ge=1)
    """Mini-batches whose gradients are averaged in one update; the learning rate moves once per update."""
    world_size: Whole = Field(default=1, ge=1)
    """Processes of the real training. One process stands for all: it makes each update from as many times the
    mini-batches. Under torchrun it need not be set."""
    find_unused_parameters: bool = False
    """Whether DDP looks in every step for parameters that take no part in the loss; it costs time."""
    clip_grad_norm: Positive | None = None
    """Norm of all gradients together above which they are scaled down."""
    clip_grad_value: Positive | None = None
    """Absolute value that each element of a gradient is clipped to."""
    checkpoint: str | None = Field(default=None, min_length=1)
    """File of weights to start from: a state_dict, or a checkpoint that holds one. A relative path is looked for in the
    folder of the config, then in the working directory. Read with `weights_only=True`: no code in it is run."""
    strict: bool = True
    """Whether weights that the checkpoint lacks, or has in excess, are an error; if not, they are named."""
    optimizer_state: bool = False
    """Whether to resume the optimizer's state from the checkpoint as well; its learning rates are the config's."""
    freeze: list[Pattern] = []
    """Regular expressions; parameters whose names they are found in are not trained."""

    @model_validator(mode="after")
    def _fits_together(self) -> TrainConfig:
        if self.clip_grad_norm is not None and self.clip_grad_value is not None:
            raise ValueError("expected either clip_grad_norm or clip_grad_value, got both; drop one")
        if self.optimizer_state and self.checkpoint is None:
            raise ValueError("optimizer_state needs a checkpoint to be read from; set train.checkpoint")
        return self


class ParamGroup(Section):
    """Parameters with settings of their own. Keys beside those below go to the optimizer, such as `weight_decay`."""

    model_config = ConfigDict(extra="allow")

    match: Pattern
    """Regular expression; the group takes the parameters whose names it is found in and no group before took."""
    name: str | None = Field(default=None, min_length=1)
    """Name in the report; `match` if there is none."""
    lr: LearningRate | None = None
    """Learning rate beside `optimizer.lr` in the real training; the sweep keeps the ratio of the two."""
    lr_scale: Positive | None = None
    """The same as a factor: the group's learning rate is this many times the one that is swept."""
    fixed_lr: LearningRate | None = None
    """Learning rate that the group is trained with throughout: it is not swept."""

    @model_validator(mode="after")
    def _one_rate(self) -> ParamGroup:
        given = [name for name in ("lr", "lr_scale", "fixed_lr") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"expected one of lr, lr_scale and fixed_lr, got {' and '.join(given)}")
        if "params" in (self.model_extra or {}):
            raise ValueError("params is what match finds; drop it")
        return self


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
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """bf16 and fp16 run the step under autocast, fp16 with a scaled loss (GradScaler)."""
    tf32: bool | None = None
    """Whether float32 products may use TensorFloat-32 on a GPU; null leaves PyTorch's settings as they are."""
    channels_last: bool = False
    """Whether images and the weights of convolutions lie channels-last in memory."""
    compile: bool = False
    """Whether to `torch.compile` the model."""
    parallel: Literal["ddp", "fsdp"] | None = None
    """How the processes of torchrun train together: each with the whole model (DistributedDataParallel), or with a
    shard of it (fully_shard)."""
    model: Node
    """The `torch.nn.Module` to train."""
    data: DataConfig
    loss: Node | None = None
    """Called as loss(model(x), y). Not needed with `step`, or with a model that computes its own loss."""
    optimizer: Node | None = None
    """Called with the parameters as its first argument. An `lr` in it is the one the real training uses. Needed but
    for a LightningModule, which brings its own."""
    param_groups: list[ParamGroup] = []
    """Parameter groups of the optimizer, by the names of the parameters; what none takes is the group `default`."""
    no_decay_on_bias_and_norm: bool = False
    """Whether biases and the weights of norms (all parameters of at most one dimension) are kept from weight decay."""
    scheduler: Any = None
    """Accepted for the configs of other tools; the sweep sets the learning rate itself, so it is not built."""
    step: Node | None = None
    """Called as step(model, batch), returns the scalar loss: for whatever the default step does not cover."""
    train: TrainConfig = TrainConfig()
    sweep: SweepConfig = SweepConfig()
    probes: ProbesConfig = ProbesConfig()
    refine: bool = False
    """Whether to probe with twice the steps, and at learning rates in between; `--refine` on the command line."""
    analysis: AnalysisConfig = AnalysisConfig()
    output: OutputConfig = OutputConfig()

    @model_validator(mode="after")
    def _groups_have_a_base(self) -> Config:
        groups = [name for name in ("param_groups", "no_decay_on_bias_and_norm") if getattr(self, name)]
        if self.optimizer is None and groups:
            raise ValueError(f"{' and '.join(groups)}: expected an optimizer to set up so, got none; set optimizer")
        lr = (self.optimizer or {}).get("lr")
        base = isinstance(lr, (int, float)) and lr > 0
        if self.optimizer and not base and any(group.lr is not None for group in self.param_groups):
            raise ValueError(
                "param_groups: the lr of a group is kept as its ratio to optimizer.lr: expected a number above 0, "
                f"got {'none' if lr is None else lr}; set it, or the lr_scale of the group"
            )
        return self
