"""The optimizers of fastai, which are none of torch: the recorder is shown them, and their steps, as if they were."""

from __future__ import annotations

import functools
import sys
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

from lrfind.scripts.optimizers import Made, MadeOptimizers
from lrfind.scripts.places import place_of

MODULE = "fastai.optimizer"
FITS: Mapping[str, str] = {"fit_one_cycle": "lr_max", "fit_flat_cos": "lr", "fit_sgdr": "lr_max"}
"""Methods of a Learner that schedule the learning rate, and what they call its peak."""


class FastaiOptimizer:
    """An optimizer of fastai with the parameter groups that one of torch would have."""

    def __init__(self, optimizer: Any, step: Callable[..., Any]) -> None:
        self._optimizer = optimizer
        self.step = step

    @property
    def param_groups(self) -> list[Any]:
        """The groups, whose options are those of the optimizer itself."""
        lists = zip(self._optimizer.param_lists, self._optimizer.hypers, strict=True)
        return [ChainMap(options, {"params": list(parameters)}) for parameters, options in lists]

    @property
    def defaults(self) -> dict[str, Any]:
        """The options of its first group."""
        return dict(self._optimizer.hypers[0])


def watch_fastai(before_step: Callable[[Any], None], after_step: Callable[[Any], None], made: MadeOptimizers) -> None:
    """Tell of the steps of fastai's optimizers from now on, if the script has imported them."""
    kind = sys.modules[MODULE].Optimizer
    original = kind.step

    @functools.wraps(original)
    def step(self: Any, *args: Any, **options: Any) -> Any:
        shown = vars(self).get("_lrfind_shown")
        if shown is None:
            shown = self._lrfind_shown = FastaiOptimizer(self, original)
            made.put(shown, _made(shown, sys._getframe()))
        before_step(shown)
        result = original(self, *args, **options)
        after_step(shown)
        return result

    kind.step = step


def _made(shown: FastaiOptimizer, frame: FrameType) -> Made:
    """Return what an optimizer is to train with: the peaks of the method that fits, or else what is set now."""
    groups = shown.param_groups
    lrs = next(_peaks(frame), [group["lr"] for group in groups])
    lrs = [float(lr) for lr in lrs] if len(lrs) == len(groups) else [float(lrs[-1])] * len(groups)
    cycled = [{name: group[name] for name in ("mom",) if name in group} for group in groups]
    return Made(0, place_of(frame), lrs, cycled)


def _peaks(frame: FrameType | None) -> Iterator[Any]:
    while frame is not None:
        name = FITS.get(frame.f_code.co_name)
        if name is not None and (peak := frame.f_locals.get(name)) is not None:
            yield peak if hasattr(peak, "__len__") else [peak]
        frame = frame.f_back
