"""The figures as a table."""

from __future__ import annotations

from typing import Any

from speed.trainings import RECIPES, UPDATES


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
    cells = (_cell(figures["script_to_bare"][name]) for name in figures["recipes"])
    lines.append("| a script under `lrfind run train.py` / the script alone | " + " | ".join(cells) + " |")
    if ddp := figures["ddp_to_bare"]:  # None on an accelerator
        cells = (_cell(ddp[name]) for name in figures["recipes"])
        lines.append("| sweep / bare loop, both by DDP in two processes | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Peak memory of a ResNet-18 sweep / of its bare loop: {_cell(figures['memory_to_bare'])}. "
        f"`lrfind run configs/digits.yaml`, start to exit / `python -c 'import torch'`: "
        f"{_cell(figures['run_to_import_torch'])}. `lrfind --help`: {figures['help_seconds']} s.",
        "",
        f"`find_lr(..., probes=False)` on the {RECIPES[0].name}, {RECIPES[0].steps} steps: a fixed cost of "
        f"{_cell(figures['find_lr_fixed_seconds'])} s, and its steps / those of the bare loop: "
        f"{_cell(figures['find_lr_steps_to_bare'])}. The first call of a process, imports and 10 steps included: "
        f"{figures['first_find_lr_seconds']} s.",
        "",
        f"Measured on {figures['machine']}, torch {figures['versions']['torch']}, {figures['rounds']} rounds.",
    ]
    return "\n".join(lines)


def _cell(figure: list[float]) -> str:
    middle, low, high = figure
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"
