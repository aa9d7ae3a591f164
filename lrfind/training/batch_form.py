"""How a mini-batch reaches the model: decided on the first one, by its form and by what `forward` takes.

The table of forms stands in `lrfind.training.step`.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from lrfind.errors import Fault, UserCodeError
from lrfind.training.batch import describe, is_dataclass
from lrfind.training.forward import Forward

Loss = Callable[[Any, Any], Tensor]
"""loss(output, target) -> a scalar tensor."""
Call = Callable[[nn.Module, Any], Any]
"""call(model, batch) -> the model's output."""

TARGETS = ("label", "labels", "target", "targets", "y")
"""Names under which a batch holds its target."""
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
    """

    form: str
    code: str
    call: Call
    target: Callable[[Any], Any] | None = None
    target_code: str = ""
    own: bool = False


def form_of(forward: Forward, batch: Any, loss: Loss | None) -> BatchForm:
    """Return how mini-batches like `batch` are used.

    Raises:
        UserCodeError: The default step does not know how; the message says what it needs.
    """
    if isinstance(batch, Mapping) or is_dataclass(batch):
        return _by_name(forward, batch, loss)
    if isinstance(batch, (tuple, list)) and not isinstance(batch, PackedSequence):
        return _by_position(forward, batch) if loss is None else _with_target(forward, batch)
    if loss is None:
        return BatchForm("model(batch)", "model(batch)", _call, own=True)
    targets = [name for name in TARGETS if getattr(batch, name, None) is not None]
    if len(targets) != 1:
        raise unusable(batch, f"(x, y), a mapping, or an object with one of {', '.join(TARGETS)}")
    target = f"batch.{targets[0]}"
    return BatchForm(f"loss(model(batch), {target})", "model(batch)", _call, attrgetter(targets[0]), target)


def _by_name(forward: Forward, batch: Any, loss: Loss | None) -> BatchForm:
    """Return the form of a mapping or a dataclass."""
    targets = [name for name in TARGETS if _values(batch).get(name) is not None] if loss else []
    taken = [name for name in targets if forward.names(name)]
    apart = [name for name in targets if name not in taken]
    if len(apart) > 1:
        raise unusable(batch, f"one target, not {' and '.join(apart)}")
    target = (apart or taken)[0] if len(apart or taken) == 1 else None

    def inputs(batch: Any) -> dict[str, Any]:
        return {name: value for name, value in _values(batch).items() if name not in apart}

    form, code, feed = _spread(forward, inputs(batch) if apart else batch)
    items = "batch" if isinstance(batch, Mapping) else "vars(batch)"
    rest = f"{{name: value for name, value in {items}.items() if name != {target!r}}}"
    return BatchForm(
        f"loss({form}, {target})" if apart else form,
        code(rest if apart else "batch"),
        (lambda model, batch: feed(model, inputs(batch))) if apart else feed,
        (lambda batch: _values(batch)[target]) if target else None,
        f"{items}[{target!r}]",
        own=not apart,
    )


def _by_position(forward: Forward, batch: Sequence[Any]) -> BatchForm:
    """Return the form of a tuple or a list that goes to the model whole, as no loss takes a target from it."""
    if len(batch) == 1:
        form, code, feed = _spread(forward, batch[0])
        return BatchForm(form, code("batch[0]"), lambda model, batch: feed(model, batch[0]), own=True)
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
        form, code, feed = _spread(forward, batch[1 - at])
        call = code(f"batch[{1 - at}]")
        return BatchForm(
            f"loss({form}, y)", call, lambda model, batch: feed(model, batch[1 - at]), itemgetter(at), target
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


def _spread(forward: Forward, x: Any) -> tuple[str, Callable[[str], str], Call]:
    """Return how the inputs reach the model: in words, as Python of the expression for the inputs, and as a call."""
    whole: tuple[Callable[[str], str], Call] = "model({})".format, _call
    if isinstance(x, Mapping) or is_dataclass(x):
        names = list(_values(x))
        values = "{}" if isinstance(x, Mapping) else "vars({})"
        if forward.takes(names=names):
            listed = ", ".join(f"{name}=..." for name in names)
            return f"model({listed})", f"model(**{values})".format, lambda model, x: model(**_values(x))
        if len(names) == 1 and forward.takes(1):
            return f"model({names[0]})", f"model(*{values}.values())".format, lambda m, x: m(*_values(x).values())
        if not forward.takes_one_only() or any(forward.names(name) for name in names):
            raise unusable(x, f"inputs by names that the model takes ({forward})")
        return f"model({{{', '.join(map(str, names))}}})", *whole
    if isinstance(x, (tuple, list)) and not isinstance(x, PackedSequence):
        if forward.takes(len(x)):
            return f"model({_listed(len(x))})", "model(*{})".format, _spread_call
        if not forward.takes_one_only():
            raise unusable(x, f"as many inputs as the model takes ({forward})")
        return f"model(({_listed(len(x))}))", *whole
    return "model(x)", *whole


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
