"""Boards, graphs, shapes and words: what can be made or looked up without measuring anything."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from pydoc_data.topics import topics

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from accuracy.data.base import Samples, floats

NODES = 16
"""Nodes of a graph."""

SIDE = 12
"""Side of the picture of a shape, in pixels."""

LETTERS, LONGEST = 28, 10
"""Letters, with 0 for none and 27 for the missing one; letters of the longest word."""

UNSPACED = 24
"""Letters in a sample of English without spaces."""

LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))
Board = tuple[int, ...]


@cache
def _outcome(board: Board) -> int:
    """Return how noughts and crosses ends for the one to move, whose signs are 1: 2 won, 1 drawn, 0 lost."""
    if any(all(board[place] == -1 for place in line) for line in LINES):
        return 0
    free = [place for place in range(9) if board[place] == 0]
    return max((2 - _outcome(_moved(board, place)) for place in free), default=1)


def _moved(board: Board, place: int) -> Board:
    """Return the board after a move, as the other one sees it."""
    return tuple(-1 if index == place else -sign for index, sign in enumerate(board))


def _boards() -> Samples:
    """Return all boards of noughts and crosses that can be met, each place one of three, and how they end."""
    met: set[Board] = set()
    fresh: list[Board] = [(0,) * 9]
    while fresh:
        board = fresh.pop()
        over = 0 not in board or any(abs(sum(board[place] for place in line)) == 3 for line in LINES)
        if board not in met and not over:
            met.add(board)
            fresh += [_moved(board, place) for place in range(9) if board[place] == 0]
    boards = sorted(met)
    signs = functional.one_hot(torch.tensor(boards) + 1, 3).flatten(1).float()
    return signs, torch.tensor([_outcome(board) for board in boards])


def _graph(random: np.random.RandomState, kind: int) -> np.ndarray:
    """Return the upper half of the links of a graph: at random, in two groups, on a ring, or around hubs."""
    nodes = np.arange(NODES)
    near = np.abs(nodes[:, None] - nodes)
    apart = np.minimum(near, NODES - near)
    weights = (
        np.ones((NODES, NODES)),
        np.where((nodes[:, None] < NODES // 2) == (nodes < NODES // 2), 1.0, 0.2),
        np.where(apart < 3, 1.0, 0.15),
        np.sqrt(1 / (1 + nodes[:, None]) / (1 + nodes)),
    )[kind]
    chance = np.triu(weights, 1)
    chance = np.minimum(0.95, random.uniform(22, 34) * chance / chance.sum())
    links: np.ndarray = random.uniform(size=chance.shape) < chance
    return links


def _graphs() -> Samples:
    """Return which nodes of a graph are linked, in any order, shape (n, NODES, NODES), and the graph's kind of four."""
    random = np.random.RandomState(0)
    kinds = random.randint(0, 4, 2400)
    graphs = []
    for kind in kinds:
        links = _graph(random, kind)
        order = random.permutation(NODES)
        graphs.append((links | links.T)[order][:, order])
    return floats(np.stack(graphs)), torch.tensor(kinds)


def _shapes() -> Samples:
    """Return pictures of a disc, a square, a triangle or a cross in noise, shape (n, 1, SIDE, SIDE), and which."""
    random = np.random.RandomState(1)
    kinds = random.randint(0, 4, 2400)
    grid = np.arange(SIDE)
    middle, size = random.uniform(4, SIDE - 5, (2, 2400, 1, 1)), random.uniform(2, 3.5, (2400, 1, 1))
    down, right = (grid[:, None] - middle[0]) / size, (grid - middle[1]) / size
    within = np.maximum(np.abs(down), np.abs(right)) < 1
    drawn = np.stack(
        [
            down**2 + right**2 < 1,
            within,
            within & (np.abs(right) < (down + 1) / 2),
            within & ((np.abs(down) < 0.35) | (np.abs(right) < 0.35)),
        ]
    )[kinds, np.arange(2400)]
    return floats(drawn + random.normal(0, 0.25, drawn.shape))[:, None], torch.tensor(kinds)


def _discs() -> Samples:
    """Return pictures of one to four discs in noise, shape (n, 1, SIDE, SIDE), and how many there are, less one."""
    random = np.random.RandomState(4)
    counts = random.randint(1, 5, 3000)
    cells = random.uniform(size=(3000, 9)).argsort(1)  # of a grid of three by three, in any order
    middles = np.stack([cells // 3, cells % 3]) * 4 + 1.5 + random.uniform(-0.7, 0.7, (2, 3000, 9))
    grid = np.arange(SIDE)
    down, right = grid[:, None] - middles[0][:, :, None, None], grid - middles[1][:, :, None, None]
    near = down**2 + right**2 < random.uniform(0.9, 1.7, (3000, 9, 1, 1)) ** 2
    drawn = (near & (np.arange(9) < counts[:, None])[:, :, None, None]).any(1)
    return floats(drawn + random.normal(0, 0.3, drawn.shape))[:, None], torch.tensor(counts - 1)


def _unspaced() -> Samples:
    """Return English without its spaces, shape (n, UNSPACED), and where there were some: 1 for a letter before one."""
    words = re.findall(r"[a-z]+", "".join(topics.values())[100_000:260_000].lower())
    letters = torch.tensor([ord(letter) - 96 for word in words for letter in word])
    ends = torch.tensor([int(place == len(word) - 1) for word in words for place in range(len(word))])
    count = min(4000, len(letters) // UNSPACED)
    letters, ends = (stream[: count * UNSPACED].view(count, UNSPACED) for stream in (letters, ends))
    return letters, ends


def _padded(codes: list[int], length: int) -> list[int]:
    return codes[:length] + [0] * (length - len(codes))


def _gapped_words() -> Samples:
    """Return English words with a letter missing, shape (n, LONGEST), and that letter, 0 to 25."""
    random = np.random.RandomState(3)
    names = " ".join(unicodedata.name(chr(code), "") for code in range(0x3000))
    words = sorted(set(re.findall(r"\b[a-z]{4,10}\b", (" ".join(topics.values()) + names).lower())))
    rows, letters = [], []
    for word in words:
        gap = random.randint(len(word))
        codes = [ord(letter) - 96 for letter in word]
        letters.append(codes[gap] - 1)
        codes[gap] = LETTERS - 1
        rows.append(_padded(codes, LONGEST))
    return torch.tensor(rows), torch.tensor(letters)


SOURCES: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "boards": _boards,
    "graphs": _graphs,
    "shapes": _shapes,
    "discs": _discs,
    "unspaced": _unspaced,
    "gapped_words": _gapped_words,
}
