"""Networks that read words letter by letter."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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


def letter_mlp(width: int = 12, hidden: int = 64) -> nn.Sequential:
    """Return a network that guesses the missing letter of a word."""
    return nn.Sequential(
        nn.Embedding(LETTERS, width), nn.Flatten(), *mlp([LONGEST * width, hidden, 26], "GELU", dropout=0.5)
    )
