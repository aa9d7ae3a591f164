"""The existing finders, each called as its documentation shows, with its own defaults and 100 iterations.

Each is there once more with as many iterations as a run of lrfind takes, under a name that says so.

Every one gets the model, optimizer, loss and batch size of the task, from the same seed as lrfind, and the clipping of
its gradients where the finder knows clipping (fastai and Lightning do). Where a finder has
no default for the start of its sweep and takes the optimizer's learning rate, that is 1e-7, as in the README of
torch-lr-finder. `None` stands for a finder that raised or found nothing.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import math
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from accuracy.data import training_set
from accuracy.tasks import Task

ITERATIONS = 100
EQUAL_ITERATIONS = 200
"""What a run of lrfind costs, sweep and probes together, to the next hundred: its mean over the reporting tasks."""
START_LR = 1e-7
Found = tuple[dict[str, float | None], int]
"""The suggestion under each name that a finder goes by, and the iterations spent."""


def loader_of(task: Task, seed: int) -> DataLoader[Any]:
    """Return the loader that a user would write down."""
    random = torch.Generator().manual_seed(seed)
    return DataLoader(training_set(task.data), task.batch_size, shuffle=True, drop_last=True, generator=random)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the peers' prints, bars, logs and warnings off the terminal."""
    sink = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        warnings.simplefilter("ignore")
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


FASTAI = ("valley", "slide", "minimum", "steep")


def fastai(task: Task, seed: int, iterations: int = ITERATIONS) -> Found:
    """`Learner.lr_find` with each of the suggestion functions, on one and the same sweep."""
    schedule = importlib.import_module("fastai.callback.schedule")
    learner = importlib.import_module("fastai.learner")
    core = importlib.import_module("fastai.data.core")
    wrapper = importlib.import_module("fastai.optimizer").OptimWrapper
    model, optimizer, loss = task.start(seed)
    loader = loader_of(task, seed)
    with tempfile.TemporaryDirectory() as folder:
        learn = learner.Learner(
            core.DataLoaders(loader, loader),
            model,
            loss_func=loss,
            opt_func=lambda parameters, **settings: wrapper(opt=optimizer),
            path=Path(folder),
            cbs=_fastai_clipping(task),
        )
        found: dict[str, float | None] = {}
        with learn.no_bar():
            learn.lr_find(num_it=iterations, show_plot=False, suggest_funcs=None)
        for name in FASTAI:
            found[f"fastai {name}"] = _attempt(partial(_suggest, learn.recorder, getattr(schedule, name), iterations))
    return found, len(learn.recorder.lrs)


def _fastai_clipping(task: Task) -> list[Any]:
    if task.clip_grad_norm is None:
        return []
    return [importlib.import_module("fastai.callback.training").GradientClip(task.clip_grad_norm)]


