"""From a mini-batch to its loss.

The first batch of a sweep decides how the parts of all batches reach the model and where the loss comes from. The
decision depends on the form of the batch, the arguments of the model's `forward`, and whether the config has a `loss`:

| batch                           | with a loss                                  | without                   |
|---------------------------------|----------------------------------------------|---------------------------|
| (x, y)                          | loss(model(x), y)                            | model(x, y)               |
| (x1, x2, ..., y)                | loss(model(x1, x2, ...), y)                  | model(x1, x2, ..., y)     |
| ((x1, x2, ...), y)              | loss(model(x1, x2, ...), y)        [1]       | model((x1, x2, ...), y)   |
| ({a: x1, b: x2}, y)             | loss(model(a=x1, b=x2), y)         [1, 2]    | model({...}, y)           |
| {a: x1, b: x2, label: y}        | loss(model(a=x1, b=x2), y)         [1, 2, 3] | model(a=x1, ..., label=y) |
| [{...}, {...}, ...], samples    | an error                                     | model([{...}, {...}, ...])|
| an object with .label           | loss(model(object), object.label)  [3, 4]    | model(object)        [4]  |
| a tensor or anything else       | an error                                     | model(x)                  |

A list is a tuple; so is a namedtuple, whose target is the field with a target's name, if it has one. A dataclass is a
mapping of its fields.

[1] As one argument, model((x1, x2)) or model({a: x1, b: x2}), where `forward` takes only one, of another name.
[2] A single value goes to a `forward` of one argument, whose name may differ: {image: x, label: y} as model(x).
[3] `label`, `labels`, `target`, `targets` or `y`. In a mapping, where `forward` has an argument of that name, the
    target goes to the model with the rest, and the loss is the model's own; if it has none, it is loss(output, y).
    Else a name of `RARER_TARGETS`, or the only name that `forward` does not take. More such names go unused.
[4] Where `forward` takes at least two attributes of the object by name, and needs no others, it gets these instead.

Without a loss, the model's output has to carry one: `.loss`, `["loss"]`, the sum of a dict of losses (all its tensors
that have a gradient, each a scalar), the first of a tuple if that is a scalar, or its only scalar with a gradient, or
the output itself, a scalar. The result of a loss that is no tensor is read in the same way. With a loss, only the
`.logits` of an output that has them go to it. A batch of any other form is an error; `step` covers it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lrfind.errors import Fault, Level, Note, UserCodeError, user_code
from lrfind.training.batch import describe
from lrfind.training.batch_form import OWN_STEP, TARGETS, BatchForm, Loss, form_of, unusable
from lrfind.training.forward import Forward
from lrfind.training.output_loss import own_loss, part, part_code

Step = Callable[[nn.Module, Any], Tensor | None]
"""step(model, batch) -> loss, a scalar tensor; None for a mini-batch that the training skips."""
OnNote = Callable[[Note], None]
"""Called with each note for the user."""


class DefaultStep:
    """The step for batches and models of the forms in the table above.

    Attributes:
        code: The loss as Python, of `model`, `loss` and `batch`; empty before the first batch.
    """

    code = ""

    def __init__(self, loss: Loss | None, on_note: OnNote = lambda note: None) -> None:
        """Make a step that decides on its first batch.

        Args:
            loss: The loss of the training, if it has one.
            on_note: Called with each note for the user.
        """
        self._loss = loss
        self._on_note = on_note
        self._form: BatchForm | None = None
        self._read: Loss | None = None

    def __call__(self, model: nn.Module, batch: Any) -> Tensor:
        """Return the loss of the model on a mini-batch."""
        if self._form is None or self._read is None:
            return self._first(model, batch)
        return self._read(self._form.call(model, batch), batch)

    def _first(self, model: nn.Module, batch: Any) -> Tensor:
        forward = Forward(model)
        form = form_of(forward, batch, self._loss)
        hints = (f"the batch was: {describe(batch)}", f"it was used as {form.form}; {OWN_STEP}")
        with user_code("training step", lambda: hints, docs="batches.md"), torch.enable_grad():  # shows what is a loss
            output = form.call(model, batch)
            read, code = self._reader(forward.model, form, output, batch)
            loss = read(output, batch)
        if not isinstance(loss, Tensor) and (total := own_loss(loss)):
            parts, loss, code = read, total[0](loss), total[1].format(code)
            read = lambda output, batch: total[0](parts(output, batch))  # noqa: E731 - a closure of the first batch
        for note in form.notes:
            self._on_note(note)
        self._form, self._read, self.code = form, read, code.format(form.code)
        return loss

    def _reader(self, model: str, form: BatchForm, output: Any, batch: Any) -> tuple[Loss, str]:
        """Return what reads the loss from an output and its batch, as a function and as Python; the first decides."""
        own, loss, target = own_loss(output) if form.own else None, self._loss, form.target
        if own is not None:
            if loss is not None:
                text = f"$the_loss is not used, as {model} computes its own; drop $loss."
                self._on_note(Note(text, Level.WARNING))
            return lambda output, batch: own[0](output), own[1]
        if loss is None:
            got = f"the output of {form.form}, which carries none: {describe(output)}"
            fix = f"add for example $cross_entropy_loss, or give the model the labels it computes one from; {OWN_STEP}"
            fault = Fault("loss", expected="one", got=got, fix=fix)
            raise UserCodeError(fault, hints=(f"the batch was: {describe(batch)}",))
        if target is None:
            raise unusable(batch, f"a target for the loss, under one of {', '.join(TARGETS)}")
        code = f"loss({{}}, {form.target_code})"
        if isinstance(part(output, "logits"), Tensor):
            code = f"loss({part_code(output, 'logits')}, {form.target_code})"
            return lambda output, batch: loss(part(output, "logits"), target(batch)), code
        return lambda output, batch: loss(output, target(batch)), code
