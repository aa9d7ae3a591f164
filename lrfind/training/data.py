"""The mini-batches of a data set, in an order that a seed decides."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    TensorDataset,
)

from lrfind.errors import DataError, Fault, UserCodeError
from lrfind.training.minibatches import ALL, Share, TensorBatches


def batches_of(
    dataset: Any,
    batch_size: int,
    *,
    seed: int,
    device: torch.device,
    shuffle: bool = True,
    drop_last: bool = True,
    sampler: Iterable[int] | None = None,
    collate_fn: Callable[[list[Any]], Any] | None = None,
    share: Share = ALL,
    **options: Any,
) -> Iterable[Any]:
    """Return the mini-batches of one pass over `dataset`; they can be read many times.

    Args:
        dataset: Map-style, or a torch IterableDataset.
        batch_size: Samples in a mini-batch.
        seed: Decides the order, and what the workers draw.
        device: Where the batches will be sent.
        shuffle: Whether to draw a map-style data set in random order.
        drop_last: Whether to drop a last batch of fewer samples, unless it is the only one.
        sampler: Draws the samples instead, in every process its own.
        collate_fn: Makes a mini-batch of a list of samples; None stacks them.
        share: The part of the data set to read. Of an IterableDataset it is every `ranks`-th sample.
        options: Of the DataLoader, such as `num_workers`.
    """
    common = loader_options(seed + share.rank, device, collate_fn=collate_fn, **options)
    if isinstance(dataset, IterableDataset):
        source = _Slice(dataset, share) if share.ranks > 1 else dataset
        return DataLoader(source, batch_size, drop_last=drop_last, **common)
    size = share.batch_size(batch_size, len(dataset))
    if sampler is None:
        generator = torch.Generator().manual_seed(seed)
        stacked = type(dataset) is TensorDataset and collate_fn is None and not options.get("num_workers")
        if stacked and device.type == "cpu" and shuffle and drop_last:
            return TensorBatches(dataset.tensors, size, generator, share)
        sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if share != ALL:
            sampler = _SharedSampler(sampler, len(dataset), size, share)
    # A smaller last batch has more noise than the others, and BatchNorm fails on a single sample.
    return DataLoader(dataset, batch_sampler=BatchSampler(sampler, size, drop_last), **common)


def loader_options(
    seed: int,
    device: torch.device,
    *,
    num_workers: int = 0,
    pin_memory: bool | None = None,
    persistent_workers: bool | None = None,
    **others: Any,
) -> dict[str, Any]:
    """Return arguments of a DataLoader, with defaults for the device where they are None.

    Args:
        seed: Seeds the workers.
        device: Where the batches will be sent.
        num_workers: Processes that load; 0 loads in this one.
        pin_memory: None pins the memory for a GPU of CUDA.
        persistent_workers: None keeps the processes from one pass to the next.
        others: Further arguments, as they are.
    """
    return {
        "num_workers": num_workers,
        "persistent_workers": num_workers > 0 if persistent_workers is None else persistent_workers,
        "pin_memory": device.type == "cuda" if pin_memory is None else pin_memory,
        "generator": torch.Generator().manual_seed(seed),
        **others,
    }


@dataclass(eq=False)
class _SharedSampler(Sampler[int]):
    """A process's share of the indices that another sampler draws.

    Every process draws all indices, so that their generators stay in step.
    """

    sampler: Sampler[int]
    samples: int
    batch_size: int
    share: Share

    def __iter__(self) -> Iterator[int]:
        order: Sequence[int] = range(self.samples)
        if not isinstance(self.sampler, SequentialSampler):
            order = list(self.sampler)
        return iter(self.share.of(order, self.batch_size))


@dataclass(eq=False)
class _Slice(IterableDataset[Any]):
    """Every `ranks`-th sample of an iterable data set, in each of its workers."""

    dataset: IterableDataset[Any]
    share: Share

    def __iter__(self) -> Iterator[Any]:
        return itertools.islice(self.dataset, self.share.rank, None, self.share.ranks)


def only(dataset: Any, indices: Sequence[int]) -> Any:
    """Return the samples of a data set at `indices`, and no others."""
    if type(dataset) is TensorDataset:  # stays quick to batch
        kept = torch.tensor(indices)
        return TensorDataset(*(tensor[kept] for tensor in dataset.tensors))
    return Subset(dataset, indices)


def check_size(dataset: Any) -> None:
    """Check that a map-style data set holds samples.

    Raises:
        DataError: It is empty.
        UserCodeError: It has no length.
    """
    try:
        size = len(dataset)
    except TypeError as error:
        expected = "a map-style data set with a length, or a torch IterableDataset"
        fix = "for any other source of batches use data.loader"
        raise UserCodeError(Fault("data.dataset", expected=expected, got=type(dataset).__name__, fix=fix)) from error
    if size == 0:
        raise DataError(Fault("data.dataset", expected="at least one sample", got="an empty data set"))


@dataclass(frozen=True)
class WithoutText:
    """A collator that gets the samples without their texts, as it does in a `Trainer`, which drops such columns.

    Attributes:
        collate_fn: A collator of transformers, which fails on a column of text beside the tokens of it.
    """

    collate_fn: Callable[[list[Any]], Any]

    def __call__(self, samples: list[Any]) -> Any:
        """Return the mini-batch of some samples."""
        return self.collate_fn([_without(sample, texts_of(sample)) for sample in samples])


def _without(sample: Any, names: Sequence[str]) -> Any:
    return {name: value for name, value in sample.items() if name not in names} if names else sample


def texts_of(sample: Any) -> list[str]:
    """Return the names of the texts, and of the lists of texts, in a sample."""
    values = sample.items() if isinstance(sample, Mapping) else ()
    return [name for name, value in values if isinstance(value[0] if isinstance(value, list) and value else value, str)]


def is_of_transformers(collate_fn: Any) -> bool:
    """Tell whether a collator, or the function of a partial one, comes from transformers."""
    module = getattr(getattr(collate_fn, "func", collate_fn), "__module__", None) or ""
    return bool(module.split(".")[0] == "transformers")
