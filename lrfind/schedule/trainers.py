"""The schedule for a Trainer as code: of Lightning, and of transformers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lrfind.errors import Fault, RecordError
from lrfind.schedule.expressions import Imports, keywords
from lrfind.schedule.loop import indented, model_lines
from lrfind.schedule.parts import group_blocks, lr_lines, optimizer_lines, scheduler_lines
from lrfind.schedule.scheduler import Node, Scheduler
from lrfind.schedule.training import Training

_PRECISION = {"bf16": "bf16-mixed", "fp16": "16-mixed"}

_OWN_OPTIMIZER = '''\
def only(configured):
    """Return the optimizer in what `configure_optimizers` returned."""
    while isinstance(configured, (dict, list, tuple)):
        configured = configured["optimizer"] if isinstance(configured, dict) else configured[0]
    return configured
'''
_MIXIN = '''\
class Scheduled:
    """Optimizer and scheduler of a LightningModule: `class Net(Scheduled, {module})`."""

    def configure_optimizers(self):
{lines}
'''
_FIT = '''\
def train(module, batches):
    """Train a `Scheduled` LightningModule for EPOCHS epochs on `batches`, a loader or a LightningDataModule."""
{lines}'''
_TRANSFORMERS = '''\
ARGUMENTS = dict(  # TrainingArguments(**ARGUMENTS, ...)
{arguments})


class Scheduled(Trainer):
    """Trainer with the scheduler; `Scheduled(model, TrainingArguments(**ARGUMENTS, ...), ...)`."""

    def create_scheduler(self, num_training_steps, optimizer=None):
        """Make the scheduler of a training of that many updates."""
{lines}
'''


def lightning_blocks(training: Training, scheduler: Scheduler, imports: Imports) -> Iterator[str]:
    """Yield the `configure_optimizers` of a LightningModule, and its Trainer."""
    yield from group_blocks(training, scheduler.lr, imports)
    if training.config.optimizer is None:
        yield _OWN_OPTIMIZER
        made = ["optimizer = only(super().configure_optimizers())", *lr_lines(training, scheduler.lr)]
    else:
        made = list(optimizer_lines(training, scheduler.lr, imports, "self"))
    watches = scheduler.node.name == "ReduceLROnPlateau"
    settings = {"interval": "step" if scheduler.per == "update" else "epoch"}
    settings |= {"monitor": "val_loss"} if watches else {}
    listed = "".join(f', "{key}": "{value}"' for key, value in settings.items())
    made += ["total = self.trainer.estimated_stepping_batches"]
    made += scheduler_lines(training, scheduler, imports)
    made += [f'return {{"optimizer": optimizer, "lr_scheduler": {{"scheduler": scheduler{listed}}}}}']
    module = training.result.title.partition(",")[0]
    module = module if module.isidentifier() else "YourModule"
    yield _MIXIN.format(module=module, lines="\n".join(indented(made, 2)))
    imports.name(f"{training.trainer}.Trainer")
    if training.config.channels_last or training.config.tf32 is not None:
        imports.module("torch")
    trainer = f"Trainer({', '.join(('max_epochs=EPOCHS', *keywords(_of_lightning(training), imports)))})"
    yield _FIT.format(lines="\n".join(indented((*model_lines(training, "module"), f"{trainer}.fit(module, batches)"))))


def _of_lightning(training: Training) -> dict[str, Any]:
    train = training.config.train
    arguments: dict[str, Any] = {}
    if train.accumulate > 1:
        arguments["accumulate_grad_batches"] = train.accumulate
    for kind, limit in (("norm", train.clip_grad_norm), ("value", train.clip_grad_value)):
        if limit is not None:
            arguments |= {"gradient_clip_val": limit, "gradient_clip_algorithm": kind}
    if training.config.precision in _PRECISION:
        arguments["precision"] = _PRECISION[training.config.precision]
    return arguments


def transformers_blocks(training: Training, scheduler: Scheduler, imports: Imports) -> Iterator[str]:
    """Yield the arguments of a Trainer of transformers, and its scheduler.

    Raises:
        RecordError: The Trainer cannot step such a scheduler.
    """
    if scheduler.node.name == "ReduceLROnPlateau":
        problem = "the Trainer of transformers steps a plateau at its evaluations, as its own arguments say"
        raise RecordError(Fault("--scheduler", problem=problem, fix="set lr_scheduler_type='reduce_lr_on_plateau'"))
    given = [
        "num_train_epochs=EPOCHS",
        *keywords({"learning_rate": scheduler.lr, **_of_transformers(training)}, imports),
    ]
    imports.name("transformers.Trainer")
    made = [
        "optimizer, total = optimizer or self.optimizer, num_training_steps",
        *(lr_lines(training, scheduler.lr) if len(training.result.groups) > 1 else ()),
        *scheduler_lines(training, _by_update(scheduler), imports),
        "self.lr_scheduler = scheduler",
        "return scheduler",
    ]
    yield _TRANSFORMERS.format(
        arguments="".join(f"    {each},\n" for each in given), lines="\n".join(indented(made, 2))
    )


def _of_transformers(training: Training) -> dict[str, Any]:
    """Return the recipe as `TrainingArguments`; of a script it is the script's own."""
    if training.loop is None:
        return {}
    train, precision = training.config.train, training.config.precision
    return {
        "gradient_accumulation_steps": train.accumulate,
        "max_grad_norm": train.clip_grad_norm or 0.0,
        **({} if precision == "fp32" else {precision: True}),
    }


def _by_update(scheduler: Scheduler) -> Scheduler:
    """Return a scheduler of epochs as one that is stepped after every update, as this Trainer does."""
    if scheduler.per == "update":
        return scheduler
    own = scheduler.node.arguments
    code = {
        "step_size": f"{own.get('step_size')} * total // EPOCHS",
        "milestones": f"[{', '.join(f'{epoch} * total // EPOCHS' for epoch in own.get('milestones', ()))}]",
    }
    node = Node(scheduler.node.name, own, {key: value for key, value in code.items() if key in own})
    return replace(scheduler, node=node)
