"""The mini-batches of a data set, in an order that a seed decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    TensorDataset,
)

from lrfind.errors import DataError, UserCodeError
from lrfind.training.fetch import TensorBatches


def batches_of(
    dataset: Any,
    batch_size: int,
    *,
    seed: int,
    device: torch.device,
    shuffle: bool = True,
    num_workers: int = 0,
    multiprocessing_context: str | None = None,
    collate_fn: Callable[[list[Any]], Any] | None = None,
) -> Iterable[Any]:
    """Return the mini-batches of one pass over `dataset`, to be read as often as needed.

    A last batch of fewer samples is dropped, unless it is the only one.

    Args:
        dataset: Map-style, or a torch IterableDataset.
        batch_size: Samples in a mini-batch.
        seed: Decides the order, and what the workers draw.
        device: Where the batches will be sent.
        shuffle: Whether to draw a map-style data set in random order.
        num_workers: Processes that load; 0 loads in this one.
        multiprocessing_context: How they are started; None is the default of the platform.
        collate_fn: Makes a mini-batch of a list of samples; None stacks them.
    """
    generator = torch.Generator().manual_seed(seed)
    common: dict[str, Any] = {
        "num_workers": num_workers,
        "persistent_workers": num_workers > 0,
        "multiprocessing_context": multiprocessing_context,
        "pin_memory": device.type == "cuda",
        "generator": torch.Generator().manual_seed(seed),  # seeds the workers
        "collate_fn": collate_fn,
    }
    # A last batch of fewer samples has another noise than the rest, and BatchNorm fails on a single one.
    if isinstance(dataset, IterableDataset):
        return DataLoader(dataset, batch_size, drop_last=True, **common)
    drop_last = len(dataset) >= batch_size
    stacked = type(dataset) is TensorDataset and collate_fn is None
    if stacked and device.type == "cpu" and shuffle and not num_workers:
        return TensorBatches(dataset.tensors, batch_size, generator, drop_last=drop_last)
    sampler: Sampler[int] = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
    return DataLoader(dataset, batch_sampler=BatchSampler(sampler, batch_size, drop_last), **common)


def check_size(dataset: Any) -> None:
    """Check that a map-style data set holds samples.

    Raises:
        DataError: It is empty.
        UserCodeError: It has no length.
    """
    try:
        size = len(dataset)
    except TypeError as error:
        raise UserCodeError(
            f"data.dataset: expected a map-style data set with a length, or a torch IterableDataset, "
            f"got {type(dataset).__name__}; for any other source of batches use data.loader"
        ) from error
    if size == 0:
        raise DataError("data.dataset: expected at least one sample, got an empty data set")
