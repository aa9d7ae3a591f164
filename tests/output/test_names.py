"""Names that tell records apart."""

from __future__ import annotations

import pytest

from lrfind.output.names import unique


@pytest.mark.parametrize(
    ("places", "names"),
    [
        ([], []),
        ([("a", "train")], ["train"]),
        ([("a", "train"), ("b", "test")], ["train", "test"]),
        ([("a", "train"), ("b", "train"), ("b", "test")], ["a/train", "b/train", "test"]),
        ([("a", "train"), ("a", "train")], ["a/train #1", "a/train #2"]),
        ([("", "train"), ("b", "train")], ["train", "b/train"]),
    ],
)
def test_a_folder_or_a_number_tells_apart(places: list[tuple[str, str]], names: list[str]) -> None:
    assert unique(places) == names
