"""lrfind finds the learning rate of a PyTorch training, and says how sure it is.

`find_lr` does so for the objects of a script or a notebook, `run_script` for a training script as it stands,
`run_config` for a config; `load` reads what was found.
What these import, torch above all, is imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrfind.answer import Answer, load
    from lrfind.errors import LrfindError
    from lrfind.finder import find_lr, run_config
    from lrfind.script import run_script

__version__ = "0.1.0"
__all__ = ["Answer", "LrfindError", "find_lr", "load", "run_config", "run_script"]

_HOMES = {
    "Answer": "answer",
    "load": "answer",
    "LrfindError": "errors",
    "find_lr": "finder",
    "run_config": "finder",
    "run_script": "script",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lrfind' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lrfind.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
