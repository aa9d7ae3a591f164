"""What the data sets are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

Samples = tuple[Tensor, Tensor]
"""Inputs and targets, not yet split."""


def floats(values: Any) -> Tensor:
    """Return the values as 32-bit numbers."""
    return torch.tensor(np.asarray(values), dtype=torch.float32)


def standard(values: Any) -> Any:
    """Return the columns with mean 0 and deviation 1."""
    return (values - values.mean(0)) / values.std(0)


def generator() -> torch.Generator:
    """Return the random numbers that a data set is made with, the same at every call."""
    return torch.Generator().manual_seed(0)