def _suggest(recorder: Any, function: Callable[..., Any], iterations: int) -> float:
    """Return what `lr_find` would with this one function; called apart, so that one that raises spoils no other."""
    core = importlib.import_module("fastai.torch_core")
    kept = slice(iterations // 10, -5)  # as in fastai.callback.schedule.lr_find, to the end of this function
    lrs, losses = core.tensor(recorder.lrs[kept]), core.tensor(recorder.losses[kept])
    bad = torch.nonzero(torch.isnan(losses.view(-1)))
    if len(bad):
        lrs, losses = lrs[: min(bad)], losses[: min(bad)]
    return float(function(lrs, losses, iterations)[0])


def _attempt(suggest: Callable[[], float]) -> float | None:
    try:
        return suggest()
    except Exception:  # whatever goes wrong, the user has no learning rate
        return None


def torch_lr_finder(task: Task, seed: int, iterations: int = ITERATIONS) -> Found:
    """`LRFinder.range_test`, then the suggestion that `plot` makes and returns."""
    module = importlib.import_module("torch_lr_finder")
    figure = importlib.import_module("matplotlib.figure").Figure()
    model, optimizer, loss = _started(task, seed)
    finder = module.LRFinder(model, optimizer, loss, device="cpu")
    finder.range_test(loader_of(task, seed), end_lr=10, num_iter=iterations)
    lr = _attempt(lambda: float(finder.plot(ax=figure.subplots())[1]))
    return {"torch-lr-finder": lr}, len(finder.history["lr"])


def ignite(task: Task, seed: int, iterations: int = ITERATIONS) -> Found:
    """`FastaiLRFinder.lr_suggestion`."""
    engine = importlib.import_module("ignite.engine")
    handlers = importlib.import_module("ignite.handlers")
    model, optimizer, loss = _started(task, seed)
    loader = loader_of(task, seed)
    trainer = engine.create_supervised_trainer(model, optimizer, loss)
    finder = handlers.FastaiLRFinder()
    to_save = {"model": model, "optimizer": optimizer}
    with finder.attach(trainer, to_save=to_save, num_iter=iterations) as attached:
        attached.run(loader, max_epochs=math.ceil(iterations / len(loader)))
    lr = _attempt(lambda: float(finder.lr_suggestion()))
    return {"ignite": lr}, len(finder.get_results()["lr"])


def lightning(task: Task, seed: int, iterations: int = ITERATIONS) -> Found:
    """`Tuner.lr_find`, then `suggestion`."""
    pytorch = importlib.import_module("lightning.pytorch")
    tuner = importlib.import_module("lightning.pytorch.tuner")
    model, optimizer, loss = task.start(seed)
    module = _lightning_module()(model, optimizer, loss)
    with tempfile.TemporaryDirectory() as folder:
        trainer = pytorch.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=1000,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            gradient_clip_val=task.clip_grad_norm,
            default_root_dir=folder,
        )
        finder = tuner.Tuner(trainer).lr_find(module, loader_of(task, seed), num_training=iterations)
    lr = _attempt(finder.suggestion)
    return {"Lightning": None if lr is None else float(lr)}, len(finder.results["lr"])


@cache
def _lightning_module() -> Any:
    """Return the class of a module; made here, as its base is imported only when it is asked for."""
    base: Any = importlib.import_module("lightning.pytorch").LightningModule

    class Module(base):  # type: ignore[misc]
        """Wraps a task as the documentation of Lightning says."""

        def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, loss: Callable[..., Any]) -> None:
            super().__init__()
            self.lr = START_LR
            self.model = model
            self.loss = loss
            self.made = optimizer

        def training_step(self, batch: Any, index: int) -> Any:
            """Return the loss of a mini-batch."""
            return self.loss(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            """Return the optimizer of the task."""
            return self.made

    return Module


def _started(task: Task, seed: int) -> tuple[nn.Module, torch.optim.Optimizer, Any]:
    model, optimizer, loss = task.start(seed)
    for group in optimizer.param_groups:
        group["lr"] = START_LR
    return model, optimizer, loss


def at_equal_budget(name: str) -> str:
    """Return the name that a finder goes by with as many iterations as lrfind."""
    return f"{name}, {EQUAL_ITERATIONS} steps"


def asked(
    function: Callable[[Task, int, int], Found], iterations: int, named: Callable[[str], str] = str
) -> Callable[[Task, int], Found]:
    """Return a finder with a number of iterations, its suggestions under the name that goes with it."""

    def find(task: Task, seed: int) -> Found:
        found, spent = function(task, seed, iterations)
        return {named(name): lr for name, lr in found.items()}, spent

    return find


PACKAGES: dict[str, tuple[Callable[[Task, int, int], Found], tuple[str, ...]]] = {
    "fastai": (fastai, tuple(f"fastai {name}" for name in FASTAI)),
    "torch-lr-finder": (torch_lr_finder, ("torch-lr-finder",)),
    "ignite": (ignite, ("ignite",)),
    "lightning": (lightning, ("Lightning",)),
}
"""By package: what runs it, and the names that its suggestions go by."""

PEERS: dict[str, tuple[Callable[[Task, int], Found], tuple[str, ...]]] = {
    **{package: (asked(function, ITERATIONS), names) for package, (function, names) in PACKAGES.items()},
    **{
        at_equal_budget(package): (
            asked(function, EQUAL_ITERATIONS, at_equal_budget),
            tuple(map(at_equal_budget, names)),
        )
        for package, (function, names) in PACKAGES.items()
    },
}
"""The same for every finder that is asked: each package with its own number of iterations, and with lrfind's."""
