"""From a mini-batch to its loss.

How the parts of a batch reach the model, and where the loss comes from, is decided on the first batch of a sweep and
holds for all that follow. What decides is the form of the batch, the arguments of the model's `forward`, and whether
the config has a `loss`:

| batch                           | with a loss                                  | without                   |
|---------------------------------|----------------------------------------------|---------------------------|
| (x, y)                          | loss(model(x), y)                            | model(x, y)               |
| (x1, x2, ..., y)                | loss(model(x1, x2, ...), y)                  | model(x1, x2, ..., y)     |
| ((x1, x2, ...), y)              | loss(model(x1, x2, ...), y)        [1]       | model((x1, x2, ...), y)   |
| ({a: x1, b: x2}, y)             | loss(model(a=x1, b=x2), y)         [1, 2]    | model({...}, y)           |
| {a: x1, b: x2, label: y}        | loss(model(a=x1, b=x2), y)         [1, 2, 3] | model(a=x1, ..., label=y) |
| [{...}, {...}, ...], samples    | an error                                     | model([{...}, {...}, ...])|
| an object with .label           | loss(model(object), object.label)  [3]       | model(object)             |
| a tensor or anything else       | an error                                     | model(x)                  |

A list is a tuple; so is a namedtuple, whose target is the field with a target's name, if it has one. A dataclass is a
mapping of its fields.

[1] As one argument, model((x1, x2)) or model({a: x1, b: x2}), where `forward` takes only one, of another name.
[2] A single value goes to a `forward` of one argument whatever the two are called: {image: x, label: y} as model(x).
[3] `label`, `labels`, `target`, `targets` or `y`. In a mapping, where `forward` has an argument of that name, the
    target goes to the model with the rest, and the loss is the model's own; if it has none, it is loss(output, y).

Without a loss, the model's output has to carry one: `.loss`, `["loss"]`, the sum of a dict of losses (all its tensors
that have a gradient, each a scalar), the first of a tuple if that is a scalar, or the output itself, a scalar. With a
loss, an output with `.logits` hands on those. Whatever the table lacks is an error that says so; `step` is the way out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from lrfind.errors import Level, Note, UserCodeError, user_code
from lrfind.training.batch import describe, is_dataclass
from lrfind.training.forward import Forward

Step = Callable[[nn.Module, Any], Tensor]
"""step(model, batch) -> loss, a scalar tensor."""
Loss = Callable[[Any, Any], Tensor]
"""loss(output, target) -> a scalar tensor."""
OnNote = Callable[[Note], None]
"""Is told what the user should know."""
Call = Callable[[nn.Module, Any], Any]
"""call(model, batch) -> the model's output."""

TARGETS = ("label", "labels", "target", "targets", "y")
"""Names under which a batch holds its target."""
OWN_STEP = "for anything else $own_step"


def default_step(loss: Loss | None, on_note: OnNote = lambda note: None) -> Step:
    """Return the step for batches and models of the usual forms, as the table above has them.

    Args:
        loss: The loss of the config, if it has one.
        on_note: Is told what the user should know.
    """
    decided: list[tuple[Call, Loss]] = []

    def step(model: nn.Module, batch: Any) -> Tensor:
        if decided:
            call, read = decided[0]
            return read(call(model, batch), batch)
        plan = _plan(Forward(model), batch, loss)
        with user_code(
            "training step", lambda: (f"the batch was: {describe(batch)}", f"it was used as {plan.form}; {OWN_STEP}")
        ):
            output = plan.call(model, batch)
            read = _reader(plan, output, batch, loss, on_note)
            value = read(output, batch)
        decided.append((plan.call, read))
        return value

    return step


@dataclass(frozen=True)
class _Plan:
    """How the batches of a sweep are used.

    Attributes:
        form: The same in words.
        model: Name of the model's class.
        call: Returns the model's output on a batch.
        target: Returns the target of a batch; None if there is none for a loss of the config.
        own: Whether a loss in the output goes first.
    """

    form: str
    model: str
    call: Call
    target: Callable[[Any], Any] | None = None
    own: bool = False


