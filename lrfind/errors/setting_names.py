"""What each audience calls a setting: the key of a config, a flag, or the argument of a Python function.

A text of lrfind names settings by `$name`: `raise $num_iter` reads "raise sweep.num_iter" beside a config, and "raise
num_iter" in Python. Only texts of lrfind are filled in, never messages of the user's code or names of files.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

KEYS = {
    "seed": "seed",
    "precision": "precision",
    "refine": "refine",
    "budget": "budget",
    "max_time": "max_time",
    "start_lr": "sweep.start_lr",
    "end_lr": "sweep.end_lr",
    "num_iter": "sweep.num_iter",
    "max_iter": "sweep.max_iter",
    "warmup_steps": "sweep.warmup_steps",
    "accumulate": "train.accumulate",
    "world_size": "train.world_size",
    "clip_grad_norm": "train.clip_grad_norm",
    "clip_grad_value": "train.clip_grad_value",
    "schedule": "train.schedule",
    "train_steps": "train.steps",
    "train_epochs": "train.epochs",
    "probes": "probes.enabled",
    "probe_steps": "probes.steps",
    "max_probes": "probes.max_probes",
    "method": "analysis.method",
}
"""The config key of each setting, by its name as an argument of `find_lr`."""


@dataclass(frozen=True)
class Words:
    """The words of an audience.

    Attributes:
        names: What it calls a setting, by the config key; other settings go by their key.
        phrases: Replacements of `$name` in a text, beside the settings of `KEYS`.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    phrases: Mapping[str, str] = field(default_factory=dict)

    def name(self, key: str) -> str:
        """Return what the audience calls the setting at a config key."""
        return self.names.get(key, key)

    def fill(self, text: str) -> str:
        """Return a text of lrfind with its settings named in these words; unknown names stay."""
        settings = {name: self.name(key) for name, key in KEYS.items()}
        return string.Template(text).safe_substitute(settings | dict(self.phrases))

    def with_names(self, names: Mapping[str, str]) -> Words:
        """Return these words, with other names for some settings."""
        return replace(self, names={**self.names, **names})


OF_A_CURVE = {"lr_column": "--lr-column", "loss_column": "--loss-column", "lr_file": "--lr-file"}
"""Flags that say how to read a curve of another tool, by their names in Python."""
CONFIG = Words(
    names=OF_A_CURVE,
    phrases={
        **OF_A_CURVE,
        "loss": "loss",
        "updates_per_point": "--updates-per-point",
        "loader": "data",
        "batch_size": "data.batch_size",
        "no_workers": "data.num_workers=0",
        "collate_fn": "data.collate_fn",
        "mse_loss": "loss: {_target_: torch.nn.MSELoss}",
        "cross_entropy_loss": "loss: {_target_: torch.nn.CrossEntropyLoss}",
        "own_step": "set step to a function of your own: step: my_module.my_step",
        "the_loss": "The loss of the config",
    },
)
"""The words of a config."""

PYTHON = Words(
    names={**{key: name for name, key in KEYS.items()}, "loss": "loss_fn", "data": "loader"},
    phrases={
        **{name: name for name in OF_A_CURVE},
        "loss": "loss_fn",
        "updates_per_point": "updates_per_point",
        "loader": "loader",
        "batch_size": "the batch size",
        "no_workers": "a loader with num_workers=0",
        "collate_fn": "the collate_fn of the loader",
        "loss_option": "loss=",
        "cwd_copy": "cwd_copy=True",
        "mse_loss": "loss_fn=torch.nn.MSELoss()",
        "cross_entropy_loss": "loss_fn=torch.nn.CrossEntropyLoss()",
        "own_step": "pass a function of your own: step=my_step",
        "the_loss": "loss_fn",
    },
)
"""The words of `find_lr`."""

SCRIPT = Words(
    names={
        **{key: f"--{name.replace('_', '-')}" for name, key in KEYS.items()},
        "sweep.max_iter": "--budget",
        "train.epochs": "--epochs",
        "train.accumulate": "the gradient accumulation of the script",
        "train.clip_grad_norm": "the clipping of the script",
    },
    phrases={
        "loss": "the loss of the script",
        "loader": "the data of the script",
        "batch_size": "its batch size",
        "no_workers": "a loader with num_workers=0",
        "loss_option": "--loss NAME",
        "cwd_copy": "--cwd-copy",
    },
)
"""The words of a script on the command line."""
