"""What a dry run says: that one step was trained, and what would run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from lrfind.errors import ExitCode, shown
from lrfind.output.formats import Format
from lrfind.output.streams import print_result, tell
from lrfind.records.json_format import dumps
from lrfind.settings import Settings
from lrfind.training.distributed.launch import is_first


def show_trial(
    settings: Settings,
    title: str,
    loss: float,
    form: Format,
    named: Mapping[str, Any],
    keep: Callable[[str], None] = lambda document: None,
) -> ExitCode:
    """Print what would run, and return the exit code that tells whether the loss of the step is usable.

    Args:
        settings: How the learning rate would be searched.
        title: What was trained.
        loss: Of the one step.
        form: What to print.
        named: What the JSON document says of the source of the training.
        keep: Is given that document.
    """
    usable = math.isfinite(loss)
    code = ExitCode.OK if usable else ExitCode.FAILED
    if not is_first():
        return code
    sweep = settings.sweep
    plan = {
        "title": title,
        **{key: getattr(sweep, key) for key in ("num_iter", "start_lr", "end_lr", "mode")},
        "most_updates": settings.most_updates,
        "first_loss": loss,
    }
    text = dumps({"dry_run": plan, **named}, line=True)
    keep(text)
    if form == "json":
        print_result(text)
    elif form == "text":
        print_result(
            f"{shown(title)}\n{'works' if usable else 'runs'}: one step was trained, with a loss of {loss:.4g}\n"
            f"would sweep {sweep.num_iter} steps, {sweep.mode}, from {sweep.start_lr:g} to {sweep.end_lr:g}"
            f"\nwould probe after it, with at most {settings.most_updates} updates in all"
        )
    if not usable:
        tell(f"lrfind: the first loss is {loss}: look for it in the data, the model or the loss")
    return code
