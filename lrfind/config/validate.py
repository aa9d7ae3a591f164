"""Finding what is wrong with the `_target_` nodes of a config before anything is built.

Each target is imported and the arguments beside it are bound to its signature, without calling it: a misspelt
argument shows in a second, not after the data set has loaded.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
import types
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from lrfind.config.load import validated
from lrfind.config.schema import Config
from lrfind.config.targets import HYDRA_KEYS, HYDRA_VALUES, is_object, name_functions, resolve, target_nodes
from lrfind.errors import ConfigError, Fault, did_you_mean, short
from lrfind.settings import listed

SAMPLER = re.compile(r"data\.(batch_)?sampler(\.sampler)?")
"""Nodes that take the data set as their first argument, if that has a name of `DATA`."""
DATA = ("data_source", "dataset")
_OWN = "add this key (only a LightningModule brings its own optimizer)"
NO_OPTIMIZER = Fault("optimizer", expected="a value", got="none", fix=_OWN)


def check_targets(config: Config, source: str) -> Config:
    """Return `config` with numbers written as text (`"1e-3"`) made numbers where the target takes a number.

    Raises:
        ConfigError: A target does not import, is not callable, or does not take the arguments beside it.
            All such faults are listed.
    """
    document = config.model_dump(exclude_unset=True)
    name_functions(document)
    nodes = list(target_nodes({key: value for key, value in document.items() if key != "scheduler"}))
    faults = [fault for key, node in nodes for fault in _check_node(key, node)]
    at_fault = {fault.key for fault in faults}
    if config.optimizer is not None and "optimizer._target_" not in at_fault:
        faults.extend(_check_groups(config, resolve(config.optimizer["_target_"], "optimizer")))
    if config.optimizer is None and "model._target_" not in at_fault:
        faults.extend(_check_own_optimizer(config.model["_target_"]))
    if faults:
        raise ConfigError(source, faults)
    return validated(document, source)


def takes(function: Callable[..., Any], name: str) -> bool:
    """Tell whether `function` takes an argument of that name; assume so if its signature is unknown."""
    parameters = _parameters(function)
    return parameters is None or name in parameters or _takes_any(parameters)


def first_parameter(function: Callable[..., Any]) -> str | None:
    """Return the name of the first argument that `function` takes; None if its signature is unknown."""
    return next(iter(_parameters(function) or ()), None)


def takes_data(sampler: Callable[..., Any], node: Mapping[str, Any]) -> bool:
    """Tell whether a sampler is to be called with the data set, as its node does not name it."""
    return first_parameter(sampler) in DATA and not node.get("_args_") and not set(DATA) & set(node)


def default_of(function: Callable[..., Any], name: str) -> Any:
    """Return the default of an argument; None if the argument is unknown or has none."""
    parameter = (_parameters(function) or {}).get(name)
    return None if parameter is None or parameter.default is parameter.empty else parameter.default


def _check_node(key: str, node: dict[str, Any]) -> Iterator[Fault]:
    target = node["_target_"]
    if not isinstance(target, str):
        yield Fault(f"{key}._target_", expected="a dotted path", got=short(target))
        return
    try:
        function = resolve(target, key)
    except LookupError as error:
        yield Fault(f"{key}._target_", problem=str(error))
        return
    if inspect.ismodule(function) or isinstance(function, (str, int, float, types.NoneType)):
        got = f"{target}, which is a {type(function).__name__}"
        yield Fault(f"{key}._target_", expected="a class or function", got=got)
        return
    for name in HYDRA_VALUES.keys() & node:
        if repr(node[name]) not in map(repr, HYDRA_VALUES[name]):  # 1 is no True to Hydra
            yield Fault(f"{key}.{name}", expected=listed(HYDRA_VALUES[name]), got=short(node[name]))
    if key == "optimizer" or not is_object(node, function):
        yield from _check_arguments(key, node, function)
    elif arguments := [name for name in node if name not in HYDRA_KEYS]:
        problem = f"{target} is an object already, and takes no argument {', '.join(arguments)}"
        yield Fault(key, problem=problem, fix="drop it, or name the class that makes it")


def _check_own_optimizer(model: str) -> Iterator[Fault]:
    """Find fault with a config that has no optimizer, unless the model may bring one as a LightningModule does.

    What a function returns shows only when it is called. It is no LightningModule if Lightning is not imported.
    """
    target = resolve(model, "model")
    loaded = any(package in sys.modules for package in ("lightning.pytorch", "pytorch_lightning"))
    if not (hasattr(target, "configure_optimizers") if inspect.isclass(target) else loaded):
        yield NO_OPTIMIZER


def _check_groups(config: Config, optimizer: Callable[..., Any]) -> Iterator[Fault]:
    """Find fault with parameter groups whose options the optimizer does not know, or that it makes itself."""
    name = str(getattr(optimizer, "__qualname__", optimizer))
    split_decay = "no_decay_on_bias_and_norm"
    if first_parameter(optimizer) == "model":
        for key in ("param_groups", split_decay):
            if getattr(config, key):
                problem = f"does nothing: {name} takes the model and makes its own groups"
                yield Fault(key, problem=problem, fix="drop it")
        return
    options = [
        (f"param_groups.{i}.{option}", option)
        for i, group in enumerate(config.param_groups)
        for option in group.model_extra or {}
    ]
    options += [(split_decay, "weight_decay")] if config.no_decay_on_bias_and_norm else []
    known = [*(_parameters(optimizer) or {})][1:]
    for key, option in options:
        if not takes(optimizer, option):
            yield _no_argument(key, name, option, known, own=("lr_scale", "fixed_lr", "name"))


def _no_argument(key: str, target: str, name: str, known: Sequence[str], own: Sequence[str] = ()) -> Fault:
    """Return the fault of an argument that a target does not take; `own` are names that lrfind takes beside it."""
    fix = did_you_mean(str(name), [*known, *own], f"it takes: {', '.join(known) or 'nothing'}")
    return Fault(key, problem=f"{target} takes no argument {name}", fix=fix)


def _check_arguments(key: str, node: dict[str, Any], function: Callable[..., Any]) -> Iterator[Fault]:
    parameters = _parameters(function)
    if parameters is None:
        return
    if not isinstance(node.get("_args_", []), list):
        yield Fault(f"{key}._args_", expected="a list of arguments", got=short(node["_args_"]))
        return
    if key == "optimizer" and node.get("_args_"):
        names = zip([*parameters][1:], node["_args_"], strict=False)
        named = ", ".join(f"{name}: {value}" for name, value in names)
        problem = "does nothing, as Hydra puts the parameters in its place"
        yield Fault(f"{key}._args_", problem=problem, fix=f"name them: {named}")
    arguments = {name: value for name, value in node.items() if name not in HYDRA_KEYS}
    for name, value in arguments.items():
        if name in parameters and isinstance(value, str):
            try:
                node[name] = _as_number(value, parameters[name])
            except ValueError:
                yield Fault(f"{key}.{name}", expected="a number", got=short(value))
    unknown = [] if _takes_any(parameters) else [name for name in arguments if name not in parameters]
    for name in unknown:
        yield _no_argument(f"{key}.{name}", node["_target_"], name, list(parameters))
    if not unknown and not node.get("_partial_"):
        yield from _check_missing(key, node, function, arguments)


def _check_missing(
    key: str, node: dict[str, Any], function: Callable[..., Any], arguments: dict[str, Any]
) -> Iterator[Fault]:
    positional = node.get("_args_", ())
    if key == "optimizer":  # lrfind passes the parameters, and a learning rate
        positional = ("the parameters",)
        arguments = {"lr": None, **arguments} if takes(function, "lr") else arguments
    elif SAMPLER.fullmatch(key):
        positional = (*("the data set",) * takes_data(function, node), *positional)
    signature = inspect.signature(function)
    known = {name: value for name, value in arguments.items() if name in signature.parameters}
    try:
        signature.bind(*positional, **(arguments if _takes_any(signature.parameters) else known))
    except TypeError as error:
        yield Fault(key, problem=f"{node['_target_']} cannot be called with these arguments: {error}")


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter] | None:
    """Return the parameters of a function and of the decorator around it; None if they are unknown."""
    try:
        wrapped = _signature(function).parameters
        decorator = inspect.signature(function, follow_wrapped=False).parameters
    except (TypeError, ValueError):  # some built-ins
        return None
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    added = {name: parameter for name, parameter in decorator.items() if parameter.kind not in variable}
    return (_settable(function) if _takes_any(decorator) else {}) | added | dict(wrapped)


def _settable(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the properties of a class that can be set, as arguments that its decorator may take.

    The configs of transformers take `num_labels` and the like this way; their signature does not show it.
    """
    names = dir(function) if inspect.isclass(function) else ()
    members = {name: inspect.getattr_static(function, name, None) for name in names}
    return {
        name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
        for name, member in members.items()
        if isinstance(member, property) and member.fset
    }


