"""What an optimizer needs of a sweep: a learning rate that it can set, and gradients that it can use."""

from __future__ import annotations

import inspect

import torch

from lrfind.errors import Fault


def why_not_swept(optimizer: torch.optim.Optimizer) -> Fault | None:
    """Return why no learning rate of the optimizer can be swept, and the way out; None if one can."""
    if faults := [fault for each in getattr(optimizer, "optimizers", ()) if (fault := why_not_swept(each))]:
        return faults[0]
    groups = optimizer.param_groups
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        problem = "needs a closure, to evaluate the loss several times in a step: no sweep covers that"
        fix = "use SGD or AdamW"
    elif hasattr(optimizer, "first_step"):
        problem, fix = "makes a step in two passes, which no sweep covers", "sweep the optimizer that it is built on"
    elif any(group.get("relative_step") for group in groups):
        problem, fix = "chooses its own learning rate (relative_step)", "add relative_step: false to sweep one"
    elif any("d" in group and ("d0" in group or "growth_rate" in group) for group in groups):  # Prodigy, D-Adaptation
        problem, fix = "estimates its own learning rate, so there is none to sweep", "leave its lr at 1"
    elif not all("lr" in group for group in groups):
        problem, fix = "has no learning rate to sweep: its parameter groups carry no lr", ""
    elif all(group.get("fixed_lr") for group in groups):
        problem, fix = "has no group whose learning rate is swept: every one has a fixed_lr", "drop one of them"
    else:
        return None
    return Fault("optimizer", problem=f"{type(optimizer).__name__} {problem}", fix=fix)


def differentiates_twice(optimizer: torch.optim.Optimizer) -> bool:
    """Tell whether an optimizer differentiates the gradients again, as those do that estimate the Hessian.

    Those of timm say so in an attribute, others ask for `create_graph=True` in their documentation, or their code shows
    that they call `torch.autograd.grad`.
    """
    if hasattr(optimizer, "is_second_order"):
        return bool(optimizer.is_second_order)
    functions = (inspect.unwrap(each) for each in vars(type(optimizer)).values() if inspect.isfunction(each))
    differentiates = any({"autograd", "grad"} <= {*function.__code__.co_names} for function in functions)
    return differentiates or "create_graph" in (type(optimizer).__doc__ or "")
