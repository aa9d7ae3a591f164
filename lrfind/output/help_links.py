"""The page of the documentation that helps with an error."""

from __future__ import annotations

from pathlib import Path

import lrfind
from lrfind.errors import ConfigError, DataError, LrfindError, RecordError

REFUSALS = "method.md#refusals"
"""Explains why no learning rate can be trusted."""

BY_COMMAND = {
    "lrfind init": "command-line.md#lrfind-init",
    "lrfind run": "command-line.md#lrfind-run",
    "lrfind analyze": "record.md#read-a-curve-again",
    "lrfind plot": "command-line.md#lrfind-plot",
    "lrfind schedule": "command-line.md#lrfind-schedule",
    "lrfind explain": "command-line.md#lrfind-explain",
    "-": "record.md#read-a-curve-again",
}
"""Pages by the command that is at fault; `-` is stdin."""
BY_KEY = {
    "train.checkpoint": "fine-tuning.md",
    "train.strict": "fine-tuning.md",
    "train.optimizer_state": "fine-tuning.md",
    "train.freeze": "fine-tuning.md",
    "parallel": "several-gpus.md",
    "train.world_size": "several-gpus.md",
    "train.find_unused_parameters": "several-gpus.md",
    "param_groups": "config.md#parameter-groups",
    "no_decay_on_bias_and_norm": "config.md#parameter-groups",
    "optimizer": "config.md#parameter-groups",
    "precision": "config.md#the-training-recipe",
    "tf32": "config.md#the-training-recipe",
    "channels_last": "config.md#the-training-recipe",
    "compile": "config.md#the-training-recipe",
    "train.accumulate": "config.md#the-training-recipe",
    "train.clip_grad_norm": "config.md#the-training-recipe",
    "train.clip_grad_value": "config.md#the-training-recipe",
    "model": "batches.md",
    "loss": "batches.md",
    "step": "batches.md",
    "data.dataset": "batches.md",
    "data.loader": "batches.md",
    "data.collate_fn": "batches.md",
    "--against": "ci.md#lrfind-check",
    "--tolerance": "ci.md#lrfind-check",
    "--lr": "ci.md#lrfind-check",
    "--report": "command-line.md#report-and-trackers",
    "--log": "command-line.md#report-and-trackers",
}
"""Pages by the setting at fault; a key below one of these has the same page."""
FLAGS = "command-line.md"
BY_KIND = ((ConfigError, "config.md"), (RecordError, "record.md#read-a-curve-again"), (DataError, "batches.md"))
"""Pages by the kind of an error."""


def pages() -> set[str]:
    """Return all pages that an error can name."""
    return {REFUSALS, FLAGS, *BY_COMMAND.values(), *BY_KEY.values(), *(page for _, page in BY_KIND)}


def page_for(error: LrfindError) -> str:
    """Return the page that helps with `error`, the first fault of several; "" if none does."""
    key = error.faults[0].key if error.faults else ""
    kind = next((page for kind, page in BY_KIND if isinstance(error, kind)), "")
    return error.docs or BY_COMMAND.get(error.source, "") or _by_key(key) or kind


def _by_key(key: str) -> str:
    if key.startswith("--"):
        return BY_KEY.get(key, FLAGS)
    parts = key.split(".")
    above = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((BY_KEY[name] for name in above if name in BY_KEY), "")


def help_line(page: str) -> str:
    """Return the line that sends a reader to a page: its address, and its path where lrfind runs from a checkout."""
    path = Path(lrfind.__file__).parents[1] / "docs" / page.partition("#")[0]
    places = [f"{address}/{page}" for address in _addresses()]
    places += [str(path)] if path.is_file() else []
    return f"help: {' or '.join(places) or f'docs/{page}'}"


def _addresses() -> list[str]:
    """Return the address of the documentation, as the metadata of the installed package has it, in a list."""
    import importlib.metadata  # a tenth of the time of --help, and of use only after an error

    try:
        urls = importlib.metadata.metadata("lrfind").get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    named = dict(url.split(", ", 1) for url in urls)
    return [named["Documentation"]] if "Documentation" in named else []
