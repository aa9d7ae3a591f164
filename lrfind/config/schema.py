"""The typed config. Each field has a type, a default and its meaning; ranges are checked as it is read.

Pydantic reports all faults of a document at once, and reads `1e-3`, `"1e-3"` and `.5` as the same kind of number.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from lrfind.errors import Fault, MisfitError, short
from lrfind.settings import (
    AnalysisSettings,
    Count,
    LearningRate,
    Number,
    Positive,
    Precision,
    ProbeSettings,
    Seed,
    Settings,
    Steps,
    SweepSettings,
    TrainSettings,
    unlike,
)


def _named(value: Any) -> Any:
    return {"_target_": value} if isinstance(value, str) and "." in value else value


def _function_named(value: Any) -> Any:
    return {"_target_": value, "_partial_": True} if isinstance(value, str) and "." in value else value


def _has_target(node: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(node.get("_target_"), str):
        expected = "a node with _target_: the dotted path of a class or function"
        raise MisfitError(Fault(expected=expected, got=short(node)))
    return node


MOST_WORKERS = 512
"""Processes that load data; each takes hundreds of megabytes."""

Node = Annotated[dict[str, Any], BeforeValidator(_named), AfterValidator(_has_target)]
"""A mapping that Hydra's `instantiate` turns into an object: `_target_` and the arguments of its call, or its
`_target_` alone."""
FunctionNode = Annotated[dict[str, Any], BeforeValidator(_function_named), AfterValidator(_has_target)]
"""The same for what is called later: the dotted path of a function means the function itself."""


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise MisfitError(Fault(expected="a regular expression", got=f"{pattern!r}: {error}")) from error
    return pattern


Pattern = Annotated[str, Field(min_length=1), AfterValidator(_compiles)]
"""A regular expression, which matches anywhere in the name of a parameter."""


class Section(BaseModel):
    """Base of all config sections: unknown keys are faults, and values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class DataConfig(Section):
    """Where the mini-batches come from: a data set and how to batch it, or your own loader."""

    dataset: Node | None = None
    """The data set, map-style or iterable."""
    loader: Node | None = None
    """Instead of a data set: a call that returns an iterable of mini-batches, or a LightningDataModule."""
    batch_size: Count | None = None
    """Samples in a mini-batch of the data set; under torchrun, of every process."""
    num_workers: Annotated[int, Ge(0), Le(MOST_WORKERS), Number()] = 0
    """Worker processes that load the data set; 0 loads in the main process."""
    shuffle: bool = True
    """Whether to draw a map-style data set in random order."""
    drop_last: bool = True
    """Whether to leave out a last batch of fewer samples, unless it is the only one. Several processes always do."""
    sampler: Node | None = None
    """Instead of `shuffle`: draws the samples, and is called with the data set if it takes one."""
    batch_sampler: Node | None = None
    """Instead of `batch_size`, `shuffle`, `drop_last` and `sampler`: draws the samples of each mini-batch."""
    worker_init_fn: FunctionNode | None = None
    """Called in each worker process with its number."""
    pin_memory: bool | None = None
    """Whether mini-batches lie in pinned memory; null does so for a GPU of CUDA."""
    persistent_workers: bool | None = None
    """Whether the worker processes outlive a pass over the data; null lets them."""
    prefetch_factor: Count | None = None
    """Mini-batches that each worker process loads in advance."""
    collate_fn: FunctionNode | None = None
    """Called with a list of samples, makes a mini-batch of them, if they cannot just be stacked."""
    validation: Node | None = None
    """A data set like `dataset`, or a loader, whose samples no probe trains on, to see overfitting. Without it, up to
    one in ten samples of a map-style data set is held out while probes train."""
    multiprocessing_context: Literal["fork", "spawn", "forkserver"] | None = None
    """How the worker processes are started; null is the default of the platform."""

    @model_validator(mode="after")
    def _one_source(self) -> DataConfig:
        if (self.dataset is None) == (self.loader is None):
            raise MisfitError(
                Fault("data", expected="either dataset or loader", got="both" if self.loader else "neither")
            )
        if self.dataset is not None and self.batch_size is None and self.batch_sampler is None:
            raise MisfitError(Fault("data.batch_size", expected="a number of samples", got="none", fix="set it"))
        of_workers = ("multiprocessing_context", "persistent_workers", "prefetch_factor")
        if not self.num_workers and self.loader is None and (idle := [*filter(self._given, of_workers)]):
            problem, fix = "does nothing without worker processes", "set data.num_workers, or drop it"
            raise MisfitError(Fault(f"data.{idle[0]}", problem=problem, fix=fix))
        if self.loader and (idle := self._idle()):
            problem = f"{', '.join(idle)} does nothing beside loader, which makes its own batches"
            raise MisfitError(Fault("data", problem=problem, fix="drop it"))
        rivals = {"sampler": ("shuffle",), "batch_sampler": ("batch_size", "shuffle", "drop_last", "sampler")}
        for name, others in rivals.items():
            if getattr(self, name) and (idle := [*filter(self._given, others)]):
                problem = f"{', '.join(idle)} does nothing beside {name}"
                raise MisfitError(Fault("data", problem=problem, fix="drop one of them"))
        return self

    def _given(self, name: str) -> bool:
        """Tell whether the document sets a key, other than to false or null."""
        return name in self.model_fields_set and bool(getattr(self, name))

    def _idle(self) -> list[str]:
        """Return the keys, set to other than their defaults, that a loader leaves without effect."""
        defaults = {
            name: field.default
            for name, field in type(self).model_fields.items()
            if name not in ("loader", "validation")
        }
        return [name for name, default in defaults.items() if getattr(self, name) != default]