def _plan(forward: Forward, batch: Any, loss: Loss | None) -> _Plan:
    if isinstance(batch, Mapping) or is_dataclass(batch):
        return _by_name(forward, batch, loss)
    if isinstance(batch, (tuple, list)) and not isinstance(batch, PackedSequence):
        return _by_position(forward, batch) if loss is None else _with_target(forward, batch)
    if loss is None:
        return _Plan("model(batch)", forward.model, lambda model, batch: model(batch), own=True)
    found = [name for name in TARGETS if getattr(batch, name, None) is not None]
    if len(found) != 1:
        raise _unusable(batch, f"(x, y), a mapping, or an object with one of {', '.join(TARGETS)}")
    return _Plan(
        f"loss(model(batch), batch.{found[0]})", forward.model, lambda model, x: model(x), attrgetter(found[0])
    )


def _by_name(forward: Forward, batch: Any, loss: Loss | None) -> _Plan:
    """Plan for a mapping or a dataclass."""
    found = [name for name in TARGETS if _values(batch).get(name) is not None] if loss else []
    taken = [name for name in found if forward.names(name)]
    apart = [name for name in found if name not in taken]
    if len(apart) > 1:
        raise _unusable(batch, f"one target, not {' and '.join(apart)}")
    target = (apart or taken)[0] if len(apart or taken) == 1 else None

    def inputs(batch: Any) -> dict[str, Any]:
        return {name: value for name, value in _values(batch).items() if name not in apart}

    form, feed = _spread(forward, inputs(batch) if apart else batch)
    return _Plan(
        f"loss({form}, {target})" if apart else form,
        forward.model,
        (lambda model, batch: feed(model, inputs(batch))) if apart else feed,
        (lambda batch: _values(batch)[target]) if target else None,
        own=not apart,
    )


def _by_position(forward: Forward, batch: Sequence[Any]) -> _Plan:
    """Plan for a tuple or a list that goes to the model whole: there is no loss that would take a target."""
    if len(batch) == 1:
        form, feed = _spread(forward, batch[0])
        return _Plan(form, forward.model, lambda model, batch: feed(model, batch[0]), own=True)
    samples = all(isinstance(item, Mapping) for item in batch)
    if forward.takes(len(batch)) and not (samples and forward.takes(1)):
        return _Plan(f"model({_listed(len(batch))})", forward.model, lambda model, batch: model(*batch), own=True)
    if samples and forward.takes(1):
        return _Plan("model(batch)", forward.model, lambda model, batch: model(batch), own=True)
    raise UserCodeError(
        f"loss: expected a loss for (x, y) batches, got none; add e.g. loss: {{_target_: torch.nn.MSELoss}}\n"
        f"the batch was: {describe(batch)}, all of which goes to the model without a loss, but {forward}"
    )


def _with_target(forward: Forward, batch: Sequence[Any]) -> _Plan:
    """Plan for a tuple or a list one of whose items is the target of a loss."""
    fields = getattr(batch, "_fields", ())
    named = [index for index, name in enumerate(fields) if name in TARGETS]
    at = named[0] if len(named) == 1 else len(batch) - 1
    if len(batch) == 2:
        form, feed = _spread(forward, batch[1 - at])
        return _Plan(f"loss({form}, y)", forward.model, lambda model, batch: feed(model, batch[1 - at]), itemgetter(at))
    if len(batch) < 2 or not forward.takes(len(batch) - 1):
        raise _unusable(batch, f"(x, y), or as many inputs and a target as {forward}")

    def call(model: nn.Module, batch: Sequence[Any]) -> Any:
        return model(*batch[:at], *batch[at + 1 :])

    return _Plan(f"loss(model({_listed(len(batch) - 1)}), y)", forward.model, call, itemgetter(at))


