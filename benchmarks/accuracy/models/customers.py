"""Networks for tables: levels of categories, users and items, several targets at once, preferences."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from accuracy.data.customers import CARDS, ITEMS, USERS
from accuracy.models.dense import mlp


class ClickNet(nn.Module):
    """Embeds the categorical columns and joins them with the numbers (Guo 2016, arXiv 1604.06737)."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, width) for size in CARDS)
        self.body = mlp([len(CARDS) * width + 3, 64, 32, 1], dropout=0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of a click, shape (batch, 1)."""
        levels = x[:, : len(CARDS)].long().unbind(1)
        vectors = [table(column) for table, column in zip(self.tables, levels, strict=True)]
        logit: Tensor = self.body(torch.cat([*vectors, x[:, len(CARDS) :]], 1))
        return logit


class Factorization(nn.Module):
    """Stars from a vector and a bias of the user and of the item (Koren 2009)."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(USERS, width + 1), nn.Embedding(ITEMS, width + 1)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=0.1)
        self.mean = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: Tensor) -> Tensor:
        """Return the stars, shape (batch,)."""
        user, item = self.users(x[:, 0]), self.items(x[:, 1])
        stars: Tensor = self.mean + user[:, 0] + item[:, 0] + (user[:, 1:] * item[:, 1:]).sum(1)
        return stars


class ThreeTargets(nn.Module):
    """A body with three heads; beside their outputs stand the learned log-variances, shape (batch, 6)."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.body = mlp([inputs, 64, 48, 3], "SiLU")
        self.log_variances = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        """Return logit, mean and log-rate, and what they are weighted by."""
        return torch.cat([self.body(x), self.log_variances.expand(len(x), 3)], 1)


class RewardModel(nn.Module):
    """Scores two answers by the same network (Ouyang 2022, arXiv 2203.02155, equation 1)."""

    def __init__(self, inputs: int, width: int = 48) -> None:
        super().__init__()
        self.score = mlp([inputs, width, 1], "GELU", dropout=0.2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit that the first one is preferred, shape (batch, 1)."""
        scores = self.score(x)
        logit: Tensor = scores[:, 0] - scores[:, 1]
        return logit
