from __future__ import annotations

from collections import UserDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_sequence

from lrfind.errors import Level, Note, UserCodeError
from lrfind.training.output_loss import check_loss
from lrfind.training.step import DefaultStep

X, Y = torch.ones(2, 3), torch.zeros(2, 1)
Z = torch.full((2, 3), 10.0)


class Net(nn.Module):
    """Hears what reaches it, and returns what `answer` makes of it."""

    def __init__(self, answer: Callable[..., Any]) -> None:
        super().__init__()
        self.answer = answer
        self.calls: list[Any] = []

    def hear(self, *heard: Any) -> Any:
        self.calls.append(heard)
        return self.answer(*heard)


class One(Net):
    def forward(self, x: Any) -> Any:
        return self.hear(x)


class Two(Net):
    def forward(self, a: Any, b: Any) -> Any:
        return self.hear(a, b)


class Optional(Net):
    def forward(self, a: Any, b: Any = None) -> Any:
        return self.hear(a, b)


class Labelled(Net):
    def forward(self, a: Any, labels: Any = None, **options: Any) -> Any:
        return self.hear(a, labels)


class Masked(Net):
    def forward(self, x: Any, mask: Any) -> Any:
        return self.hear(x, mask)


class Anything(Net):
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.hear(args, kwargs)


@dataclass
class Sample:
    a: Any
    label: Any


@dataclass
class Pair:
    a: Any
    b: Any


class Graph:
    def __init__(self, x: Any, y: Any = None) -> None:
        self.x, self.y = x, y


Point = namedtuple("Point", "label a b")
Plain = namedtuple("Plain", "a b c")


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, Tensor):
        return found is expected
    if isinstance(expected, dict):
        return dict(found).keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, (tuple, list)):
        return len(found) == len(expected) and all(map(same, found, expected))
    return bool(found == expected)


# With a loss: what reaches the model, and what the loss

PACKED = pack_sequence([torch.ones(2, 3)])
WITH_LOSS: dict[str, tuple[type[Net], Any, tuple[Any, ...]]] = {
    "pair": (One, (X, Y), (X,)),
    "list": (One, [X, Y], (X,)),
    "two inputs": (Two, (X, Z, Y), (X, Z)),
    "optional input left out": (Optional, (X, Y), (X, None)),
    "optional input": (Optional, [X, Z, Y], (X, Z)),
    "any inputs": (Anything, (X, Z, Z, Y), ((X, Z, Z), {})),
    "nested": (Two, ((X, Z), Y), (X, Z)),
    "nested list": (Two, [[X, Z], Y], (X, Z)),
    "nested, as one": (One, ((X, Z), Y), ((X, Z),)),
    "nested, of one": (One, ((X,), Y), (X,)),
    "packed sequence": (One, (PACKED, Y), (PACKED,)),
    "packed sequence to any": (Anything, (PACKED, Y), ((PACKED,), {})),
    "namedtuple with its target first": (Two, Point(Y, X, Z), (X, Z)),
    "namedtuple": (Two, Plain(X, Z, Y), (X, Z)),
    "named inputs": (Two, ({"b": Z, "a": X}, Y), (X, Z)),
    "named inputs of a dataclass": (Two, (Pair(X, Z), Y), (X, Z)),
    "named inputs to any": (Anything, ({"b": Z, "a": X}, Y), ((), {"a": X, "b": Z})),
    "one input of another name": (One, ({"image": X}, Y), (X,)),
    "named inputs as one": (One, ({"a": X, "b": Z}, Y), ({"a": X, "b": Z},)),
    "mapping": (Two, {"b": Z, "a": X, "label": Y}, (X, Z)),
    "mapping of one input": (One, {"image": X, "targets": Y}, (X,)),
    "mapping as one": (One, {"a": X, "b": Z, "target": Y}, ({"a": X, "b": Z},)),
    "mapping to any": (Anything, {"a": X, "labels": Y}, ((), {"a": X})),
    "mapping of another kind": (Two, UserDict({"b": Z, "a": X, "y": Y}), (X, Z)),
    "dataclass": (One, Sample(X, Y), (X,)),
    "label beside an argument of another target's name": (Labelled, {"a": X, "labels": Z, "y": Y}, (X, Z)),
    "rarer target": (One, {"image": X, "mask": Y}, (X,)),
    "target beside a mask of the inputs": (Masked, {"x": X, "mask": Z, "y_true": Y}, (X, Z)),
    "the one name that is no input": (Two, {"a": X, "density": Y, "b": Z}, (X, Z)),
    "the one name that is no input of any": (Labelled, {"a": X, "verdict": Y}, (X, None)),
    "names that go unused": (One, {"x": X, "index": 3, "path": "a.png", "label": Y}, (X,)),
    "names about a sample": (One, {"image": X, "image_path": ["a.png"], "idx": Z, "mask": Y}, (X,)),
    "attributes of an object": (Two, SimpleNamespace(a=X, b=Z, c=Z, y=Y), (X, Z)),
    "attributes of an object, but an optional one": (Optional, SimpleNamespace(a=X, b=Z, y=Y), (X, Z)),
}


