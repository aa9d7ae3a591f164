"""The section of the README that helps with an error."""

from __future__ import annotations

import re

from lrfind.errors import ConfigError, DataError, LrfindError, RecordError

README = "README.md"
"""Where the README stands; it is in the metadata of the installed package as well."""

CHOICE = "How the learning rate is chosen"
"""Explains every refusal."""
CONFIG, COMMAND = "The config", "The command"
CHECK, ANALYZE = "A gate for CI: `lrfind check`", "Read a curve again: `lrfind analyze`"

_OF_SOURCES = {
    "-": ANALYZE,
    "lrfind init": "A starter config: `lrfind init`",
    "lrfind analyze": ANALYZE,
    "lrfind plot": "Draw and compare: `lrfind plot`",
    "lrfind schedule": "From the learning rate to a schedule: `lrfind schedule`",
    "lrfind explain": "Too small, right, too large: `lrfind explain`",
}
_OF_KEYS = {
    r"train\.(checkpoint|strict|optimizer_state|freeze)\b": "Fine-tuning",
    r"(parallel|train\.(world_size|find_unused_parameters))\b": "Several GPUs or machines",
    r"(param_groups\b|no_decay_on_bias_and_norm\b|optimizer(:|$))": "Parameter groups",
    r"(precision|tf32|channels_last|compile|scheduler|train\.(accumulate|clip_\w+))\b": "The recipe",
    r"(model|loss|step|data\.dataset|data\.loader|data\.collate_fn)(:|$)": "Batches and models",
    r"training step failed: (Attribute|Key|Type|Value)Error": "Batches and models",
    r"--(against|tolerance|lr)\b": CHECK,
    r"--": COMMAND,
}
"""Headings by what a key, or the message of an error, begins with; the first that fits counts."""


def headings() -> set[str]:
    """Return all that can be named."""
    return {CHOICE, CONFIG, COMMAND, CHECK, ANALYZE, *_OF_SOURCES.values(), *_OF_KEYS.values()}


def help_line(heading: str) -> str:
    """Return the line that sends a reader to a section of the README."""
    return f'help: README, "{heading.replace("`", "")}": {README}#{anchor(heading)}'


def anchor(heading: str) -> str:
    """Return the name that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def section(error: LrfindError) -> str | None:
    """Return the heading of the section that helps with `error`, the first fault of several; None if none does."""
    if isinstance(error, ConfigError):
        return _OF_SOURCES.get(error.source) or _by_key(error.faults[0].key) or CONFIG
    if isinstance(error, RecordError):
        return _by_key(str(error)) or ANALYZE
    return _by_key(str(error)) or ("Batches and models" if isinstance(error, DataError) else None)


def _by_key(text: str) -> str | None:
    return next((heading for key, heading in _OF_KEYS.items() if re.match(key, text)), None)