@dataclass(frozen=True)
class TrainConfig(TrainSettings):
    """How the real training runs, with the settings that only a config has."""

    find_unused_parameters: bool = False
    """Whether DDP looks in every step for parameters that take no part in the loss; it costs time."""
    checkpoint: Annotated[str, Field(min_length=1)] | None = None
    """File of weights to start from: a state_dict, or a checkpoint that holds one. A relative path is looked for in the
    folder of the config, then in the working directory. Read with `weights_only=True`: no code in it is run."""
    strict: bool = True
    """Whether weights that the checkpoint lacks, or has in excess, are an error; if not, they are named."""
    optimizer_state: bool = False
    """Whether to resume the optimizer's state from the checkpoint as well; its learning rates are the config's."""
    freeze: list[Pattern] = field(default_factory=list)
    """Regular expressions; parameters whose names match one are not trained."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.optimizer_state and self.checkpoint is None:
            problem = "there is no checkpoint to read it from"
            raise MisfitError(Fault("train.optimizer_state", problem=problem, fix="set train.checkpoint"))


class ParamGroup(Section):
    """Parameters with settings of their own. Keys beside those below go to the optimizer, such as `weight_decay`."""

    model_config = ConfigDict(extra="allow")

    match: Pattern
    """Regular expression; the group takes the parameters whose names match it and that no earlier group took."""
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
            raise MisfitError(Fault(expected="one of lr, lr_scale and fixed_lr", got=" and ".join(given)))
        if "params" in (self.model_extra or {}):
            raise MisfitError(Fault(problem="params is what match finds", fix="drop it"))
        return self


class OutputConfig(Section):
    """What is written, and where."""

    dir: Annotated[str, AfterValidator(os.path.expanduser)] = Field(default=".", min_length=1)
    """Folder of the record and the plot; made if it does not exist."""
    plot: Literal["png", "svg", "pdf", "none"] = "png"
    """Format of the loss-vs-LR plot."""


class Config(Section):
    """Everything that a run needs to know."""

    seed: Seed = 0
    """Seed of the weights and of the batch order."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|xpu|cuda(:[0-9]{1,3})?)$")
    """auto (an accelerator if there is one), cpu, cuda, cuda:1, mps or xpu."""
    precision: Precision = "fp32"
    """bf16 and fp16 run the step under autocast, fp16 with a scaled loss (GradScaler)."""
    tf32: bool | None = None
    """Whether float32 products may use TensorFloat-32 on a GPU; null leaves PyTorch's settings as they are."""
    channels_last: bool = False
    """Whether images and the weights of convolutions lie channels-last in memory."""
    compile: bool = False
    """Whether to `torch.compile` the model."""
    parallel: Literal["ddp", "fsdp"] | None = None
    """How the processes of torchrun train together: each with the whole model (DistributedDataParallel), as where it is
    null, or with a shard of it (fully_shard)."""
    model: Node
    """The `torch.nn.Module` to train."""
    data: DataConfig
    loss: FunctionNode | None = None
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
    step: FunctionNode | None = None
    """Called as step(model, batch), returns the scalar loss: for what the default step does not cover."""
    train: TrainConfig = TrainConfig()
    sweep: SweepSettings = SweepSettings()
    probes: ProbeSettings = ProbeSettings()
    refine: bool = False
    """Whether to probe longer, with a budget of ten times the updates of the sweep; `--refine` on the command line."""
    budget: Steps | None = None
    """Updates of the sweep and its probes together, at the most. If not set, three times `sweep.num_iter`; with
    `refine` ten times."""
    max_time: Positive | None = None
    """Seconds after which no further probe begins; one that would last longer does not begin either."""
    analysis: AnalysisSettings = AnalysisSettings()
    output: OutputConfig = OutputConfig()
    unused: list[str] = []
    """Keys of another tool's config that count only where others refer to them; a note names them."""

    @field_validator("data", mode="before")
    @classmethod
    def _data_by_one_node(cls, value: Any) -> Any:
        """Take a node for data as that of a loader, or of a LightningDataModule."""
        is_node = isinstance(value, str) or (isinstance(value, Mapping) and "_target_" in value)
        return {"loader": value} if is_node else value

    @property
    def settings(self) -> Settings:
        """What a search needs to know beside what is trained."""
        parts = (self.sweep, self.train, self.probes, self.analysis)
        return Settings(self.seed, self.precision, self.refine, self.budget, self.max_time, *parts)

    @model_validator(mode="after")
    def _groups_have_a_base(self) -> Config:
        groups = [name for name in ("param_groups", "no_decay_on_bias_and_norm") if getattr(self, name)]
        if self.optimizer is None and groups:
            expected = f"an optimizer for {' and '.join(groups)} to set up"
            raise MisfitError(Fault("optimizer", expected=expected, got="none", fix="set optimizer"))
        lr = (self.optimizer or {}).get("lr")
        base = unlike(lr, LearningRate)
        if base and lr != 0 and isinstance(lr, (int, float)):  # a placeholder may be 0
            raise MisfitError(Fault("optimizer.lr", expected=base, got=short(lr)))
        if self.optimizer and base and any(group.lr is not None for group in self.param_groups):
            expected = f"{base}, as the sweep keeps the ratio of each group's lr to it"
            fix = "set it, or the lr_scale of the groups"
            got = "none" if lr is None else short(lr)
            raise MisfitError(Fault("optimizer.lr", expected=expected, got=got, fix=fix))
        return self
