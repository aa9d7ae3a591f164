"""A training loop as code: what the record knows is written out, what it does not is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lrfind.schedule.expressions import Imports, call, checked_loss
from lrfind.schedule.parts import group_blocks, lr_lines, optimizer_lines, scheduler_lines
from lrfind.schedule.scheduler import Scheduler
from lrfind.schedule.training import Training

_MOVED = '''\
def moved(batch, device):
    """Return a mini-batch on a device."""
    if hasattr(batch, "to"):
        return batch.to(device)
    if isinstance(batch, dict):
        return {name: moved(value, device) for name, value in batch.items()}
    return [moved(value, device) for value in batch] if isinstance(batch, (list, tuple)) else batch
'''
_DTYPES = {"bf16": "bfloat16", "fp16": "float16"}
INDENT = "    "


def loop_blocks(training: Training, scheduler: Scheduler, imports: Imports) -> Iterator[str]:
    """Yield the top-level code: the loss or the step, `configure` and `train`."""
    config = training.config
    constants = []
    for key, node in (("loss", config.loss), ("step", config.step)):
        if node is not None and (made := call(node, imports, key)) != key:
            constants.append(f"{key} = {made}")
    if constants:
        yield "\n".join(constants)
    yield from group_blocks(training, scheduler.lr, imports)
    yield "\n".join(_configure(training, scheduler, imports))
    if training.result.script is None:
        if not training.on_host:
            yield _MOVED
        yield "\n".join(_train(training, scheduler, imports))


def indented(lines: Iterable[str], depth: int = 1) -> Iterator[str]:
    """Yield lines further to the right."""
    return (INDENT * depth + line for line in lines)


def _configure(training: Training, scheduler: Scheduler, imports: Imports) -> Iterator[str]:
    made = list(scheduler_lines(training, scheduler, imports))
    if training.config.optimizer is None:
        yield "def configure(optimizer, total):"
        yield '    """Set the learning rate of an optimizer; return its scheduler for a training of `total` updates."""'
        yield from indented((*lr_lines(training, scheduler.lr), *made, "return scheduler"))
    else:
        yield "def configure(model, total):"
        yield '    """Return the optimizer and the scheduler of `model` for a training of `total` updates."""'
        own = optimizer_lines(training, scheduler.lr, imports, "model")
        yield from indented((*own, *made, "return optimizer, scheduler"))


def _train(training: Training, scheduler: Scheduler, imports: Imports) -> Iterator[str]:
    config = training.config
    watches = scheduler.node.name == "ReduceLROnPlateau"
    given = config.optimizer is None
    loss, missing = _loss(training)
    arguments = ["model", "batches", *["optimizer"] * given, *missing, *["validate"] * watches]
    yield f"def train({', '.join(arguments)}):"
    explained = list(_explained(missing, watches=watches))
    yield '    """Train `model` for EPOCHS epochs on `batches`, mini-batches of known number.' + '"""' * (not explained)
    yield from ["", *explained, '    """'] if explained else []
    yield from indented(_prepared(training, imports))
    total = "EPOCHS * len(batches)" + " // ACCUMULATE" * (config.train.accumulate > 1)
    made = "scheduler = configure(optimizer" if given else "optimizer, scheduler = configure(model"
    yield f"    {made}, {total})"
    yield "    for _ in range(EPOCHS):"
    yield "        model.train()"
    yield "        for batch in batches:"
    yield from indented(_update(training, scheduler, loss, imports), 3)
    if scheduler.per == "epoch":
        yield f"        scheduler.step({'validate(model)' if watches else ''})  # after every epoch"


def _loss(training: Training) -> tuple[str, list[str]]:
    """Return the loss of a mini-batch as Python, and the arguments that this needs."""
    config, loop = training.config, training.loop
    if loop and loop.loss:
        code = checked_loss(loop.loss)
        return code, ["loss"] if "loss(" in code and config.loss is None else []
    return "step(model, batch)", [] if config.step else ["step"]


def _explained(missing: list[str], *, watches: bool) -> Iterator[str]:
    if "step" in missing:
        yield "    `step(model, batch)` returns the loss of a mini-batch."
    if "loss" in missing:
        yield "    `loss(output, target)` returns the loss of a mini-batch."
    if watches:
        yield "    `validate(model)` returns the validation loss."


def _prepared(training: Training, imports: Imports) -> Iterator[str]:
    """Yield what comes before the optimizer is made."""
    config = training.config
    scaled, cast = config.precision == "fp16", config.precision != "fp32"
    if cast or not training.on_host:
        yield "device = next(model.parameters()).device"
    if scaled or cast or config.channels_last or config.tf32 is not None:
        imports.module("torch")
    if training.loop and training.loop.loss_module and not training.on_host:
        yield "loss.to(device)"
    yield from model_lines(training, "model")
    if config.train.accumulate > 1:
        imports.name("itertools.count")
        yield "numbers = count(1)"
    if scaled:
        yield "scaler = torch.amp.GradScaler(device.type)"


def model_lines(training: Training, model: str) -> Iterator[str]:
    """Yield what the config does to a model, and to PyTorch's number formats."""
    config = training.config
    if config.tf32 is not None:
        yield f'torch.set_float32_matmul_precision("{"high" if config.tf32 else "highest"}")'
        yield f"torch.backends.cudnn.allow_tf32 = {config.tf32}"
    if config.channels_last:
        yield f"{model}.to(memory_format=torch.channels_last)"
    if config.compile:
        yield f"{model}.compile()"


def _update(training: Training, scheduler: Scheduler, loss: str, imports: Imports) -> Iterator[str]:
    """Yield what is done with a mini-batch."""
    config = training.config
    accumulates = config.train.accumulate > 1
    if not training.on_host:
        yield "batch = moved(batch, device)"
    value = loss
    if config.precision != "fp32":
        yield f"with torch.autocast(device.type, torch.{_DTYPES[config.precision]}):"
        yield f"    value = {loss}"
        value = "value"
    if accumulates:
        value = f"({value} / ACCUMULATE)"
    yield f"scaler.scale({value}).backward()" if config.precision == "fp16" else f"{value}.backward()"
    if accumulates:
        yield "if next(numbers) % ACCUMULATE:"
        yield "    continue"
    yield from _applied(training, scheduler, imports)


def _applied(training: Training, scheduler: Scheduler, imports: Imports) -> Iterator[str]:
    """Yield what is done with the gradients of an update."""
    train, scaled = training.config.train, training.config.precision == "fp16"
    if scaled and (train.clip_grad_norm or train.clip_grad_value):
        yield "scaler.unscale_(optimizer)"
    for kind, limit in (("norm", train.clip_grad_norm), ("value", train.clip_grad_value)):
        if limit is not None:
            yield f"{imports.name(f'torch.nn.utils.clip_grad_{kind}_')}(model.parameters(), {limit!r})"
    if scaled:
        yield "scale = scaler.get_scale()"
        yield "scaler.step(optimizer)"
        yield "scaler.update()"
    else:
        yield "optimizer.step()"
    yield "optimizer.zero_grad()"
    if scheduler.per == "update" and scaled:
        yield "if scaler.get_scale() >= scale:  # the update was not skipped"
        yield "    scheduler.step()"
    elif scheduler.per == "update":
        yield "scheduler.step()  # after every update"