@pytest.mark.parametrize(("model", "batch", "heard"), WITH_LOSS.values(), ids=WITH_LOSS)
def test_the_inputs_go_to_the_model_and_the_target_to_the_loss(
    model: type[Net], batch: Any, heard: tuple[Any, ...]
) -> None:
    net, compared = model(lambda *heard: X), Net(lambda output, target: output.sum())
    step = DefaultStep(compared.hear)
    for _ in range(2):  # the first batch decides, the second follows
        assert step(net, batch).item() == 6
    assert eval(step.code, {"model": net, "loss": compared.hear, "batch": batch}).item() == 6
    assert len(net.calls) == 3
    assert all(same(call, heard) for call in net.calls), net.calls
    assert all(same(call, (X, Y)) for call in compared.calls)


def test_a_loss_takes_the_target_whatever_the_output() -> None:
    assert DefaultStep(lambda output, target: output * 2)(One(lambda x: OWN), (X, Y)).item() == 14


def test_an_object_goes_to_the_model_whole_and_its_target_to_the_loss() -> None:
    graph, net = Graph(X, 0 * X), One(lambda graph: graph.x)
    assert DefaultStep(functional.mse_loss)(net, graph).item() == 1
    assert net.calls == [(graph,)]


@pytest.mark.parametrize(
    "returned",
    [
        lambda loss: {"one": loss, "two": 2 * loss, "accuracy": torch.tensor(0.5)},
        lambda loss: {"loss": 3 * loss, "one": loss},
        lambda loss: (3 * loss, {"one": loss}),
    ],
    ids=["parts", "a total", "a tuple"],
)
def test_a_loss_may_return_its_parts(returned: Callable[[Tensor], Any]) -> None:
    weight = torch.tensor(1.0, requires_grad=True)
    step = DefaultStep(lambda output, target: returned(functional.mse_loss(output, target)))
    batches = (X, 0 * X), (2 * X, 0 * X)
    net = One(lambda x: weight * x)
    assert [step(net, batch).item() for batch in batches] == [3, 12]
    loss = lambda output, target: returned(functional.mse_loss(output, target))  # noqa: E731
    assert eval(step.code, {"model": net, "loss": loss, "batch": batches[1]}).item() == 12


def test_the_parts_of_a_loss_are_those_of_a_training_also_where_it_is_evaluated() -> None:
    weight = torch.tensor(1.0, requires_grad=True)
    step = DefaultStep(lambda output, target: {"one": output.mean(), "accuracy": torch.tensor(0.5)})
    with torch.no_grad():
        assert [step(One(lambda x: weight * x), (X, Y)).item() for _ in range(2)] == [1, 1]


@pytest.mark.parametrize(
    ("batch", "level", "text"),
    [
        ({"x": X, "index": 3, "y": Y}, Level.WARNING, "One takes no such inputs, so they go unused: index"),
        ({"a": X, "b": Z, "depth": Y}, Level.INFO, "Taken as the target, the one input that Two does not take: depth"),
        ({"x": X, "mask": Y}, None, ""),
    ],
)
def test_a_guess_is_told_once(batch: Any, level: Level | None, text: str) -> None:
    notes: list[Note] = []
    step, net = DefaultStep(lambda output, target: OWN, notes.append), (Two if "b" in batch else One)(lambda *x: X)
    for _ in range(2):
        step(net, batch)
    assert [(note.level, str(note)) for note in notes] == ([(level, text)] if text else [])


