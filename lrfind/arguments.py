"""The arguments of the Python API and the keys of the config: which is which, in settings and in messages."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from typing import Any

from lrfind.config.load import validated
from lrfind.config.schema import Config

KEYS = {
    "seed": "seed",
    "precision": "precision",
    "refine": "refine",
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
    "probes": "probes.enabled",
    "probe_steps": "probes.steps",
    "max_probe_steps": "probes.max_steps",
    "max_probes": "probes.max_probes",
    "method": "analysis.method",
}
"""The config key of each argument that is a setting."""

_ARGUMENTS = {key: argument for argument, key in KEYS.items()}
_WORDS = (
    (r"The loss of the config\b", "loss_fn"),
    (r"\bdrop loss\b", "drop loss_fn"),
    (r"^loss: expected (?=one|a loss)", "loss_fn: expected "),
    (r"^data: ", "loader: "),
    (r"\bloss: \{_target_: ([\w.]+)\}", r"loss_fn=\1()"),
    (r"\bset step to a function of your own: step: \{[^}]*\}", "pass a function of your own: step=my_step"),
    (r"\bdata\.batch_size\b", "the batch size"),
    (r"\bdata\.num_workers=0\b", "a loader with num_workers=0"),
)
"""What messages call by the config, and what a Python user has instead."""


def in_python(text: str) -> str:
    """Return a message with the arguments of `find_lr` in place of the config keys it names."""
    for pattern, words in _WORDS:
        text = re.sub(pattern, words, text, flags=re.MULTILINE)
    return re.sub(r"\b[a-z]+\.[a-z_]+\b", lambda found: _ARGUMENTS.get(found[0], found[0]), text)


def config_of_objects(settings: Mapping[str, Any], **objects: Any) -> Config:
    """Return the config that says what is swept: the settings, and the classes of the objects.

    Args:
        settings: The value of each argument in `KEYS`.
        objects: model, loader, loss_fn, optimizer, step and device.

    Raises:
        ConfigError: A setting is out of range.
    """
    device = objects["device"]
    document: dict[str, Any] = {
        "device": str(device) if device.type == "cuda" else device.type,
        "model": _node(objects["model"]),
        "data": _data(objects["loader"]),
        "loss": None if objects["loss_fn"] is None else _node(objects["loss_fn"]),
        "step": None if objects["step"] is None else _node(objects["step"]),
        "optimizer": _node(objects["optimizer"]) | _options(objects["optimizer"]),
    }
    for argument, value in settings.items():
        section, _, key = KEYS[argument].rpartition(".")
        (document.setdefault(section, {}) if section else document)[key] = value
    return validated(document, "find_lr", _ARGUMENTS | {"sweep": "start_lr", "train": "clip_grad_norm"})


def _data(loader: Any) -> dict[str, Any]:
    """Describe a DataLoader that makes its own batches by them, any other loader by its class alone."""
    size = getattr(loader, "batch_size", None)
    if not (isinstance(size, int) and hasattr(loader, "dataset") and hasattr(loader, "sampler")):
        return {"loader": _node(loader)}
    shuffle = type(loader.sampler).__name__ == "RandomSampler"
    workers = loader.num_workers
    return {"dataset": _node(loader.dataset), "batch_size": size, "num_workers": workers, "shuffle": shuffle}


def _node(value: Any) -> dict[str, Any]:
    """Return the node that names a function, or the class of an object, by the shortest path that leads to it."""
    named: Any = value if inspect.isroutine(value) or inspect.isclass(value) else type(value)
    name, parts = named.__qualname__, named.__module__.split(".")
    for depth in range(1, len(parts) + 1):
        path = ".".join(parts[:depth])
        if getattr(sys.modules.get(path), name, None) is named:
            return {"_target_": f"{path}.{name}"}
    return {"_target_": f"{named.__module__}.{name}"}


def _options(optimizer: Any) -> dict[str, Any]:
    """Return the options of an optimizer that are not its class's defaults, but for the learning rate."""
    parameters = inspect.signature(type(optimizer)).parameters
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in optimizer.defaults.items()
        if name in parameters and name != "lr" and value != parameters[name].default
    }
