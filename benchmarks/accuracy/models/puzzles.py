"""Networks that read words and names letter by letter."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from accuracy.data.characters import BUCKETS
from accuracy.data.puzzles import LETTERS, LONGEST, UNSPACED
from accuracy.models.characters import Attention
from accuracy.models.dense import mlp


class WordBoundaries(nn.Module):
    """A transformer that norms first (Xiong 2020, arXiv 2002.04745) and tells after which letters a word ends."""

    def __init__(self, width: int = 24, layers: int = 1) -> None:
        super().__init__()
        self.embedding = nn.Embedding(LETTERS, width)
        self.position = nn.Parameter(torch.randn(1, UNSPACED, width) * 0.02)
        branches: list[nn.Module] = []
        for _ in range(layers):
            branches += [Attention(width, causal=False), mlp([width, 2 * width, width], "GELU")]
        self.branches = nn.ModuleList(nn.Sequential(nn.LayerNorm(width), branch) for branch in branches)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of both answers for each letter, shape (batch, 2, UNSPACED)."""
        states = self.embedding(x) + self.position
        for branch in self.branches:
            states = states + branch(states)
        logits: Tensor = self.head(states).transpose(1, 2)
        return logits


def letter_mlp(width: int = 12, hidden: int = 96) -> nn.Sequential:
    """Return a network that guesses the missing letter of a word."""
    return nn.Sequential(nn.Embedding(LETTERS, width), nn.Flatten(), *mlp([LONGEST * width, hidden, 26], "GELU"))


class NamePairs(nn.Module):
    """Places two names of a thing on a sphere, and learns scale and offset of their cosines.

    As SigLIP (Zhai 2023, arXiv 2303.15343, algorithm 1), from a scale of 10 and an offset of -10. Both stand in the
    vectors, of shape (batch, 2, width + 1), so that their products are the logits.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.bags = nn.ModuleList(nn.EmbeddingBag(BUCKETS, width, padding_idx=0) for _ in range(2))
        self.heads = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10)))
        self.offset = nn.Parameter(torch.tensor(-10.0))

    def forward(self, x: Tensor) -> Tensor:
        """Return the vectors of both names."""
        scale, one = (self.log_scale / 2).exp(), x.new_ones((len(x), 1), dtype=self.offset.dtype)
        places = []
        for side, (bag, head) in enumerate(zip(self.bags, self.heads, strict=True)):
            place = scale * functional.normalize(head(bag(x[:, side])), dim=1)
            places.append(torch.cat([place, one if side else self.offset * one], 1))
        return torch.stack(places, 1)