def test_the_loss_takes_the_logits_of_an_output_that_has_them() -> None:
    net = One(lambda x: SimpleNamespace(logits=x, loss=None))
    step = DefaultStep(functional.mse_loss)
    assert [step(net, (X, 0 * X)).item(), step(net, (Z, 0 * X)).item()] == [1, 100]


# The model's own loss

OWN = torch.tensor(7.0, requires_grad=True)
OTHER = torch.tensor(5.0, requires_grad=True)
OUTPUTS: dict[str, tuple[Any, float]] = {
    "scalar": (OWN, 7),
    "attribute": (SimpleNamespace(loss=OWN, logits=X), 7),
    "attribute of one element": (SimpleNamespace(loss=OWN.reshape(1)), 7),
    "item": ({"loss": OWN, "other": OTHER}, 7),
    "losses": ({"one": OWN, "two": OTHER.reshape(1)}, 12),
    "losses and metrics": ({"one": OWN, "accuracy": torch.tensor(0.5), "count": 3, "two": OTHER}, 12),
    "tuple": ((OWN, X, OTHER), 7),
    "list": ([OWN], 7),
    "logits first": ((X, OWN), 7),
    "the only scalar with a gradient": ((X, None, torch.tensor(0.5), OWN), 7),
    "a total and its parts": ({"one": OTHER, "total_loss": OWN, "two": OTHER}, 7),
}


@pytest.mark.parametrize(("output", "value"), OUTPUTS.values(), ids=OUTPUTS)
def test_the_loss_is_found_in_the_output(output: Any, value: float) -> None:
    step, net = DefaultStep(None), One(lambda x: output)
    assert [step(net, X).item() for _ in range(2)] == [value, value]
    assert eval(step.code, {"model": net, "batch": X}).item() == value


@pytest.mark.parametrize(
    "output",
    [
        X,
        OWN.reshape(1),
        (X, OWN, OTHER),
        (X, torch.tensor(0.5)),
        "text",
        [],
        None,
        SimpleNamespace(loss=None),
        {"loss": None},
        {"logits": X.clone().requires_grad_(), "one": OWN},
        {"accuracy": torch.tensor(0.5)},
        {},
    ],
)
def test_an_output_without_a_loss_needs_one(output: Any) -> None:
    with pytest.raises(
        UserCodeError,
        match=r"expected one, got the output of model\(batch\), which carries none.*add for example",
    ):
        DefaultStep(None)(One(lambda x: output), X)


WITHOUT_LOSS: dict[str, tuple[type[Net], Any, tuple[Any, ...]]] = {
    "tensor": (One, X, (X,)),
    "one-tuple": (One, (X,), (X,)),
    "one-tuple of a mapping": (Two, ({"b": Z, "a": X},), (X, Z)),
    "tuple": (Two, (X, Y), (X, Y)),
    "tuple for an optional input": (Optional, (X, Y), (X, Y)),
    "lists": (Two, [[X, Z], [{"boxes": Y}]], ([X, Z], [{"boxes": Y}])),
    "samples": (One, [{"image": X}, {"image": Z}], ([{"image": X}, {"image": Z}],)),
    "two samples": (Optional, [{"image": X}, {"image": Z}], ([{"image": X}, {"image": Z}], None)),
    "two mappings": (Two, ({"image": X}, {"label": Y}), ({"image": X}, {"label": Y})),
    "mapping": (Labelled, {"a": X, "labels": Y}, (X, Y)),
    "mapping of unusual names": (Two, {"a": X, "b": Y}, (X, Y)),
    "mapping as one": (One, {"a": X, 3: Y}, ({"a": X, 3: Y},)),
    "dataclass": (Two, Pair(X, Y), (X, Y)),
    "packed sequence": (One, PACKED, (PACKED,)),
    "text": (One, "text", ("text",)),
    "nothing": (One, None, (None,)),
}


