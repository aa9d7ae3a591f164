"""lrfind from Python: the learning rate of the objects of a script, or of a config."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lrfind.answer import Found, Refused, answer_of
from lrfind.errors import CONFIG, PYTHON, LrfindError, OutputError
from lrfind.errors.setting_names import KEYS
from lrfind.output.files import check_replaceable, check_writable, record_path
from lrfind.output.in_python import Tell, teller, watched
from lrfind.search import search
from lrfind.settings import Method, Precision, Schedule, Settings, settings_of
from lrfind.training.distributed.launch import is_first
from lrfind.training.precision import keep_tf32
from lrfind.training.rng import keep_rng
from lrfind.workloads.accelerated import unwrapped
from lrfind.workloads.from_objects import Objects, ObjectsWorkload, check_objects
from lrfind.workloads.preflight import combine

DEFAULTS = Settings()


def find_lr(
    model: nn.Module,
    loader: Iterable[Any],
    loss_fn: Callable[[Any, Any], Tensor] | None = None,
    optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer] | None = None,
    *,
    step: Callable[[nn.Module, Any], Tensor] | None = None,
    val_loader: Iterable[Any] | None = None,
    device: torch.device | str | None = None,
    seed: int = DEFAULTS.seed,
    start_lr: float = DEFAULTS.sweep.start_lr,
    end_lr: float = DEFAULTS.sweep.end_lr,
    num_iter: int = DEFAULTS.sweep.num_iter,
    max_iter: int = DEFAULTS.sweep.max_iter,
    warmup_steps: int = DEFAULTS.sweep.warmup_steps,
    precision: Precision = DEFAULTS.precision,
    scaler: torch.amp.GradScaler | None = None,
    accumulate: int = DEFAULTS.train.accumulate,
    world_size: int = DEFAULTS.train.world_size,
    clip_grad_norm: float | None = DEFAULTS.train.clip_grad_norm,
    clip_grad_value: float | None = DEFAULTS.train.clip_grad_value,
    schedule: Schedule = DEFAULTS.train.schedule,
    train_steps: int | None = DEFAULTS.train.steps,
    train_epochs: int | None = DEFAULTS.train.epochs,
    probes: bool = DEFAULTS.probes.enabled,
    probe_steps: int | None = DEFAULTS.probes.steps,
    max_probes: int = DEFAULTS.probes.max_probes,
    refine: bool = DEFAULTS.refine,
    budget: int | None = DEFAULTS.budget,
    max_time: float | None = DEFAULTS.max_time,
    method: Method = DEFAULTS.analysis.method,
    restore: Sequence[Any] = (),
    progress: bool | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Found | Refused:
    """Find the learning rate of a training, before it starts or in the middle of it.

    Runs what `lrfind run` runs: a range test (Smith 2015, arXiv 1506.01186, section 3.3) from the current state of
    model and optimizer, then short trainings from the same state that check its result. Afterwards, also after an
    error or an interrupt, the state is bit for bit what it was before: parameters, buffers, gradients, modes and hooks
    of the model and of a `loss_fn` that is a module; state, groups and learning rates of the optimizer, so that a
    scheduler continues as if find_lr had not run; the global random generators of Python, NumPy and torch; the
    generators, samplers and workers of a DataLoader; and what hooks, `step` and `loss_fn` hold in closures, global
    variables and attributes, such as an average of the weights or a memory bank. Their values are kept in host memory
    during the search. What of that belongs to a library and has no `state_dict` is named where it has changed;
    `restore` puts it back. lrfind cannot see, and does not restore, the state inside a data set or inside a loader that
    is no DataLoader.

    Args:
        model: On the device that it trains on, in training or evaluation mode; the search runs in training mode.
        loader: Mini-batches: a DataLoader, a list, any iterable. An iterable that can be read only once, such as a
            generator, is swept but not probed, and its batches are used up.
        loss_fn: Called as loss_fn(output, target), returns a scalar tensor; None if the model computes its own loss.
        optimizer: Holds the model's parameters, set up as in the training. Groups keep the ratios of their learning
            rates; if a scheduler has set all of them to 0, the ratios of their `initial_lr`. Several optimizers in a
            list train together, and keep the ratios of theirs.
        step: Called as step(model, batch), returns the scalar loss. Use it instead of `loss_fn` if a training step is
            more than loss_fn(model(input), target).
        val_loader: Mini-batches that are not trained on. The loss on its first ones shows whether a short training
            overfits; without it, lrfind holds samples out of a DataLoader that draws them in any order.
        device: Where the mini-batches are sent; None is the device of the first parameter.
        seed: Seeds dropout, the order of a loader without its own generator, and everything else that is random in
            the search. The same seed gives the same answer.
        start_lr: Learning rate of the first update.
        end_lr: Learning rate of the last update.
        num_iter: Updates of the sweep, one mini-batch each.
        max_iter: Most updates of a sweep without `probes`, which grows longer when noise hides the descent.
        warmup_steps: Updates at `start_lr` before the first that counts.
        precision: bf16 and fp16 run the step under autocast, fp16 with a scaled loss.
        scaler: The GradScaler of the training: fp16 starts with its scale. It stays as it is.
        accumulate: Mini-batches whose gradients are averaged in one update; by default as many as accelerate's
            `gradient_accumulation_steps`, if it has prepared the optimizer.
        world_size: Processes of the real training, for which this one stands: it makes each update from as many
            times the mini-batches.
        clip_grad_norm: Norm of all gradients together above which they are scaled down.
        clip_grad_value: Absolute value that each element of a gradient is clipped to.
        schedule: What the learning rate is for: a constant one, or the peak of a schedule that decays to 0.
        train_steps: Updates of the real training, if known: the longer it is, the lower its best learning rate.
        train_epochs: Instead of these, its epochs; the loader needs a length then.
        probes: Whether short trainings check the sweep.
        probe_steps: Updates of each short training at first; None lets three of them share what the sweep leaves of
            the budget.
        max_probes: Most short trainings of one length.
        refine: Whether to train longer, with a budget of ten times `num_iter`.
        budget: Most updates of the sweep and the short trainings together; None is three times `num_iter`.
        max_time: Seconds after which no further short training begins.
        method: `auto` follows the short trainings; any other method reads the curve alone.
        restore: Further objects whose state a training step changes, such as an average of the weights.
        progress: Whether to show a progress bar on stderr; None shows one on a terminal.
        on_note: Called with each note, a sentence. By default notes go to the logger `lrfind`, as INFO, or as WARNING
            if the answer may be wrong because of it; Python shows warnings on stderr. Nothing else is printed.

    Returns:
        The answer. If no learning rate can be trusted, it is false, its `suggested_lr` is None, and `message` says
        why.

    Raises:
        LrfindError: An argument is at fault (the message names it), the data is empty, several processes train
            together, or the training code raised; what it raised is in the chain of causes.
        KeyboardInterrupt: The user interrupted it.
    """
    arguments = {name: value for name, value in locals().items() if name in KEYS}
    parts = (model, loader, loss_fn, combine(optimizer), step, scaler, val_loader)  # `check_objects` checks them
    objects, arguments, notes = unwrapped(replace(Objects(*parts), restore=tuple(restore)), arguments)
    tell = teller(on_note, PYTHON)
    for note in notes:
        tell(note)
    return search_objects(objects, arguments, device, progress, tell)


def search_objects(
    objects: Objects, arguments: Mapping[str, Any], device: Any, progress: bool | None, tell: Tell
) -> Found | Refused:
    """Search as `find_lr` does, for the callbacks of trainers.

    Args:
        objects: What is trained.
        arguments: The settings, as arguments of `find_lr`.
        device: As of `find_lr`.
        progress: As of `find_lr`.
        tell: Is told each note.
    """
    with _words_of_python(), contextlib.ExitStack() as stack:
        settings = settings_of(arguments)
        place = check_objects(objects, device, settings.precision)
        stack.callback(keep_rng())  # before the progress bar, which draws random numbers
        observer = stack.enter_context(watched(progress, tell))

        def workload() -> ObjectsWorkload:
            made = ObjectsWorkload(settings=settings, device=place, objects=objects)
            stack.enter_context(made.everything_restored(observer.on_note))
            return made

        return answer_of(search(workload, observer, PYTHON))


def run_config(
    config: str | os.PathLike[str] | Mapping[str, Any],
    overrides: Sequence[str] | Mapping[str, Any] = (),
    *,
    out: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Found | Refused:
    """Find the learning rate of a config, as `lrfind run` does; random generators and TF32 settings are put back.

    Args:
        config: A YAML config, whose folder becomes importable; or what one holds, a mapping or a DictConfig.
        overrides: `key=value` strings or a mapping, of dotted keys: {"optimizer.momentum": 0.95}.
        out: Folder to write record and plot to, under the names that `lrfind run` gives them; None writes nothing.
        progress: Whether to show a progress bar on stderr; None shows one on a terminal.
        on_note: As of `find_lr`.

    Raises:
        LrfindError: The config is at fault, the data is empty, or the training code raised.
        OutputError: `out` cannot be written to.
        KeyboardInterrupt: The user interrupted it.
    """
    from lrfind.page import for_python  # loads the config machinery, which find_lr does without

    flags = {key: (key, value) for key, value in overrides.items()} if isinstance(overrides, Mapping) else {}
    source = config if isinstance(config, Mapping) else Path(config)
    name = source if isinstance(source, Path) else Path("config")
    read = for_python.read_config(source, () if isinstance(overrides, Mapping) else overrides, flags)
    folder = Path(out) if out is not None and is_first() else None
    if folder:
        check_writable(folder, "make room there, or name another folder with out=")
        check_replaceable(record_path(folder / name.stem))
    with contextlib.ExitStack() as stack:
        stack.callback(keep_rng())
        if read.tf32 is not None:
            stack.callback(keep_tf32())
        observer = stack.enter_context(watched(progress, teller(on_note, CONFIG)))
        files = None
        if folder:
            files = for_python.RunFiles(folder / name.stem)
            observer = replace(observer, on_measured=files.keep)
        result = for_python.run(read, str(name), observer)
    if not isinstance(source, Path):
        result = replace(result, source=None)
    fault = files.save(result, read.output.plot)[1] if files else None
    if fault:
        raise OutputError(fault)
    return answer_of(result)


@contextlib.contextmanager
def _words_of_python() -> Iterator[None]:
    """Let errors name settings by the arguments of `find_lr`."""
    try:
        yield
    except LrfindError as error:
        error.words = PYTHON
        raise
