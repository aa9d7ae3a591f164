from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, Subset, TensorDataset

from lrfind.training.loader_state import LoaderState
from lrfind.training.rng import keep_rng, seed_for


class Augmented(Dataset[float]):
    """Draws from every kind of generator of its own, and from the global ones."""

    def __init__(self) -> None:
        self.kinds: list[Any] = []
        self.torch, self.numpy = torch.Generator().manual_seed(1), np.random.default_rng(1)
        self.old, self.python = np.random.RandomState(1), random.Random(1)

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> float:
        own = torch.rand(1, generator=self.torch).item() + self.numpy.random() + self.old.rand() + self.python.random()
        return index + own + random.random() + float(np.random.rand()) + torch.rand(1).item()


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), torch.rand(1).item()


def test_the_global_generators_are_put_back() -> None:
    draws()
    put_back = keep_rng()
    expected = draws()
    seed_for(torch.device("cpu"), 5)
    put_back()
    assert draws() == expected


def test_a_seed_decides_all_draws() -> None:
    put_back = keep_rng()
    seed_for(torch.device("cpu"), 5)
    first = draws()
    seed_for(torch.device("cpu"), 5)
    assert draws() == first
    put_back()


def test_seeding_for_the_host_leaves_the_seed_of_an_accelerator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not in use yet is seeded as it starts, by the last call; what that was cannot be asked for."""
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    put_back = keep_rng()
    seed_for(torch.device("cpu"), 5)
    assert seeded == []
    seed_for(torch.device("cuda"), 5)
    assert seeded == [5]
    put_back()


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("generator", [None, torch.Generator().manual_seed(3)], ids=["global", "own"])
def test_a_loader_is_read_again_from_where_it_stood(generator: torch.Generator | None, workers: int) -> None:
    def read(loader: DataLoader[float]) -> list[float]:
        return [value for batch in loader for value in batch.tolist()]

    data = Subset(Augmented(), range(12))
    loader = DataLoader(data, 4, shuffle=True, generator=generator, num_workers=workers)
    read(loader)
    put_back, reader = keep_rng(), LoaderState(loader)
    passes = []
    for _ in range(2):
        reader.rewind()
        seed_for(torch.device("cpu"), 0)
        passes.append(read(loader) + read(loader))
    reader.restore()
    put_back()
    again = read(loader)
    reader.restore()
    put_back()
    assert passes[0] == passes[1]
    assert passes[0][:12] != passes[0][12:]
    assert again == read(loader)


def test_a_sampler_keeps_its_generator_and_its_place() -> None:
    class Epochs(RandomSampler):
        epoch = 0

        def __iter__(self) -> Any:
            self.epoch += 1
            return super().__iter__()

    data = TensorDataset(torch.arange(8.0))
    sampler = Epochs(data, generator=torch.Generator().manual_seed(0))
    loader = DataLoader(data, 2, sampler=sampler)
    list(loader)
    state = sampler.generator.get_state()
    reader = LoaderState(loader)
    list(loader)
    reader.restore()
    assert sampler.epoch == 1
    assert torch.equal(sampler.generator.get_state(), state)


def test_samplers_within_one_that_shares_out_the_batches_keep_their_places() -> None:
    class Shared(BatchSampler):
        def __init__(self, batches: BatchSampler) -> None:
            self.batch_sampler = batches

        def __iter__(self) -> Iterator[list[int]]:
            return itertools.islice(self.batch_sampler, 0, None, 2)

    data = range(12)
    sampler = RandomSampler(data, generator=torch.Generator().manual_seed(0))
    loader = DataLoader(data, batch_sampler=Shared(BatchSampler(sampler, 2, drop_last=False)))  # type: ignore[arg-type]
    reader = LoaderState(loader)
    first = [batch.tolist() for batch in loader]
    reader.rewind()
    assert [batch.tolist() for batch in loader] == first
    assert [batch.tolist() for batch in loader] != first


def test_workers_that_stay_are_the_trainings_own() -> None:
    loader = DataLoader(TensorDataset(torch.arange(8.0)), 2, num_workers=1, persistent_workers=True)
    batches = iter(loader)
    first = next(batches)
    reader = LoaderState(loader)
    reader.rewind()
    assert len(list(loader)) == 4
    reader.restore()
    assert loader._iterator is batches
    assert [batch[0].tolist() for batch in (first, *batches)] == [[0, 1], [2, 3], [4, 5], [6, 7]]


@pytest.mark.parametrize("loader", [[1, 2], iter([1]), object()], ids=["list", "iterator", "object"])
def test_any_other_loader_is_left_alone(loader: Any) -> None:
    reader = LoaderState(loader)
    reader.rewind()
    reader.restore()