@pytest.mark.parametrize(("model", "batch", "heard"), WITHOUT_LOSS.values(), ids=WITHOUT_LOSS)
def test_without_a_loss_all_goes_to_the_model(model: type[Net], batch: Any, heard: tuple[Any, ...]) -> None:
    net = model(lambda *heard: OWN)
    step = DefaultStep(None)
    assert [step(net, batch), step(net, batch)] == [OWN, OWN]
    assert len(net.calls) == 2
    assert all(same(call, heard) for call in net.calls), net.calls


def test_a_model_that_takes_the_labels_computes_its_own_loss_and_that_is_said_once() -> None:
    notes: list[Note] = []
    step = DefaultStep(functional.mse_loss, notes.append)
    net = Labelled(lambda a, labels: {"loss": OWN})
    assert [step(net, {"a": X, "labels": Y}).item() for _ in range(2)] == [7, 7]
    assert all(same(call, (X, Y)) for call in net.calls)
    assert [str(note) for note in notes] == [
        "The loss of the config is not used, as Labelled computes its own; drop loss."
    ]


def test_a_model_that_takes_the_labels_without_computing_a_loss_leaves_that_to_the_config() -> None:
    notes: list[Note] = []
    step = DefaultStep(functional.mse_loss, notes.append)
    net = Labelled(lambda a, labels: a + labels)
    assert [step(net, {"a": X, "labels": X}).item() for _ in range(2)] == [1, 1]
    assert notes == []


class Targets(Net):
    def forward(self, x: Any, label: Any, target: Any) -> Any:
        return self.hear(x, label, target)


def test_a_model_that_takes_several_targets_has_to_compute_its_own_loss() -> None:
    batch = {"x": X, "label": Y, "target": Z}
    assert DefaultStep(functional.mse_loss)(Targets(lambda *heard: OWN), batch).item() == 7
    with pytest.raises(UserCodeError, match="expected a target for the loss"):
        DefaultStep(functional.mse_loss)(Targets(lambda *heard: X), batch)


def test_a_mapping_without_a_target_has_to_bring_a_loss() -> None:
    assert DefaultStep(functional.mse_loss)(Two(lambda a, b: OWN), {"a": X, "b": Y}).item() == 7
    for net, batch in (
        (Two(lambda a, b: a), {"a": X, "b": Y}),
        (Masked(lambda x, mask: x), {"x": X, "mask": Y}),
        (One(lambda x: x), {"x": X, "one": Y, "other": Y}),
    ):
        with pytest.raises(UserCodeError, match="expected a target for the loss, under one of label, labels"):
            DefaultStep(functional.mse_loss)(net, batch)


# What cannot be used

UNUSABLE: dict[str, tuple[type[Net], Any, str]] = {
    "tensor": (One, X, r"expected \(x, y\).*got a float32 tensor of shape \(2, 3\)"),
    "one-tuple to any": (Anything, (X,), "got tuple of 1"),
    "one-tuple": (One, (X,), r"expected \(x, y\).*got tuple of 1"),
    "empty": (One, (), "got tuple of 0"),
    "text": (One, "text", "got str"),
    "nothing": (One, None, "got NoneType"),
    "too many inputs": (One, (X, Z, Y), r"One.forward takes x\), got tuple of 3"),
    "too few inputs": (Two, ((X,), Y), r"Two.forward takes a, b\), got tuple of 1"),
    "unknown names": (Two, ({"a": X, "c": Z}, Y), r"Two.forward takes a, b\), got \{a: .*, c: "),
    "names that are all unknown": (Two, ({"c": X, "d": Z}, Y), r"Two\.forward takes a, b\), got \{c: .*, d: "),
    "one input to a model of two": (Two, {"image": X, "y": Y}, r"Two\.forward takes a, b\), got \{image: "),
    "two rarer targets": (One, {"x": X, "mask": Y, "gt": Y}, "expected one target, not mask and gt"),
    "two targets": (One, {"x": X, "y": Y, "label": Y}, "expected one target, not label and y"),
    "object that lacks an input": (Two, SimpleNamespace(a=X, y=Y), r"inputs .* takes a, b\), got SimpleNamespace"),
    "object without a target": (One, Graph(X), "an object with one of label, .*, got Graph"),
}


