"""How a mini-batch reaches the model: decided on the first one, by its form and by what `forward` takes.

The table of forms stands in `lrfind.training.step`.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter, itemgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from lrfind.errors import Fault, Level, Note, UserCodeError
from lrfind.training.batch import describe, is_dataclass
from lrfind.training.forward import Forward

Loss = Callable[[Any, Any], Tensor]
"""loss(output, target) -> a scalar tensor."""
Call = Callable[[nn.Module, Any], Any]
"""call(model, batch) -> the model's output."""

TARGETS = ("label", "labels", "target", "targets", "y")
"""Names under which a batch holds its target."""
RARER_TARGETS = ("y_true", "label_ids", "labels_ids", "mask", "masks", "ground_truth", "gt")
"""Names of the target if it has none of `TARGETS`, and the model takes no input of that name."""
_ABOUT = re.compile(r"(^|_)(id|idx|index|name|path|file|filename|url|meta)$")
"""Ends the names of what a batch holds about its samples, and no model takes."""
OWN_STEP = "for anything else $own_step"


@dataclass(frozen=True)
class BatchForm:
    """How the mini-batches of a sweep reach the model.

    Attributes:
        form: The call in words.
        code: The call as Python, of `model` and `batch`.
        call: Returns the model's output on a batch.
        target: Returns the target of a batch; None if there is none for a loss of the config.
        target_code: The target as Python, of `batch`.
        own: Whether a loss in the output is preferred.
        notes: What the user should know of it.
    """

    form: str
    code: str
    call: Call
    target: Callable[[Any], Any] | None = None
    target_code: str = ""
    own: bool = False
    notes: tuple[Note, ...] = ()


def form_of(forward: Forward, batch: Any, loss: Loss | None) -> BatchForm:
    """Return how mini-batches like `batch` are used.

    Raises:
        UserCodeError: The default step does not know how; the message says what it needs.
    """
    if isinstance(batch, Mapping) or is_dataclass(batch):
        return _by_name(forward, batch, loss)
    if isinstance(batch, (tuple, list)) and not isinstance(batch, PackedSequence):
        return _by_position(forward, batch) if loss is None else _with_target(forward, batch)
    if names := _attributes(forward, batch):
        code = f"{{name: getattr(batch, name) for name in {names!r}}}"
        return _by_name(forward, batch, loss, lambda batch: {name: getattr(batch, name) for name in names}, code)
    if not forward.takes(1):
        raise unusable(batch, f"inputs that the model takes ({forward})")
    if loss is None:
        return BatchForm("model(batch)", "model(batch)", _call, own=True)
    targets = [name for name in TARGETS if getattr(batch, name, None) is not None]
    if len(targets) != 1:
        raise unusable(batch, f"(x, y), a mapping, or an object with one of {', '.join(TARGETS)}")
    target = f"batch.{targets[0]}"
    return BatchForm(f"loss(model(batch), {target})", "model(batch)", _call, attrgetter(targets[0]), target)


def _attributes(forward: Forward, batch: Any) -> list[str]:
    """Return the attributes of an object, such as a graph, that the model takes by name, and its target; else none."""
    taken = [name for name in forward.arguments if getattr(batch, name, None) is not None]
    if len(taken) < 2 or isinstance(batch, Tensor) or not forward.takes(names=taken):
        return []
    return [*taken, *(name for name in TARGETS if name not in taken and getattr(batch, name, None) is not None)]