def _spread(forward: Forward, x: Any) -> tuple[str, Call]:
    """Return how the inputs reach the model, in words and as a call."""
    if isinstance(x, Mapping) or is_dataclass(x):
        names = list(_values(x))
        if forward.takes_named(names):
            listed = ", ".join(f"{name}=..." for name in names)
            return f"model({listed})", lambda model, x: model(**_values(x))
        if len(names) == 1 and forward.takes(1):
            return f"model({names[0]})", lambda model, x: model(*_values(x).values())
        if not forward.takes_one_only() or any(forward.names(name) for name in names):
            raise _unusable(x, f"inputs by names that the model knows, but {forward}")
        listed = ", ".join(map(str, names))
        return f"model({{{listed}}})", lambda model, x: model(x)
    if isinstance(x, (tuple, list)) and not isinstance(x, PackedSequence):
        if forward.takes(len(x)):
            return f"model({_listed(len(x))})", lambda model, x: model(*x)
        if not forward.takes_one_only():
            raise _unusable(x, f"as many inputs as the model takes, but {forward}")
        return f"model(({_listed(len(x))}))", lambda model, x: model(x)
    return "model(x)", lambda model, x: model(x)


def _listed(count: int) -> str:
    return ", ".join(f"x{index + 1}" for index in range(count))


def _values(batch: Any) -> Mapping[Any, Any]:
    if isinstance(batch, Mapping):
        return batch
    return {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}


def _unusable(batch: Any, expected: str) -> UserCodeError:
    return UserCodeError(f"data: expected {expected}; got {describe(batch)}; {OWN_STEP}")


def _reader(plan: _Plan, output: Any, batch: Any, loss: Loss | None, on_note: OnNote) -> Loss:
    """Return what reads the loss from the output on a batch, whose form the first output decides."""
    own = own_loss(output) if plan.own else None
    if own is not None:
        if loss is not None:
            on_note(Note(f"$the_loss is not used, as {plan.model} computes its own; drop $loss.", Level.WARNING))
        return lambda output, batch: own(output)
    if loss is None:
        raise UserCodeError(
            f"loss: expected one, as the output of {plan.form} carries none: {describe(output)}; add e.g. loss: "
            f"{{_target_: torch.nn.CrossEntropyLoss}}, or give the model the labels it computes one from; {OWN_STEP}\n"
            f"the batch was: {describe(batch)}"
        )
    target = plan.target
    if target is None:
        raise _unusable(batch, f"a target for the loss, under one of {', '.join(TARGETS)}")
    if isinstance(_part(output, "logits"), Tensor):
        return lambda output, batch: loss(_part(output, "logits"), target(batch))
    return lambda output, batch: loss(output, target(batch))


def own_loss(output: Any) -> Callable[[Any], Tensor] | None:
    """Return what reads the loss that a model's output carries, None if it carries none."""
    if isinstance(output, Tensor):
        return (lambda output: output) if output.ndim == 0 else None
    if isinstance(_part(output, "loss"), Tensor):
        return lambda output: _part(output, "loss")
    if isinstance(output, Mapping):
        losses = _losses(output)
        return _sum_of_losses if losses and all(loss.numel() == 1 for loss in losses) else None
    if isinstance(output, (tuple, list)) and output and isinstance(output[0], Tensor) and output[0].ndim == 0:
        return itemgetter(0)
    return None


def _part(output: Any, name: str) -> Any:
    return output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)


def _losses(output: Mapping[Any, Any]) -> list[Tensor]:
    return [value for value in output.values() if isinstance(value, Tensor) and value.requires_grad]


def _sum_of_losses(output: Mapping[Any, Any]) -> Tensor:
    first, *others = (loss.reshape(()) for loss in _losses(output))
    return sum(others, first)


def check_loss(loss: Any) -> None:
    """Check that a step returned what a training can use.

    Raises:
        UserCodeError: `loss` is not a tensor with one floating-point element that depends on a parameter.
    """
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.is_floating_point():
        many = isinstance(loss, Tensor) and loss.numel() > 1
        hint = "; average it first, e.g. with reduction='mean'" if many else ""
        raise UserCodeError(f"loss: expected a scalar floating-point tensor, got {describe(loss)}{hint}")
    if not loss.requires_grad:
        raise UserCodeError(
            "loss: expected a tensor that depends on the trainable parameters, got one without a gradient; "
            "is it computed under torch.no_grad(), detached, or from frozen layers alone?"
        )