def _takes_any(parameters: Mapping[str, inspect.Parameter]) -> bool:
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a function, its annotations as types if they can be resolved."""
    try:
        return inspect.signature(function, eval_str=True)
    except Exception:  # an annotation may name a class that is imported for type checkers only
        return inspect.signature(function)


def _as_number(value: str, parameter: inspect.Parameter) -> Any:
    """Return `value` as a number if the parameter is declared to be one, by annotation or by default.

    Raises:
        ValueError: It is no number, and the parameter takes nothing else.
    """
    declared = _declared(parameter.annotation)
    by_default = isinstance(parameter.default, (int, float)) and not isinstance(parameter.default, bool)
    if str in declared or not (by_default or declared & {int, float}):
        return value
    for number in (int, float):
        with contextlib.suppress(ValueError):
            return number(value)
    plain = {kind for kind in declared if getattr(kind, "__name__", "") != "Tensor"}
    if plain and plain <= {int, float}:
        raise ValueError(value)
    return value


def _declared(annotation: Any) -> set[Any]:
    """Return the types that an annotation allows, beside None; the annotation itself if it is no type."""
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return set().union(*map(_declared, get_args(annotation)))
    if annotation in (inspect.Parameter.empty, type(None), None):
        return set()
    return {annotation if isinstance(annotation, Hashable) else object}
