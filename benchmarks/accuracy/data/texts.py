"""English text and source code that Python brings along, as characters, bytes and words."""

from __future__ import annotations

import importlib
import inspect
import math
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from pydoc_data.topics import topics

import torch
from torch import Tensor

from accuracy.data.base import Samples, generator

SEQUENCE = 48
"""Characters in a sample of the text."""

CONTEXT = 8
"""Characters that a model without memory sees at once."""

MODULES = ("argparse", "tarfile", "doctest", "difflib", "mailbox", "_pydecimal", "subprocess", "ipaddress")
"""Whose source code is told apart: modules of the standard library written in Python."""

WINDOW = 64
"""Bytes in a sample of source code."""

WORDS = 24
"""Words in a sample of source code or of English."""

VOCABULARY = 500
"""Different words; 0 stands for all rarer ones."""

PARAGRAPH = 100
"""Words in a sample of which only their counts are kept."""


def _characters() -> tuple[Tensor, int]:
    text = "".join(topics.values())[:100_000]
    number = {character: index for index, character in enumerate(sorted(set(text)))}
    return torch.tensor([number[character] for character in text]), len(number)


def vocabulary() -> int:
    """Return the number of different characters in the text."""
    return _characters()[1]


def _text() -> Samples:
    """Return samples of the text, and the same shifted by one character."""
    return shifted(_characters()[0], SEQUENCE)


def shifted(stream: Tensor, length: int) -> Samples:
    """Return a stream cut into samples, and each of them moved on by one place."""
    count = (len(stream) - 1) // length
    return stream[: count * length].view(count, length), stream[1 : count * length + 1].view(count, length)


def _contexts() -> Samples:
    """Return a few characters, and the one that follows."""
    windows = _characters()[0].unfold(0, CONTEXT + 1, 10)
    return windows[:, :CONTEXT].contiguous(), windows[:, CONTEXT].contiguous()


def sources() -> list[str]:
    """Return the source code of each module."""
    return [inspect.getsource(importlib.import_module(module)) for module in MODULES]


def _source_bytes() -> Samples:
    """Return windows of source code, 400 from each module, and their module."""
    windows = [
        torch.tensor(list(source.encode("ascii", "replace"))).unfold(0, WINDOW, WINDOW)[:400] for source in sources()
    ]
    return torch.cat(windows), _labels(windows)


def _labels(parts: list[Tensor]) -> Tensor:
    return torch.cat([torch.full((len(part),), index) for index, part in enumerate(parts)])


@cache
def source_words() -> tuple[Tensor, ...]:
    """Return the words of each module by their rank among all modules."""
    return _ranked([re.findall(r"[a-z]+", source.lower()) for source in sources()])


@cache
def english_words() -> Tensor:
    """Return the words of the second part of the language reference by their rank."""
    return _ranked([re.findall(r"[a-z]+|[.,:]", "".join(topics.values())[200_000:].lower())])[0]


def _ranked(texts: list[list[str]]) -> tuple[Tensor, ...]:
    counts = Counter(word for text in texts for word in text)
    rank = {word: index for index, (word, _) in enumerate(counts.most_common(VOCABULARY - 1), 1)}
    return tuple(torch.tensor([rank.get(word, 0) for word in text]) for text in texts)


def _word_windows() -> Samples:
    """Return successive words of source code, and their module."""
    windows = [words.unfold(0, WORDS, WORDS)[:400] for words in source_words()]
    return torch.cat(windows), _labels(windows)


def _word_counts() -> Samples:
    """Return how often each word occurs in a piece of source code, as log(1 + n), and its module."""
    pieces = [_counts(words.unfold(0, PARAGRAPH, PARAGRAPH)) for words in source_words()]
    return torch.cat(pieces).log1p(), _labels(pieces)


def _counts(pieces: Tensor) -> Tensor:
    return torch.zeros(len(pieces), VOCABULARY).scatter_add_(1, pieces, torch.ones(pieces.shape))


def _word_uses() -> Samples:
    """Return the counts of a piece without its most frequent word ("self"), as log(1 + n), and the count of that."""
    counts = torch.cat([_counts(words.unfold(0, PARAGRAPH, PARAGRAPH)) for words in source_words()])
    return counts[:, 2:].log1p(), counts[:, 1:2]


def _word_triplets() -> Samples:
    """Return two windows of one module and one of another, shape (n, 3, WORDS), and the module of the first."""
    x, y = _word_windows()
    random = generator()
    places = []
    for module in range(len(MODULES)):
        same, other = (y == module).nonzero()[:, 0], (y != module).nonzero()[:, 0]
        positive = same[torch.randperm(len(same), generator=random)]
        places.append(torch.stack([same, positive, other[torch.randperm(len(other), generator=random)[: len(same)]]]))
    triplets = torch.cat(places, 1)
    return x[triplets.T], y[triplets[0]]


def _word_pairs() -> Samples:
    """Return two words that occur within five places of one another in English, and the log of how often."""
    words = english_words()
    counts: Counter[tuple[int, int]] = Counter()
    for distance in range(1, 6):
        counts.update(zip(words[:-distance].tolist(), words[distance:].tolist(), strict=True))
    pairs = {pair: count for pair, count in counts.items() if 0 not in pair and count > 1}
    return torch.tensor(list(pairs)), torch.tensor([math.log(count) for count in pairs.values()])


def _next_words() -> Samples:
    """Return samples of English words, and the same shifted by one word."""
    return shifted(english_words(), WORDS)


SOURCES: dict[str, Callable[[], Samples]] = {
    "text": _text,
    "contexts": _contexts,
    "source_bytes": _source_bytes,
    "word_windows": _word_windows,
    "word_counts": _word_counts,
    "word_uses": _word_uses,
    "word_triplets": _word_triplets,
    "word_pairs": _word_pairs,
    "next_words": _next_words,
}