@pytest.mark.parametrize(("model", "batch", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_other_batches_need_a_step_of_ones_own(model: type[Net], batch: Any, words: str) -> None:
    net = model(lambda *heard: X)
    with pytest.raises(UserCodeError, match=words + ".*set step to a function of your own"):
        DefaultStep(functional.mse_loss)(net, batch)
    assert net.calls == []


def test_a_batch_that_the_model_cannot_take_whole_needs_a_loss() -> None:
    with pytest.raises(
        UserCodeError, match=r"list of 3 .*goes to the model without a loss, but Two\.forward takes a, b"
    ):
        DefaultStep(None)(Two(lambda a, b: OWN), [{"image": X}] * 3)


def test_a_pair_needs_a_loss() -> None:
    with pytest.raises(UserCodeError, match="expected a loss for \\(x, y\\) batches, got none"):
        DefaultStep(None)(nn.Linear(3, 1), (X, Y))


FORMS: dict[str, tuple[type[Net], Any, bool]] = {
    "loss(model(x), y)": (One, (X, Y), True),
    "loss(model(x1, x2), y)": (Two, (X, Z, Y), True),
    "loss(model((x1, x2)), y)": (One, ((X, Z), Y), True),
    "loss(model(image), label)": (One, {"image": X, "label": Y}, True),
    "loss(model(a=..., b=...), y)": (Two, ({"a": X, "b": Z}, Y), True),
    "loss(model({c, d}), targets)": (One, {"c": X, "d": Z, "targets": Y}, True),
    "loss(model(batch), batch.y)": (One, Graph(X, Y), True),
    "loss(model(a=..., b=...), label)": (Two, SimpleNamespace(a=X, b=Z, label=Y), True),
    "model(a=..., labels=...)": (Labelled, {"a": X, "labels": Y}, True),
    "model(x1, x2)": (Two, (X, Y), False),
    "model(x)": (One, (X,), False),
    "model(batch)": (One, X, False),
}


@pytest.mark.parametrize(("form", "case"), FORMS.items(), ids=FORMS)
def test_a_model_that_fails_on_its_first_batch_is_told_how_it_was_called(
    form: str, case: tuple[type[Net], Any, bool]
) -> None:
    def fail(*heard: Any) -> None:
        raise ValueError("no way")

    model, batch, with_loss = case
    with pytest.raises(UserCodeError) as failure:
        DefaultStep(functional.mse_loss if with_loss else None)(model(fail), batch)
    first, second, third = str(failure.value).splitlines()
    assert first == "training step failed: ValueError: no way"
    assert second.startswith("the batch was: ")
    assert third.startswith(f"it was used as {form}; for anything else set step to")


@pytest.mark.parametrize("wrapper", [nn.DataParallel, torch.compile])
def test_the_model_within_a_wrapper_is_asked_what_it_takes(wrapper: Callable[[nn.Module], nn.Module]) -> None:
    with pytest.raises(UserCodeError, match=r"Two\.forward takes a, b"):
        DefaultStep(functional.mse_loss)(wrapper(Two(lambda a, b: a)), {"a": X, "c": Y, "label": Y})


def test_a_scalar_or_one_element_loss_is_fine() -> None:
    weight = torch.ones(1, requires_grad=True)
    check_loss(weight.sum())
    check_loss(weight * 2)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (0.5, "got float"),
        (None, "got NoneType"),
        (torch.ones(2, requires_grad=True), r"shape \(2,\); average it first"),
        (torch.tensor(1), r"int64 tensor of shape \(\)$"),
        (torch.tensor(1.0), "without a gradient"),
        (torch.tensor(1 + 0j, requires_grad=True), "complex64"),
    ],
)
def test_what_cannot_be_trained_on_is_named(loss: Any, words: str) -> None:
    with pytest.raises(UserCodeError, match=words):
        check_loss(loss)
