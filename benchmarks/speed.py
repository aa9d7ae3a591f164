"""What a sweep costs beside the bare training loop: time, memory, start-up. Ratios, side by side in one run.

    python benchmarks/speed.py [--rounds 15] [--save benchmarks/speed.json]

Every round times all variants one after the other, in turned order; each ratio is taken within a round, and the
median over the rounds is reported with the middle half of them. So a machine that slows down slows both sides.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch._dynamo
import torch.distributed as dist
from rich.progress import track
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import FakeData
from torchvision.models import resnet18
from torchvision.transforms import v2

import lrfind
from lrfind.config.schema import Config, DataConfig
from lrfind.scripts.describe import Description
from lrfind.scripts.hooks import WRAPPED, Seen, watch_losses, watch_objects, watch_steps
from lrfind.scripts.job import Job, Script
from lrfind.scripts.recorder import Recorder
from lrfind.scripts.report import Report
from lrfind.training.distributed.launch import is_first, read_launch
from lrfind.training.distributed.process_group import ProcessGroup, join_process_group
from lrfind.training.ladder import ladder
from lrfind.training.minibatches import endless
from lrfind.training.step import DefaultStep
from lrfind.training.sweep import PLAIN, run_sweep
from lrfind.training.update import Recipe as Update
from lrfind.workloads.config_data import build_loader

CONFIGS = Path(__file__).parent.parent / "configs"
sys.path.insert(0, str(CONFIGS))
DIGITS: Any = importlib.import_module("digits")  # the data and the network of configs/digits.yaml
DEVICE = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
FIRST_CALL = """\
import time, torch
from torch import nn
from torch.nn.functional import cross_entropy
x, y = torch.randn(256, 64), torch.randint(10, (256,))
loader = [(x[i:i+64], y[i:i+64]) for i in range(0, 256, 64)]
model = nn.Linear(64, 10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
cross_entropy(model(x), y).backward(); optimizer.step()
start = time.perf_counter()
import lrfind
lrfind.find_lr(model, loader, cross_entropy, optimizer, num_iter=10, max_iter=10, probes=False, progress=False)
print(time.perf_counter() - start)
"""
"""Prints the seconds of the first `find_lr` of a process that trains already: what lrfind has to import counts."""
FEW_STEPS = 10
"""The fewest that a sweep can have: what it takes beyond them is the fixed cost of a call."""


@dataclass(frozen=True)
class Recipe:
    """A training to time: what is trained, on what, for how many steps."""

    name: str
    dataset: Callable[[], Dataset[Any]]
    model: Callable[[], nn.Module]
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    batch_size: int
    steps: int

    def start(self) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Return the same untrained model and optimizer at every call."""
        torch.manual_seed(0)
        model = self.model().to(DEVICE).train()
        return model, self.optimizer(model.parameters())


def digits_mlp() -> nn.Module:
    """Return a network so small that the loop around it shows."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))


def pictures() -> FakeData:
    """Return 32x32 pictures with the augmentation of configs/cifar10_resnet18.yaml."""
    augment = v2.Compose(
        [v2.ToImage(), v2.RandomCrop(32, 4), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, True)]
    )
    return FakeData(512, (3, 32, 32), 10, augment)


def _sgd(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=1e-6, momentum=0.9)


RECIPES = (
    Recipe("digits CNN, SGD, batch 64", DIGITS.digits, DIGITS.cnn, _sgd, 64, 200),
    Recipe("digits MLP, Adam, batch 64", DIGITS.digits, digits_mlp, lambda p: torch.optim.Adam(p, lr=1e-6), 64, 600),
    Recipe("ResNet-18, 32x32, SGD, batch 32", pictures, lambda: resnet18(num_classes=10), _sgd, 32, 8),
)


def bare_loop(recipe: Recipe, batches: Iterable[Any]) -> None:
    """Train as anyone would write it down."""
    model, optimizer = recipe.start()
    for x, y in islice(batches, recipe.steps):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x.to(DEVICE)), y.to(DEVICE))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss.item()


def bare_bf16(recipe: Recipe, batches: Iterable[Any]) -> None:
    """Train in bfloat16 as PyTorch's documentation writes it down."""
    model, optimizer = recipe.start()
    for x, y in islice(batches, recipe.steps):
        optimizer.zero_grad()
        with torch.autocast(DEVICE.type, torch.bfloat16):
            loss = functional.cross_entropy(model(x.to(DEVICE)), y.to(DEVICE))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss.item()


def bare_accumulation(recipe: Recipe, batches: Iterable[Any]) -> None:
    """Train with four mini-batches to an update."""
    model, optimizer = recipe.start()
    total = torch.zeros((), device=DEVICE)
    for index, (x, y) in enumerate(islice(batches, recipe.steps), 1):
        loss = functional.cross_entropy(model(x.to(DEVICE)), y.to(DEVICE)) / 4
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
        if index % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()
            total.item()
            total = torch.zeros((), device=DEVICE)


def bare_clipping(recipe: Recipe, batches: Iterable[Any]) -> None:
    """Train with the gradients clipped."""
    model, optimizer = recipe.start()
    for x, y in islice(batches, recipe.steps):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x.to(DEVICE)), y.to(DEVICE))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()


