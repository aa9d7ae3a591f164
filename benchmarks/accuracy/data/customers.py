"""Tables that are made up as businesses and clinics have them: clicks, ratings, claims, survival, choices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor

from accuracy.data.base import Samples, floats, generator, standard

CARDS = (60, 24, 12, 7, 300)
"""Levels of each categorical column of the clicks."""

USERS, ITEMS = 300, 200
"""Who rates, and what is rated."""


def _sigmoid(values: np.ndarray) -> np.ndarray:
    result: np.ndarray = 1 / (1 + np.exp(-values))
    return result


def _clicks() -> Samples:
    """Return the levels of five columns and three numbers, and whether there was a click (one in eight), shape (n, 1).

    The levels of the last column are as unequal as words; pairs of columns act together.
    """
    random = np.random.RandomState(2)
    levels = [random.randint(0, size, 8000) for size in CARDS[:-1]]
    levels.append(np.minimum(random.zipf(1.3, 8000), CARDS[-1]) - 1)
    vectors = [random.normal(0, 0.6, (size, 3))[rows] for size, rows in zip(CARDS, levels, strict=True)]
    numbers = random.normal(0, 1, (8000, 3))
    together = sum((vectors[i] * vectors[j]).sum(1) for i in range(5) for j in range(i))
    alone = sum(random.normal(0, 0.5, size)[rows] for size, rows in zip(CARDS, levels, strict=True))
    chance = _sigmoid(-2.9 + together + alone + 0.6 * numbers[:, 0] - 0.4 * numbers[:, 1] ** 2)
    return floats(np.column_stack([*levels, numbers])), floats(random.uniform(size=8000) < chance)[:, None]


def _ratings() -> Samples:
    """Return users and items, shape (n, 2), and the stars that they gave, 1 to 5."""
    random = np.random.RandomState(3)
    cells = random.choice(USERS * ITEMS, 12_000, replace=False)
    users, items = cells // ITEMS, cells % ITEMS
    tastes, traits = random.normal(0, 0.55, (USERS, 4)), random.normal(0, 0.55, (ITEMS, 4))
    stars = 3.6 + random.normal(0, 0.4, USERS)[users] + random.normal(0, 0.5, ITEMS)[items]
    stars = stars + (tastes[users] * traits[items]).sum(1) + random.normal(0, 0.4, len(cells))
    return torch.tensor(np.stack([users, items], 1)), floats(stars.round().clip(1, 5))


def _made_classes() -> Samples:
    """Return 24 numbers, of which ten tell the six classes apart, and the class; one in fifty is wrong."""
    x, y = datasets.make_classification(
        4000, 24, n_informative=10, n_redundant=4, n_classes=6, flip_y=0.02, class_sep=1.2, random_state=0
    )
    return floats(standard(x)), torch.tensor(y)


def _survival() -> Samples:
    """Return eight findings, and how long a patient was followed and whether until death, shape (n, 2)."""
    random = np.random.RandomState(4)
    x = random.normal(0, 1, (1500, 8))
    risk = 0.8 * x[:, 0] - 0.6 * x[:, 1] + 0.7 * x[:, 2] * x[:, 3] + 0.4 * x[:, 4] ** 2
    death = (random.exponential(1, 1500) / np.exp(risk)) ** 0.7
    leave = random.exponential(2, 1500)
    return floats(x), floats(np.stack([np.minimum(death, leave), death <= leave], 1))


def _claims() -> Samples:
    """Return six features of an insured car and the size of its claim in thousands, gamma-distributed, shape (n, 1)."""
    random = np.random.RandomState(5)
    x = random.normal(0, 1, (3000, 6))
    log_mean = 1.0 + 0.5 * x[:, 0] - 0.3 * x[:, 1] * x[:, 2] + 0.4 * np.abs(x[:, 3]) + 0.2 * np.sin(3 * x[:, 4])
    return floats(x), floats(random.gamma(2.0, np.exp(log_mean) / 2))[:, None]


def _customers() -> Samples:
    """Return ten features of a customer; whether one leaves, the log of what one spends, and one's visits, (n, 3)."""
    random = np.random.RandomState(6)
    x = random.normal(0, 1, (3000, 10))
    hidden = np.tanh(x @ random.normal(0, 0.5, (10, 4)))
    leaves = random.uniform(size=3000) < _sigmoid(-1.5 + 2 * hidden[:, 0] - 1.5 * hidden[:, 1] * hidden[:, 2])
    spent = 6 + hidden[:, 1] + 0.8 * hidden[:, 3] + random.normal(0, 0.3, 3000)
    visits = random.poisson(np.exp(1.0 + 0.7 * hidden[:, 2] - 0.4 * hidden[:, 0]))
    return floats(x), floats(np.stack([leaves, spent, visits], 1))


def _wide() -> Samples:
    """Return 200 correlated measurements, as of genes, and the class that a dozen of them decide, with noise."""
    random = np.random.RandomState(7)
    x = standard(random.normal(0, 1, (600, 200)) + random.normal(0, 1, (600, 12)) @ random.normal(0, 0.5, (12, 200)))
    score = x[:, :12] @ random.choice([-1.0, 1.0], 12)
    return floats(x), torch.tensor((score + random.normal(0, 1.5, 600) > 0).astype(int))


def _preferences() -> Samples:
    """Return two answers by 16 features each, shape (n, 2, 16), and whether the first was preferred, shape (n, 1).

    The choice is as of Bradley and Terry: sure only where the answers differ much.
    """
    random = np.random.RandomState(8)
    x = random.normal(0, 1, (2500, 2, 16))
    worth = np.tanh(x @ random.normal(0, 0.4, (16, 6))) @ random.normal(0, 1.2, 6)
    return floats(x), floats(random.uniform(size=2500) < _sigmoid(worth[:, 0] - worth[:, 1]))[:, None]


def _logged_decisions() -> Samples:
    """Return what was known, and the action taken of five, its reward and how likely it was, shape (n, 3).

    As logs of a system that tries things out (Swaminathan 2015, arXiv 1502.02362). Rewards are scores, 0 to 1.
    """
    random = np.random.RandomState(9)
    x = random.normal(0, 1, (8000, 8))
    policy = np.exp(0.4 * x[:, :5])
    policy = 0.5 * policy / policy.sum(1, keepdims=True) + 0.1
    actions = (policy.cumsum(1) > random.uniform(size=(8000, 1))).argmax(1)
    good = np.tanh(x @ random.normal(0, 0.6, (8, 8))) @ random.normal(0, 1.0, (8, 5))
    rows = np.arange(8000)
    rewards = _sigmoid(2 * good[rows, actions] - 1)
    return floats(x), floats(np.stack([actions, rewards, policy[rows, actions]], 1))


def _noisy_moons() -> Samples:
    """Return points on two half moons that overlap, and their moon, which is wrong for one in ten, shape (n, 1)."""
    x, y = datasets.make_moons(1200, noise=0.25, random_state=0)
    wrong = torch.rand(len(y), generator=generator()) < 0.1
    label: Tensor = torch.where(wrong, 1 - torch.tensor(y), torch.tensor(y))
    return floats(standard(x)), label[:, None].float()


SOURCES: dict[str, Callable[[], Samples]] = {
    "clicks": _clicks,
    "ratings": _ratings,
    "made_classes": _made_classes,
    "survival": _survival,
    "claims": _claims,
    "customers": _customers,
    "wide": _wide,
    "preferences": _preferences,
    "logged_decisions": _logged_decisions,
    "noisy_moons": _noisy_moons,
}
