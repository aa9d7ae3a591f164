"""Text of the standard library as bytes and hashed pieces: source code, English, and the names of Unicode."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable
from functools import cache
from pydoc_data.topics import topics

import torch
from torch import Tensor

from accuracy.data.base import Samples
from accuracy.data.texts import CONTEXT, shifted, source_words, sources

PASSAGE = 32
"""Words in a passage that is told from others."""

BYTES = 128
"""Different bytes: the text is ASCII."""

LENGTH = 24
"""Bytes in a sample for a language model."""

BUCKETS = 2048
"""Different hashes of a piece of text; 0 is for nothing."""

KEYWORDS = ("def", "class", "if", "return", "for", "raise", "self", "import")
"""Words that a line of source code may begin with."""


def _bytes_of(text: str) -> Tensor:
    return torch.tensor(list(text.encode("ascii", "replace")))


@cache
def _source_stream() -> Tensor:
    return _bytes_of("".join(source[:20_000] for source in sources()))


def _source_code() -> Samples:
    """Return samples of source code, and the same shifted by one byte."""
    return shifted(_source_stream(), LENGTH)


def _contexts_of(stream: Tensor) -> Samples:
    windows = stream.unfold(0, CONTEXT + 1, 10)
    return windows[:, :CONTEXT].contiguous(), windows[:, CONTEXT].contiguous()


def _source_contexts() -> Samples:
    """Return a few bytes of source code, and the one that follows."""
    return _contexts_of(_source_stream())


def english_contexts() -> Samples:
    """Return the same for English: what a network knows before it is adapted to source code."""
    return _contexts_of(_bytes_of("".join(topics.values())[:150_000]))


def _hashed(pieces: list[str], length: int) -> list[int]:
    codes = [1 + zlib.crc32(piece.encode()) % (BUCKETS - 1) for piece in pieces[:length]]
    return codes + [0] * (length - len(codes))


def _first_words() -> Samples:
    """Return the hashed triples of letters in lines of source code, and the word that the line begins with."""
    rows, labels = [], []
    for line in (line.strip() for source in sources() for line in source.splitlines()):
        first, _, rest = line.partition(" ") if not line.startswith("self.") else ("self", "", line[5:])
        if first in KEYWORDS and len(rest) > 5:
            rows.append(_hashed([rest[place : place + 3] for place in range(len(rest) - 2)], 24))
            labels.append(KEYWORDS.index(first))
    return torch.tensor(rows), torch.tensor(labels)


def _unicode_names() -> Samples:
    """Return the hashed words in the names of characters, and the category of the character."""
    rows, categories = [], []
    for character in map(chr, range(0x20000)):
        name = unicodedata.name(character, "")
        if name and not re.match("CJK|HANGUL|TANGUT|NUSHU|KHITAN|EGYPT|ANATOLIAN|CUNEIFORM|BAMUM", name):
            rows.append(_hashed(re.split("[ -]", name), 8))
            categories.append(unicodedata.category(character))
    known = sorted(set(categories))
    return torch.tensor(rows[::3]), torch.tensor([known.index(category) for category in categories[::3]])


CATEGORIES = 32
"""More than the categories that Unicode has."""


def _passage_pairs() -> Samples:
    """Return every other word of a passage of source code and those between, shape (n, 2, 16), and its number."""
    passages = torch.cat([words.unfold(0, PASSAGE, PASSAGE) for words in source_words()])
    return torch.stack([passages[:, ::2], passages[:, 1::2]], 1), torch.arange(len(passages))


SOURCES: dict[str, Callable[[], Samples]] = {
    "source_code": _source_code,
    "source_contexts": _source_contexts,
    "first_words": _first_words,
    "unicode_names": _unicode_names,
    "passage_pairs": _passage_pairs,
}