UPDATES: dict[str, tuple[Callable[[Recipe, Iterable[Any]], None], Update]] = {
    "plain": (bare_loop, PLAIN),
    "bf16": (bare_bf16, Update("bf16")),
    "accumulate 4": (bare_accumulation, Update(accumulate=4)),
    "clip the norm": (bare_clipping, Update(clip_grad_norm=1.0)),
}


def sweep(recipe: Recipe, batches: Iterable[Any], update: Update = PLAIN) -> None:
    """Train as lrfind does, over learning rates too small to diverge, so that no step is saved."""
    model, optimizer = recipe.start()
    lrs = ladder(1e-9, 1e-6, recipe.steps // update.accumulate)
    step = DefaultStep(functional.cross_entropy)
    run_sweep(model, batches, step, optimizer, lrs, device=DEVICE, seed=0, recipe=update)


def plain_loader(recipe: Recipe, dataset: Dataset[Any]) -> DataLoader[Any]:
    """Return the loader that anyone would write down."""
    return DataLoader(dataset, recipe.batch_size, shuffle=True, drop_last=True)


def own_loader(recipe: Recipe, dataset: Dataset[Any]) -> Iterable[Any]:
    """Return the loader that lrfind builds for the same config."""
    node = {"_target_": "not.used"}
    data = DataConfig(dataset=node, batch_size=recipe.batch_size)
    return build_loader(Config(model=node, optimizer=node, data=data), dataset, DEVICE)


def recycled(loader: Iterable[Any]) -> Iterator[Any]:
    """Yield the batches of `loader` over and over, for the bare loop."""
    while True:
        yield from loader


def step_times(recipe: Recipe, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each variant, a list over the rounds."""
    dataset = recipe.dataset()
    loader, own = plain_loader(recipe, dataset), own_loader(recipe, dataset)
    fetched = [(x.to(DEVICE), y.to(DEVICE)) for x, y in islice(recycled(loader), recipe.steps)]
    variants: dict[str, Callable[[], None]] = {
        "bare": lambda: bare_loop(recipe, recycled(loader)),
        "sweep_same_loader": lambda: sweep(recipe, endless(loader)),
        "sweep": lambda: sweep(recipe, endless(own)),
        "floor": lambda: bare_loop(recipe, fetched),
    }
    return in_turns(variants, rounds, recipe.name)


def update_times(recipe: Recipe, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of the bare loop (`bare NAME`) and of the sweep (`NAME`) of each way to make an update."""
    loader = plain_loader(recipe, recipe.dataset())

    def bare(train: Callable[[Recipe, Iterable[Any]], None]) -> Callable[[], None]:
        return lambda: train(recipe, recycled(loader))

    def swept(update: Update) -> Callable[[], None]:
        return lambda: sweep(recipe, endless(loader, at_least=update.accumulate), update)

    variants: dict[str, Callable[[], None]] = {}
    for name, (train, update) in UPDATES.items():  # side by side, so that both meet the same machine
        variants |= {f"bare {name}": bare(train), name: swept(update)}
    return in_turns(variants, rounds, recipe.name)


@contextlib.contextmanager
def as_a_script(recipe: Recipe) -> Iterator[None]:
    """Set the learning rates and record the losses of the enclosed code, as in the process of a script."""
    report = Report(os.open(os.devnull, os.O_WRONLY))
    job = Job(Script("train.py"), lrs=ladder(1e-9, 1e-6, recipe.steps + 1), describes=False)  # one step is left
    seen = Seen()
    recorder = Recorder(job, report, seen.made, seen.feed, Description(seen, measures=False))
    kept = [(holder, name, getattr(holder, name)) for holder, name in WRAPPED]
    watch_objects(seen)
    handles = watch_steps(recorder)
    watch_losses(recorder, seen)
    try:
        yield
    finally:
        recorder.active = False
        for handle in handles:
            handle.remove()
        for holder, name, original in kept:
            setattr(holder, name, original)
        report.close()


def script_times(recipe: Recipe, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of a script's loop alone, and of the same loop as lrfind records it."""
    loader = plain_loader(recipe, recipe.dataset())

    times: dict[str, list[float]] = {"bare": [], "script": []}
    for index in track(range(2 * (rounds + 1)), f"script, {recipe.name}", transient=True):
        for name in ("bare", "script") if index % 2 else ("script", "bare"):
            with as_a_script(recipe) if name == "script" else contextlib.nullcontext():
                seconds = timed(lambda: bare_loop(recipe, recycled(loader)))
            if index > 1:  # the first rounds warm up
                times[name].append(seconds)
    return times


def find_lr_times(recipe: Recipe, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of the bare loop, and of `find_lr` without probes for as many steps and for a few."""
    loader = plain_loader(recipe, recipe.dataset())

    def found(steps: int) -> Callable[[], object]:
        model, optimizer = recipe.start()
        settings: dict[str, Any] = {"start_lr": 1e-9, "end_lr": 1e-6, "num_iter": steps, "max_iter": steps}
        return lambda: lrfind.find_lr(
            model, loader, functional.cross_entropy, optimizer, probes=False, progress=False, **settings
        )

    variants = {
        "bare": lambda: bare_loop(recipe, recycled(loader)),
        "find_lr": found(recipe.steps),
        "few steps": found(FEW_STEPS),
    }
    return in_turns(variants, rounds, f"find_lr, {recipe.name}")


def fixed_and_ratio(times: dict[str, list[float]], steps: int) -> tuple[list[float], list[float]]:
    """Return the seconds that `find_lr` takes beside its steps, and what its steps take over those of the bare loop."""
    fixed = [few - bare * FEW_STEPS / steps for few, bare in zip(times["few steps"], times["bare"], strict=True)]
    stepping = [whole - cost for whole, cost in zip(times["find_lr"], fixed, strict=True)]
    return ratio(fixed, [1.0] * len(fixed)), ratio(stepping, times["bare"])


def rank_times(recipe: Recipe, rounds: int, processes: ProcessGroup) -> dict[str, list[float]]:
    """Return the seconds of DDP in this process of several: the bare loop, and the sweep. On CPUs, by gloo."""
    loader = plain_loader(recipe, recipe.dataset())
    lrs = ladder(1e-9, 1e-6, recipe.steps)

    def bare() -> None:
        model, optimizer = recipe.start()
        model = nn.parallel.DistributedDataParallel(model)
        for x, y in islice(recycled(loader), recipe.steps):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x), y)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            mean = loss.detach().clone()
            dist.all_reduce(mean)
            (mean / processes.launch.size).item()

    def swept() -> None:
        model, optimizer = recipe.start()
        model, step = processes.join(processes.prepare(model), DefaultStep(functional.cross_entropy), 0)
        run_sweep(model, endless(loader), step, optimizer, lrs, device=DEVICE, seed=0, processes=processes)

    return in_turns({"bare": bare, "sweep": swept}, rounds, recipe.name)


def print_ranks(rounds: int) -> None:
    """Time DDP in this process of several; the first prints the ratios of all recipes as JSON."""
    launch = read_launch("ddp", 1, "benchmark")
    assert launch is not None  # torchrun started it
    processes = join_process_group("ddp", launch, DEVICE, find_unused=False)
    figures = {}
    for recipe in RECIPES:
        times = rank_times(recipe, rounds, processes)
        figures[recipe.name] = ratio(times["sweep"], times["bare"])
    if is_first():
        print(json.dumps(figures), flush=True)
    os._exit(0)  # the threads of gloo abort a process that ends otherwise


def two_processes(rounds: int) -> dict[str, list[float]]:
    """Return the ratio of the sweep to the bare loop, both by DDP in two processes on CPUs, of each recipe."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launcher, __file__, "--ranks", "--rounds", str(rounds)]
    found: dict[str, list[float]] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def in_turns(variants: Mapping[str, Callable[[], object]], rounds: int, title: str) -> dict[str, list[float]]:
    """Return the seconds of each variant, a list over the rounds."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for index in track(range(rounds + 1), title, transient=True):
        names = list(variants)
        for name in names[index % len(names) :] + names[: index % len(names)]:
            seconds = timed(variants[name])
            if index:  # the first round warms up
                times[name].append(seconds)
    return times


def timed(function: Callable[[], object]) -> float:
    """Return the seconds that a call takes, the accelerator's share included."""
    start = time.perf_counter()
    function()
    if DEVICE.type != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter() - start


def ratio(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Return the median of the ratios within the rounds, and their quartiles, to 3 digits."""
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return [round(value, 3) for value in (middle, low, high)]


def peak_memory(variant: str) -> int:
    """Return by how many kB a variant raises the peak memory of a process of its own that trains a ResNet-18."""
    command = [sys.executable, __file__, "--memory-of", variant]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_memory(variant: str) -> None:
    """Run one variant in this process and print the growth of its peak memory, in kB."""
    recipe = RECIPES[-1]
    loader = plain_loader(recipe, recipe.dataset())
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak that the imports made
    if variant == "bare":
        bare_loop(recipe, recycled(loader))
    else:
        sweep(recipe, endless(loader))
    print(_status("VmHWM") - before)


def _status(field: str) -> int:
    """Return a memory figure of this process, in kB, as Linux tells it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def process_times(rounds: int) -> dict[str, list[float]]:
    """Return the wall seconds of whole processes, a list over the rounds."""
    lrfind = [sys.executable, "-m", "lrfind"]
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "import_torch": [sys.executable, "-c", "import torch"],
            "run_digits": [*lrfind, "run", str(CONFIGS / "digits.yaml"), "--out", folder],
            "help": [*lrfind, "--help"],
            "first_call": [sys.executable, "-c", FIRST_CALL],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in track(range(rounds), "whole processes", transient=True):
            for name, command in commands.items():
                run = partial(subprocess.run, command, capture_output=True, check=True)
                times[name].append(float(run().stdout) if name == "first_call" else timed(run))
    return times


def measure(rounds: int) -> dict[str, Any]:
    """Return all figures, with what they were measured on."""
    recipes = {recipe.name: step_times(recipe, rounds) for recipe in RECIPES}
    updates = {recipe.name: update_times(recipe, rounds) for recipe in RECIPES}
    scripts = {recipe.name: script_times(recipe, rounds) for recipe in RECIPES}
    memory = [(peak_memory("sweep"), peak_memory("bare")) for _ in range(5)]
    processes = process_times(rounds)
    fixed, stepping = fixed_and_ratio(find_lr_times(RECIPES[0], rounds), RECIPES[0].steps)
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {DEVICE}",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "rounds": rounds,
        "recipes": {
            name: {
                "milliseconds_per_bare_step": round(1e3 * statistics.median(times["bare"]) / recipe.steps, 2),
                "sweep_to_bare_same_loader": ratio(times["sweep_same_loader"], times["bare"]),
                "sweep_to_bare": ratio(times["sweep"], times["bare"]),
                "sweep_to_floor": ratio(times["sweep"], times["floor"]),
            }
            for recipe, (name, times) in zip(RECIPES, recipes.items(), strict=True)
        },
        "script_to_bare": {name: ratio(times["script"], times["bare"]) for name, times in scripts.items()},
        "updates_to_bare": {
            name: {update: ratio(times[update], times[f"bare {update}"]) for update in UPDATES}
            for name, times in updates.items()
        },
        "ddp_to_bare": two_processes(rounds) if DEVICE.type == "cpu" else None,
        "memory_to_bare": ratio(*zip(*memory, strict=True)),
        "find_lr_fixed_seconds": fixed,
        "find_lr_steps_to_bare": stepping,
        "first_find_lr_seconds": round(statistics.median(processes["first_call"]), 3),
        "help_seconds": round(statistics.median(processes["help"]), 3),
        "run_to_import_torch": ratio(processes["run_digits"], processes["import_torch"]),
    }


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    lines = ["| ratio (median, middle half of the rounds) | " + " | ".join(figures["recipes"]) + " |"]
    lines.append("|---" * (1 + len(figures["recipes"])) + "|")
    for title, key in (
        ("sweep / bare loop, same DataLoader", "sweep_to_bare_same_loader"),
        ("sweep / bare loop, each with its own DataLoader", "sweep_to_bare"),
        ("sweep / bare loop on batches fetched beforehand", "sweep_to_floor"),
    ):
        cells = (_cell(recipe[key]) for recipe in figures["recipes"].values())
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    for update in UPDATES:
        cells = (_cell(figures["updates_to_bare"][name][update]) for name in figures["recipes"])
        lines.append(f"| sweep / bare loop, same DataLoader: {update} | " + " | ".join(cells) + " |")
    if scripts := figures.get("script_to_bare"):
        cells = (_cell(scripts[name]) for name in figures["recipes"])
        lines.append("| a script under `lrfind run train.py` / the script alone | " + " | ".join(cells) + " |")
    if ddp := figures.get("ddp_to_bare"):
        cells = (_cell(ddp[name]) for name in figures["recipes"])
        lines.append("| sweep / bare loop, both by DDP in two processes | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Peak memory of a ResNet-18 sweep / of its bare loop: {_cell(figures['memory_to_bare'])}. "
        f"`lrfind run configs/digits.yaml`, start to exit / `python -c 'import torch'`: "
        f"{_cell(figures['run_to_import_torch'])}. `lrfind --help`: {figures['help_seconds']} s.",
        "",
        *_find_lr_lines(figures),
        f"Measured on {figures['machine']}, torch {figures['versions']['torch']}, {figures['rounds']} rounds.",
    ]
    return "\n".join(lines)


def _find_lr_lines(figures: dict[str, Any]) -> list[str]:
    if "find_lr_fixed_seconds" not in figures:  # figures kept from before it was measured
        return []
    return [
        f"`find_lr(..., probes=False)` on the {RECIPES[0].name}, {RECIPES[0].steps} steps: a fixed cost of "
        f"{_cell(figures['find_lr_fixed_seconds'])} s, and its steps / those of the bare loop: "
        f"{_cell(figures['find_lr_steps_to_bare'])}. The first call of a process, imports and 10 steps included: "
        f"{figures['first_find_lr_seconds']} s.",
        "",
    ]


def _cell(figure: list[float]) -> str:
    middle, low, high = figure
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Measure, print the table, and save the figures if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--save", type=Path, help="JSON file for the figures")
    parser.add_argument("--memory-of", choices=("bare", "sweep"), help=argparse.SUPPRESS)
    parser.add_argument("--ranks", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ranks:
        print_ranks(arguments.rounds)
    if arguments.memory_of:
        print_memory(arguments.memory_of)
        return
    figures = measure(arguments.rounds)
    if arguments.save:
        arguments.save.write_text(json.dumps(figures, indent=2) + "\n")
    print(table(figures))


if __name__ == "__main__":
    main()
