"""The optimizer that a config describes."""

from __future__ import annotations

from typing import Any, Literal

from torch import nn

from lrfind.config.schema import Config, ParamGroup
from lrfind.config.targets import resolve
from lrfind.config.validate import default_of, first_parameter, takes
from lrfind.training.groups import Selection, make_groups, named_parameters
from lrfind.workloads.instantiate import instantiate


def build_optimizer(config: Config, model: nn.Module, loss: Any = None) -> Any:
    """Return what the target of the optimizer makes of the trainable parameters of `model` and its loss.

    A target whose first argument is named `model` gets the model instead of the parameters.

    Raises:
        MisfitError: A parameter group takes no parameter.
    """
    assert config.optimizer is not None  # `check_targets` makes sure of it
    node = {key: value for key, value in config.optimizer.items() if key != "_partial_"}  # Hydra projects have it
    if takes_lr(node):  # the sweep sets the learning rate anyway, but some optimizers need one to be built
        node.setdefault("lr", config.sweep.start_lr)
    if argument_of(node) == "model":
        return instantiate("optimizer", node, model)
    parameters: list[Any] = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if config.param_groups or config.no_decay_on_bias_and_norm or trained(loss):
        selections = [_selection(group, node.get("lr")) for group in config.param_groups]
        named = named_parameters(model, loss)
        parameters = make_groups(named, selections, split_decay=config.no_decay_on_bias_and_norm)
    return instantiate("optimizer", node, parameters)


def argument_of(node: dict[str, Any]) -> Literal["model", "parameters"]:
    """Return what the target of an optimizer is called with."""
    return "model" if first_parameter(resolve(node["_target_"], "optimizer")) == "model" else "parameters"


def takes_lr(node: dict[str, Any]) -> bool:
    """Tell whether the target of an optimizer takes a learning rate; one with `relative_step` chooses it itself."""
    target = resolve(node["_target_"], "optimizer")
    return takes(target, "lr") and not node.get("relative_step", default_of(target, "relative_step"))


def trained(loss: Any) -> bool:
    """Tell whether a loss has parameters of its own to train."""
    return isinstance(loss, nn.Module) and any(parameter.requires_grad for parameter in loss.parameters())


def _selection(group: ParamGroup, lr: float | None) -> Selection:
    options = dict(group.model_extra or {})
    if group.fixed_lr is not None:
        options |= {"lr": group.fixed_lr, "fixed_lr": True}
    elif group.lr is not None and lr is not None:
        options["lr_scale"] = group.lr / lr
    elif group.lr_scale is not None:
        options["lr_scale"] = group.lr_scale
    return Selection(group.name or group.match, group.match, options)