def _by_name(
    forward: Forward,
    batch: Any,
    loss: Loss | None,
    values: Callable[[Any], Mapping[Any, Any]] | None = None,
    code: str = "",
) -> BatchForm:
    """Return the form of a mapping or a dataclass, or of the `values` of another object, which `code` says."""
    read = values or _values
    items = code or ("batch" if isinstance(batch, Mapping) else "vars(batch)")
    targets = _targets(forward, read(batch)) if loss else []
    taken = [name for name in targets if forward.names(name)]
    apart = [name for name in targets if name not in taken]
    if len(apart) > 1:
        raise unusable(batch, f"one target, not {' and '.join(apart)}")
    target = (apart or taken)[0] if len(apart or taken) == 1 else None
    whole = values is None and not apart

    def inputs(batch: Any) -> Any:
        return batch if whole else {name: value for name, value in read(batch).items() if name not in apart}

    fed = _spread(forward, inputs(batch))
    rest = f"{{name: value for name, value in {items}.items() if name != {target!r}}}" if apart else items
    return replace(
        fed,
        form=f"loss({fed.form}, {target})" if apart else fed.form,
        code=fed.code.format("batch" if whole else rest),
        call=lambda model, batch: fed.call(model, inputs(batch)),
        target=(lambda batch: read(batch)[target]) if target else None,
        target_code=f"batch.{target}" if code else f"{items}[{target!r}]",
        own=not apart,
        notes=(*fed.notes, *_guessed(forward, apart)),
    )


def _guessed(forward: Forward, apart: Sequence[str]) -> list[Note]:
    """Return a note of each target that is one only because the model takes all but it."""
    text = f"Taken as the target, the one input that {forward.model} does not take: "
    return [Note(text, literal=str(name)) for name in apart if name not in (*TARGETS, *RARER_TARGETS)]


def _targets(forward: Forward, values: Mapping[Any, Any]) -> list[str]:
    """Return the names of the targets among named values: usual ones, or the only one that the model does not take."""
    if usual := [name for name in TARGETS if values.get(name) is not None]:
        return usual
    others = [name for name in values if not forward.names(name)]
    rarer = [name for name in RARER_TARGETS if name in others and values[name] is not None]
    return rarer or (others if len(others) == 1 < len(values) and forward.arguments else [])


def _by_position(forward: Forward, batch: Sequence[Any]) -> BatchForm:
    """Return the form of a tuple or a list that goes to the model whole, as no loss takes a target from it."""
    if len(batch) == 1:
        fed = _spread(forward, batch[0])
        code = fed.code.format("batch[0]")
        return replace(fed, code=code, call=lambda model, batch: fed.call(model, batch[0]), own=True)
    samples = all(isinstance(item, Mapping) for item in batch)
    if forward.takes(len(batch)) and not (samples and forward.takes(1)):
        return BatchForm(f"model({_listed(len(batch))})", "model(*batch)", _spread_call, own=True)
    if samples and forward.takes(1):
        return BatchForm("model(batch)", "model(batch)", _call, own=True)
    fault = Fault("loss", expected="a loss for (x, y) batches", got="none", fix="add for example $mse_loss")
    hint = f"the batch was: {describe(batch)}, all of which goes to the model without a loss, but {forward}"
    raise UserCodeError(fault, hints=(hint,))


def _with_target(forward: Forward, batch: Sequence[Any]) -> BatchForm:
    """Return the form of a tuple or a list one of whose items is the target of a loss."""
    at = _target_at(batch)
    target = f"batch[{at}]"
    if len(batch) == 2:
        fed = _spread(forward, batch[1 - at])
        return replace(
            fed,
            form=f"loss({fed.form}, y)",
            code=fed.code.format(f"batch[{1 - at}]"),
            call=lambda model, batch: fed.call(model, batch[1 - at]),
            target=itemgetter(at),
            target_code=target,
        )
    if len(batch) < 2 or not forward.takes(len(batch) - 1):
        raise unusable(batch, f"(x, y), or a target and as many inputs as the model takes ({forward})")

    def feed_rest(model: nn.Module, batch: Sequence[Any]) -> Any:
        return model(*batch[:at], *batch[at + 1 :])

    form, call = f"loss(model({_listed(len(batch) - 1)}), y)", f"model(*batch[:{at}], *batch[{at + 1}:])"
    return BatchForm(form, call, feed_rest, itemgetter(at), target)


def _target_at(batch: Sequence[Any]) -> int:
    """Return the index of the target: the field of a namedtuple with a target's name, or the last item."""
    named = [index for index, name in enumerate(getattr(batch, "_fields", ())) if name in TARGETS]
    return named[0] if len(named) == 1 else len(batch) - 1


