"""YAML that would never end, or break its reader: it is found before any value is made."""

from __future__ import annotations

import pytest

from lrfind.config.yaml_limits import checked_nodes
from lrfind.errors import MisfitError

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
ALIASES = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 60))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "a5: expected at most 100,000 values, those behind an alias counted each time, got more"),
        (ALIASES, "a49: expected at most 50 levels of nesting, got more"),
        (f"a: {'[' * 60}{']' * 60}", r"a(\[0\])+: expected at most 50 levels of nesting, got more"),
        ("a: &m {b: {c: *m}}", r"a\.b\.c: expected values that are not nested in themselves"),
        ("a: {b: [1, !!int abc]}", r"a\.b\[1\]: expected a value that YAML reads as !!int, got 'abc'"),
        ("a: 0x_", "a: expected a value that YAML reads as !!int, got '0x_'"),
        (f"a: {'9' * 5000}", "a: expected a value that YAML reads as !!int, got '999"),
        ("a: !!float ''", "a: expected a value that YAML reads as !!float, got ''"),
        ("a: !!bool maybe", "!!bool, got 'maybe'"),
        ("a: !!timestamp never", "!!timestamp, got 'never'"),
        ("!!int x: 1", "!!int, got 'x'"),
        ("a: !!set {b}", "a: expected a mapping or a list without a tag, got 'tag:yaml.org,2002:set'"),
        ("a: !!map [b]", "a: expected a mapping or a list without a tag"),
    ],
)
def test_what_no_value_can_be_made_of_is_told_with_its_key(text: str, words: str) -> None:
    with pytest.raises(MisfitError, match=words):
        checked_nodes(text)


@pytest.mark.parametrize("text", ["a: &a [1, 2]\nb: {<<: &m {c: 1}, d: *a}\ne: *m", "a: 2001-99-99", "a: !!str 5", ""])
def test_usual_aliases_merges_tags_and_dates_pass(text: str) -> None:
    assert (checked_nodes(text) is None) == (text == "")
