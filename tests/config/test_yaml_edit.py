"""Values set in the text of a YAML file: what it says then, and that every other byte is as it was."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lrfind.config.yaml_edit import CannotEditError, differences, set_value

OPTIMIZER = ("optimizer", "lr")

CASES: dict[str, tuple[str, str]] = {
    "replaced, with a comment": (
        "optimizer:\n  lr: 1e-3   # until now\n  b: 1\n",
        "optimizer:\n  lr: 0.25   # until now\n  b: 1\n",
    ),
    "replaced, quoted": ('optimizer: {lr: "1e-3", b: 1}', "optimizer: {lr: 0.25, b: 1}"),
    "replaced, a reference": ("optimizer:\n  lr: ${oc.env:LR}\n", "optimizer:\n  lr: 0.25\n"),
    "replaced, empty": ("optimizer:\n  lr:\n  b: 1\n", "optimizer:\n  lr: 0.25\n  b: 1\n"),
    "replaced, an anchor stays": ("optimizer: {lr: &x 0.1}\n", "optimizer: {lr: &x 0.25}\n"),
    "replaced, an alias": ("a: &x 0.1\noptimizer: {lr: *x, b: 1}\n", "a: &x 0.1\noptimizer: {lr: 0.25, b: 1}\n"),
    "added below the first": (
        "optimizer:\n  # of torch\n  _target_: a.b  # which\n\n  # next\n  b: 1\n",
        "optimizer:\n  # of torch\n  _target_: a.b  # which\n  lr: 0.25\n\n  # next\n  b: 1\n",
    ),
    "added in flow style": (
        "optimizer: {_target_: a.b, b: 1}  # c\n",
        "optimizer: {_target_: a.b, lr: 0.25, b: 1}  # c\n",
    ),
    "added over several lines": (
        "optimizer: {\n  _target_: a.b,  # one\n  b: 1 }\n",
        "optimizer: {\n  _target_: a.b, lr: 0.25,  # one\n  b: 1 }\n",
    ),
    "added to JSON": ('{"optimizer": {"_target_": "a.b"}}', '{"optimizer": {"_target_": "a.b", "lr": 0.25}}'),
    "added to nothing": ("optimizer: {}\n", "optimizer: {lr: 0.25}\n"),
    "added to null": ("optimizer:\nb: 1\n", "optimizer: {lr: 0.25}\nb: 1\n"),
    "added beside a merge": (
        "a: &x {b: 1}\noptimizer:\n  <<: *x\n  c: 2\n",
        "a: &x {b: 1}\noptimizer:\n  <<: *x\n  lr: 0.25\n  c: 2\n",
    ),
    "added above what has lines of its own": (
        "optimizer:\n    betas:\n    - 1\n",
        "optimizer:\n    lr: 0.25\n    betas:\n    - 1\n",
    ),
    "added above a block of text": ("optimizer:\n  b: |\n    text\n", "optimizer:\n  lr: 0.25\n  b: |\n    text\n"),
    "added to the top": ("seed: 0  # first\nb: 1", "seed: 0  # first\noptimizer: {lr: 0.25}\nb: 1"),
    "no last line end": ("optimizer:\n  b: 1  # end", "optimizer:\n  b: 1  # end\n  lr: 0.25"),
    "line ends of Windows": ("optimizer:\r\n  b: 1 # c\r\n", "optimizer:\r\n  b: 1 # c\r\n  lr: 0.25\r\n"),
    "byte order mark": ("\ufeffoptimizer:\n  b: 1\n", "\ufeffoptimizer:\n  b: 1\n  lr: 0.25\n"),
    "letters beyond ASCII": ("# é 漢 🎓\noptimizer: {b: 'é'}\n", "# é 漢 🎓\noptimizer: {b: 'é', lr: 0.25}\n"),
    "an explicit key": ("? optimizer\n: b: 1\n", "? optimizer\n: b: 1\n  lr: 0.25\n"),
}


@pytest.mark.parametrize(("text", "wanted"), CASES.values(), ids=CASES)
def test_nothing_changes_but_the_value(text: str, wanted: str) -> None:
    assert set_value(text, OPTIMIZER, 0.25) == wanted
    assert yaml.safe_load(wanted)["optimizer"]["lr"] == 0.25


@pytest.mark.parametrize("text", ["groups:\n- {m: a}\n- lr: 1 # x\n  m: b\n", "groups: [{m: a}, {lr: 1, m: b}]"])
def test_a_value_in_a_list(text: str) -> None:
    done = set_value(text, ("groups", 1, "lr"), 0.5)
    assert done == text.replace("lr: 1", "lr: 0.5")


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("a: &x {b: 1}\noptimizer: *x\n", OPTIMIZER, "elsewhere"),
        ("optimizer: ${a}\n", OPTIMIZER, "elsewhere"),
        ("freeze:\n- a\n- b\nnext: 1\n", ("freeze",), "lines of its own"),
        ("name: |\n  text\nnext: 1\n", ("name",), "lines of its own"),
    ],
)
def test_what_cannot_be_set_alone_is_refused(text: str, path: tuple[str, ...], words: str) -> None:
    with pytest.raises(CannotEditError, match=words):
        set_value(text, path, 1)


@pytest.mark.parametrize(
    "value", [1e-5, 1e20, 3, None, True, "true", "a b", "x: y", "#", "${a}", [1, "a, b"], {"k": [1]}]
)
@pytest.mark.parametrize("text", ["a: {b: 0, c: 1}  # c\n", "a:\n  b: 0  # c\n  c: 1\n"])
def test_any_value_is_read_back(text: str, value: Any) -> None:
    assert yaml.safe_load(set_value(text, ("a", "b"), value)) == {"a": {"b": value, "c": 1}}


names = st.sampled_from(["lr", "_target_", "betas", "a", "b_c"])
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(1e-9, 1e3), st.text("ab: #'\"{}[],&*!|>-\\é\n", max_size=8)
)
nodes = st.recursive(
    leaves,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(names, below, max_size=4)),
    max_leaves=9,
)
documents = st.dictionaries(names, nodes, min_size=1, max_size=4)


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, Any]:
    """Return a document as YAML in some style, and what it says."""
    document = draw(documents)
    style, indent = draw(st.sampled_from([None, True, False])), draw(st.integers(2, 5))
    text = yaml.safe_dump(document, default_flow_style=style, indent=indent, allow_unicode=True, sort_keys=False)
    text = draw(st.sampled_from(["", "# head\n\n", "\ufeff"])) + (text if draw(st.booleans()) else text.rstrip("\n"))
    return draw(st.sampled_from([text, text.replace("\n", "\r\n")])), document


@given(texts(), st.data())
def test_the_value_is_set_and_the_rest_kept(drawn: tuple[str, Any], data: st.DataObject) -> None:
    text, document = drawn
    path, wanted = [], copy.deepcopy(document)
    node: Any = wanted
    while True:
        key = data.draw(st.integers(0, len(node) - 1) if isinstance(node, list) else names)
        path.append(key)
        below = node[key] if isinstance(node, list) else node.get(key)
        if not (below and isinstance(below, (dict, list)) and data.draw(st.booleans())):
            break
        node = below
    node[key] = 0.25
    try:
        done = set_value(text, path, 0.25)
    except CannotEditError:
        assert isinstance(below, (dict, list, str))  # in lines of its own
        return
    assert yaml.safe_load(done) == wanted
    before = next(i for i in range(len(text) + 1) if text[: i + 1] != done[: i + 1])
    behind = next(
        i for i in range(len(text) + 1) if text[len(text) - i - 1 :] != done[len(done) - i - 1 :] or i == len(text)
    )
    replaced = text[before : len(text) - behind]
    assert "\n" not in replaced or isinstance(below, (str, dict, list))


@given(documents, documents)
def test_differences_lead_from_one_to_the_other(old: Any, new: Any) -> None:
    reached = copy.deepcopy(old)
    for path, value in differences(old, new):
        node = reached
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value
    assert not list(differences(reached, new))
    assert not list(differences(new, new))


def test_differences_tell_types_apart() -> None:
    assert list(differences({"a": [1, {"b": 2}]}, {"a": [True, {"b": 2, "c": 3}]})) == [
        (("a", 0), True),
        (("a", 1, "c"), 3),
    ]
