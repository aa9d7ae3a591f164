"""Networks for bytes and hashed pieces of text: language models, classifiers and encoders."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from accuracy.data.characters import BUCKETS, BYTES, LENGTH
from accuracy.data.texts import CONTEXT, VOCABULARY
from accuracy.models.dense import mlp


class ByteGRU(nn.Module):
    """A GRU that predicts each next byte; its logits have shape (batch, BYTES, length)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(BYTES, width)
        self.cells = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, BYTES)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of each next byte."""
        logits: Tensor = self.head(self.cells(self.embedding(x))[0]).transpose(1, 2)
        return logits


class Attention(nn.Module):
    """Self-attention with four heads, to the places before alone (causal) or to all."""

    def __init__(self, width: int, causal: bool = True) -> None:
        super().__init__()
        self.causal = causal
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return what each place gathers from the others."""
        query, key, value = self.inputs(x).unflatten(2, (3, 4, -1)).permute(2, 0, 3, 1, 4)
        gathered = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        output: Tensor = self.output(gathered.transpose(1, 2).flatten(2))
        return output


class ByteTransformer(nn.Module):
    """A causal transformer on bytes that norms after each sum (Vaswani 2017, arXiv 1706.03762), or never.

    Both are hard to begin with: their first steps want a small learning rate (Xiong 2020, arXiv 2002.04745).
    """

    def __init__(self, width: int = 32, layers: int = 2, norm: bool = True) -> None:
        super().__init__()
        self.embedding = nn.Embedding(BYTES, width)
        self.position = nn.Parameter(torch.randn(1, LENGTH, width) * 0.02)
        branches: list[nn.Module] = []
        for _ in range(layers):
            branches += [Attention(width), mlp([width, 2 * width, width], "GELU")]
        self.branches = nn.ModuleList(branches)
        self.norms = nn.ModuleList(nn.LayerNorm(width) if norm else nn.Identity() for _ in branches)
        self.head = nn.Linear(width, BYTES)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of each next byte, shape (batch, BYTES, length)."""
        states = self.embedding(x) + self.position
        for branch, norm in zip(self.branches, self.norms, strict=True):
            states = norm(states + branch(states))
        logits: Tensor = self.head(states).transpose(1, 2)
        return logits


def byte_mlp(width: int = 12, hidden: int = 96) -> nn.Sequential:
    """Return a network that predicts a byte from those just before it (Bengio 2003)."""
    return nn.Sequential(
        nn.Embedding(BYTES, width), nn.Flatten(), *mlp([CONTEXT * width, hidden, hidden, BYTES], "ReLU")
    )


def hashed_bag(classes: int, width: int | None = None) -> nn.Module:
    """Return a classifier of bags of hashed pieces: linear, or with a hidden layer of `width`."""
    table: Any = {"mode": "sum", "padding_idx": 0}
    if width is None:
        return nn.EmbeddingBag(BUCKETS, classes, **table)
    return nn.Sequential(nn.EmbeddingBag(BUCKETS, width, **table), nn.ReLU(), nn.Linear(width, classes))


class PassageEncoder(nn.Module):
    """Places two bags of words on a sphere, and learns how much their cosines count (as CLIP, from 1 / 0.07)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.EmbeddingBag(VOCABULARY, width), *mlp([width, 64, width]))
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors of shape (batch, 2, width) whose products are the scaled cosines."""
        places = functional.normalize(self.body(x.flatten(0, 1)), dim=1).view(len(x), 2, -1)
        return places * (self.scale / 2).exp()
