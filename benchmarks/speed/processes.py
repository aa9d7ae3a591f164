"""What whole processes take: commands from start to exit, the peak of the memory, two processes of torchrun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from itertools import islice
from pathlib import Path

import torch.distributed as dist
from rich.progress import track
from torch import nn
from torch.nn import functional

from lrfind.training.distributed.launch import is_first, read_launch
from lrfind.training.distributed.process_group import ProcessGroup, join_process_group
from lrfind.training.ladder import ladder
from lrfind.training.minibatches import endless
from lrfind.training.step import DefaultStep
from lrfind.training.sweep import run_sweep
from speed.timing import in_turns, ratio, timed
from speed.trainings import CONFIGS, DEVICE, RECIPES, Recipe, bare_loop, plain_loader, recycled, sweep

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


def peak_memory(variant: str) -> int:
    """Return by how many kB a variant raises the peak memory of a process of its own that trains a ResNet-18."""
    command = [sys.executable, "-m", "speed", "--memory-of", variant]
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
            loss.backward()
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
    command = [*launcher, "-m", "speed", "--ranks", "--rounds", str(rounds)]
    found: dict[str, list[float]] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found
