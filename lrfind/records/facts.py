"""What a training has told of itself: the size of its updates, its loop, and of a script where it sets its LR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lrfind.records.values import Amount, Described, Flag, Name, Natural, Text


@dataclass(frozen=True)
class UpdateSize:
    """The size of the updates of an optimizer.

    Attributes:
        normalized: Whether it is the same whatever the size of the gradient. Adam, RMSprop, Lion and Adafactor make
            such updates, SGD does not. None if unknown.
        replacing_lr: The learning rate at which one update is as large as the weights. What a network is then worth is
            settled by chance, whatever its loss. None unless `normalized`.
        shrinks: The power of the steps made that updates shrink with, without the gradient doing so: 1/2 for Adagrad,
            which divides by the root of the sum of all squared gradients, and about 0 for most others.
    """

    normalized: bool | None = None
    replacing_lr: float | None = None
    shrinks: float = 0.0


UNKNOWN_SIZE = UpdateSize()


@dataclass(frozen=True)
class LoopFacts(Described):
    """What code that trains in the same way needs to know beside the config."""

    trainer: Text = ""
    """The package of the Trainer that runs the loop: lightning.pytorch, pytorch_lightning or transformers."""
    optimizer_of: Literal["", "parameters", "model"] = ""
    """What the optimizer of the config is called with; empty if the training brings one that is made."""
    takes_lr: Flag = True
    """Whether that call takes a learning rate."""
    several: Flag = False
    """Whether several optimizers train together."""
    has_mode: Flag = False
    """Whether the optimizer has a training mode, which it must be put into."""
    loss_module: Literal["", "plain", "trained"] = ""
    """Whether the loss of the config is a module, and has parameters of its own that are trained."""
    loss: Text = ""
    """The loss of a mini-batch as Python, of `model`, `loss` and `batch`; empty if a step of the user's returns it."""


@dataclass(frozen=True)
class ScriptFacts(Described):
    """A script that was run, and where it sets its learning rate."""

    target: Name
    """The path of its file, or its dotted name."""
    args: tuple[Name, ...]
    """What stands behind it on the command line."""
    is_module: Flag
    """Whether it is a module, as of `python -m`."""
    lr: Amount | None
    """The learning rate that it trains with: the peak, if a scheduler is given one."""
    setting: Text
    """What sets that: `AdamW(lr`, `OneCycleLR(max_lr`."""
    file: Text
    """The file in which it stands."""
    line: Natural
    """The line there, from 1; 0 if that is unknown."""
    through: Text
    """The library that makes the optimizer for that line; empty if the line does it itself."""
    option: Text
    """The option of its command line that sets that learning rate, as far as its value tells."""
    scheduler: Text
    """The class of its scheduler; empty without one."""
