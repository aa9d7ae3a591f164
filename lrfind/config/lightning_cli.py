"""Configs of Lightning: those of a LightningCLI, and the Trainer of a project, in the keys of lrfind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lrfind.errors import Fault, MisfitError
from lrfind.settings import schedule_named

KEYS = ("seed_everything", "trainer", "lr_scheduler")
"""Keys of a LightningCLI that say how it trains."""
NODES = ("model", "data", "loss", "optimizer")
PRECISIONS = {"bf16-mixed": "bf16", "bf16": "bf16", "16-mixed": "fp16", "16": "fp16"}
DEVICES = {"cpu": "cpu", "gpu": "cuda", "cuda": "cuda", "mps": "mps"}


def is_of_lightning(document: Mapping[Any, Any]) -> bool:
    """Tell whether a config is one of a LightningCLI, or has the Trainer of a project."""
    model = document.get("model")
    return any(key in document for key in KEYS) or (isinstance(model, Mapping) and "class_path" in model)


def in_keys_of_lrfind(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with what the keys of Lightning say, in keys of lrfind; what these say already stands.

    `class_path` and `init_args` become a node. The Trainer says precision, accumulation, clipping, length and device.
    """
    found = {name: _node(value) if name in NODES else value for name, value in document.items() if name not in KEYS}
    for name in ("model", "data"):
        _check_class(name, found.get(name))
    optimizer = found.get("optimizer")
    if isinstance(optimizer, dict) and "." not in str(optimizer.get("_target_", ".")):
        optimizer["_target_"] = f"torch.optim.{optimizer['_target_']}"
    trainer = document.get("trainer")
    trainer = trainer if isinstance(trainer, Mapping) else {}
    train = found.get("train")
    found["train"] = {**_train(trainer, document.get("lr_scheduler")), **(train if isinstance(train, Mapping) else {})}
    if found["train"].get("steps"):
        found["train"].pop("epochs", None)
    seed = document.get("seed_everything")
    beside = {
        "seed": seed if isinstance(seed, int) and not isinstance(seed, bool) else None,
        "precision": PRECISIONS.get(str(trainer.get("precision"))),
        "device": DEVICES.get(str(trainer.get("accelerator"))),
    }
    return {name: value for name, value in beside.items() if value is not None} | found


def _check_class(name: str, node: Any) -> None:
    """Check that a config names the class of the model or the data, where it holds nothing but the arguments of one.

    Raises:
        MisfitError: The script that wrote the config knows it, or is the module of it.
    """
    if not isinstance(node, dict) or {"loader", "dataset"} & node.keys():
        return
    target = node.get("_target_")
    if target is None or str(target).startswith("__main__."):
        fix = f"say {name}.class_path=my_module.MyClass, or run the script: lrfind run SCRIPT.py -- fit --config FILE"
        got = str(target) if target else f"the arguments {', '.join(map(str, node)) or 'of none'} alone"
        raise MisfitError(Fault(name, expected="the class_path of a module's class", got=got, fix=fix))


def _train(trainer: Mapping[str, Any], scheduler: Any) -> dict[str, Any]:
    """Return the settings of `train` that a Trainer and a scheduler say."""
    clip = "clip_grad_value" if trainer.get("gradient_clip_algorithm") == "value" else "clip_grad_norm"
    names = {
        "accumulate": trainer.get("accumulate_grad_batches"),
        clip: trainer.get("gradient_clip_val"),
        "steps": trainer.get("max_steps"),
        "epochs": trainer.get("max_epochs"),
    }
    said = {name: value for name, value in names.items() if isinstance(value, (int, float)) and value > 0}
    path = str(scheduler.get("class_path", "")) if isinstance(scheduler, Mapping) else ""
    return said | ({"schedule": schedule_named(path)} if schedule_named(path) else {})


def _node(value: Any) -> Any:
    """Return a value with each `class_path` in it as the `_target_` of a node."""
    if isinstance(value, list):
        return [_node(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    inner = {name: _node(each) for name, each in value.items()}
    if "class_path" not in inner:
        return inner
    path, arguments = inner.pop("class_path"), inner.pop("init_args", None) or {}
    return {"_target_": path, **arguments, **(inner.pop("dict_kwargs", None) or {}), **inner}