def _spread(forward: Forward, x: Any) -> BatchForm:
    """Return how the inputs reach the model; its `code` has {} for the expression of the inputs."""
    if isinstance(x, Mapping) or is_dataclass(x):
        return _spread_names(forward, x)
    if isinstance(x, (tuple, list)) and not isinstance(x, PackedSequence):
        if forward.takes(len(x)):
            return BatchForm(f"model({_listed(len(x))})", "model(*{})", _spread_call)
        if not forward.takes_one_only():
            raise unusable(x, f"as many inputs as the model takes ({forward})")
        return BatchForm(f"model(({_listed(len(x))}))", "model({})", _call)
    return BatchForm("model(x)", "model({})", _call)


def _spread_names(forward: Forward, x: Any) -> BatchForm:
    """Return how named inputs reach the model; it goes without those that it does not take, as in a Trainer."""
    names = list(_values(x))
    values = "{}" if isinstance(x, Mapping) else "vars({})"
    if forward.takes(names=names):
        return BatchForm(f"model({_named(names)})", f"model(**{values})", lambda model, x: model(**_values(x)))
    if len(names) == 1 and forward.takes(1):
        code = f"model(*{values}.values())"
        return BatchForm(f"model({names[0]})", code, lambda model, x: model(*_values(x).values()))
    known = [name for name in names if forward.names(name)]
    inputs = known or [name for name in names if not _ABOUT.search(str(name))]
    text = f"{forward.model} takes no such inputs, so they go unused: "
    unused = (Note(text, Level.WARNING, ", ".join(str(name) for name in names if name not in inputs)),)
    if not known and len(inputs) == 1 and forward.takes(1):
        code = f"model({values}[{inputs[0]!r}])"
        return BatchForm(f"model({inputs[0]})", code, lambda model, x: model(_values(x)[inputs[0]]), notes=unused)
    if known and forward.takes(names=known):
        return BatchForm(
            f"model({_named(known)})",
            f"model(**{{{{name: {values}[name] for name in {known!r}}}}})",
            lambda model, x: model(**{name: _values(x)[name] for name in known}),
            notes=unused,
        )
    if known or not forward.takes_one_only():
        raise unusable(x, f"inputs by names that the model takes ({forward})")
    return BatchForm(f"model({{{', '.join(map(str, names))}}})", "model({})", _call)


def _named(names: Sequence[Any]) -> str:
    return ", ".join(f"{name}=..." for name in names)


def _call(model: nn.Module, x: Any) -> Any:
    return model(x)


def _spread_call(model: nn.Module, x: Sequence[Any]) -> Any:
    return model(*x)


def _listed(count: int) -> str:
    return ", ".join(f"x{index + 1}" for index in range(count))


def _values(batch: Any) -> Mapping[Any, Any]:
    if isinstance(batch, Mapping):
        return batch
    return {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}


def with_other_targets(batch: Any, *, known: bool) -> Any | None:
    """Return a mini-batch in which each sample has the target of the one before; None if its targets are unknown.

    Args:
        batch: Of any form.
        known: Whether the default step uses it: of more than two items the last is the target then.
    """
    if isinstance(batch, (tuple, list)) and (len(batch) == 2 or (known and len(batch) > 2)):
        at = _target_at(batch)
        target = _rotated(batch[at])
        items = [*batch[:at], target, *batch[at:][1:]]
        return None if target is None else type(batch)(*items) if hasattr(batch, "_fields") else type(batch)(items)
    if not isinstance(batch, MutableMapping):
        return None
    names = [name for name in TARGETS if batch.get(name) is not None]
    target = _rotated(batch[names[0]]) if len(names) == 1 else None
    if target is None:
        return None
    other = copy.copy(batch)
    other[names[0]] = target
    return other


def _rotated(target: Any) -> Any | None:
    """Return a target with its samples moved on by one; None if it does not have several."""
    if isinstance(target, Tensor):
        return target.roll(1, 0) if target.ndim and len(target) > 1 and target.layout is torch.strided else None
    if isinstance(target, list) and len(target) > 1:
        return [*target[-1:], *target[:-1]]
    return None


def unusable(batch: Any, expected: str) -> UserCodeError:
    """Return the error for a mini-batch of a form that the default step does not know."""
    return UserCodeError(Fault("data", expected=expected, got=describe(batch), fix=OWN_STEP))
