"""What a sweep costs beside the bare training loop: time, memory, start-up. Ratios, side by side in one run.

    python -m speed [--rounds 15] [--save benchmarks/speed.json]

Every round times all variants one after the other, in turned order; each ratio is taken within a round, and the
median over the rounds is reported with the middle half of them. So a machine that slows down slows both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from pathlib import Path
from typing import Any

import torch

from speed.loops import find_lr_times, fixed_and_ratio, script_times, step_times, update_times
from speed.processes import peak_memory, print_memory, print_ranks, process_times, two_processes
from speed.table import table
from speed.timing import ratio
from speed.trainings import DEVICE, RECIPES, UPDATES


def measure(rounds: int) -> dict[str, Any]:
    """Return all figures, with what they were measured on."""
    steps = {recipe: step_times(recipe, rounds) for recipe in RECIPES}
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
            recipe.name: {
                "milliseconds_per_bare_step": round(1e3 * statistics.median(times["bare"]) / recipe.steps, 2),
                "sweep_to_bare_same_loader": ratio(times["sweep_same_loader"], times["bare"]),
                "sweep_to_bare": ratio(times["sweep"], times["bare"]),
                "sweep_to_floor": ratio(times["sweep"], times["floor"]),
            }
            for recipe, times in steps.items()
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
