from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset

from lrfind.errors import DataError, UserCodeError
from lrfind.training.minibatches import Share, endless


def test_a_loader_is_read_again_when_it_runs_out_and_tells() -> None:
    told = []
    batches = endless([1, 2, 3], lambda: told.append("again"))
    assert list(islice(batches, 3)) == [1, 2, 3]
    assert told == []
    assert list(islice(batches, 4)) == [1, 2, 3, 1]
    assert told == ["again", "again"]


def test_a_generator_ends_where_it_ends() -> None:
    told = []
    assert list(endless((batch for batch in (1, 2)), lambda: told.append("again"))) == [1, 2]
    assert told == []


@pytest.mark.parametrize("empty", [[], iter(())])
def test_no_batch_at_all_is_an_error(empty: object) -> None:
    with pytest.raises(DataError, match="got none"):
        next(endless(empty))  # type: ignore[arg-type]


def test_a_batch_that_is_none_does_not_end_the_data() -> None:
    assert list(islice(endless([None, 1]), 4)) == [None, 1, None, 1]


def test_the_length_of_a_loader_is_never_asked_for() -> None:
    class Stream(IterableDataset[torch.Tensor]):
        def __iter__(self) -> Iterator[torch.Tensor]:
            return iter(torch.arange(4.0))

        def __len__(self) -> int:
            raise AssertionError("asked for its length")

    class Unsized:
        def __iter__(self) -> Iterator[torch.Tensor]:
            return iter(DataLoader(Stream(), batch_size=2))

        def __len__(self) -> int:
            raise AssertionError("asked for its length")

    assert [batch.tolist() for batch in islice(endless(Unsized()), 3)] == [[0, 1], [2, 3], [0, 1]]


def test_a_loader_that_raises_is_the_users_code() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("corrupt shard 7")

    batches = endless(broken())
    assert next(batches) == 1
    with pytest.raises(UserCodeError, match="loading a mini-batch failed: ValueError: corrupt shard 7"):
        next(batches)


@pytest.mark.parametrize("persistent", [False, True])
def test_the_workers_of_a_loader_that_raises_end_at_once(persistent: bool) -> None:
    """The error keeps them alive, and the garbage collector would wait 5 s for each."""
    samples: Any = [1.0] * 8 + ["no number"]
    loader = DataLoader(samples, 3, num_workers=2, persistent_workers=persistent)
    with pytest.raises(UserCodeError) as kept:
        list(endless(loader))
    assert multiprocessing.active_children() == []
    assert "loading a mini-batch failed" in str(kept.value)


def test_data_of_fewer_batches_than_one_update_takes_is_an_error() -> None:
    words = r"train\.accumulate: one update takes 4 mini-batches, but the data holds only 3; lower train\.accumulate"
    for data in ([1, 2, 3], iter([1, 2, 3])):
        batches = endless(data, at_least=4)
        assert list(islice(batches, 3)) == [1, 2, 3]
        with pytest.raises(DataError, match=words):
            next(batches)
    assert list(islice(endless([1, 2, 3], at_least=3), 7)) == [1, 2, 3, 1, 2, 3, 1]
    with pytest.raises(DataError, match="got none"):
        next(endless([], at_least=4))


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("samples", [24, 25, 47])
def test_the_shares_of_all_processes_are_the_batches_of_one_that_takes_as_much(samples: int, ranks: int) -> None:
    order = torch.randperm(samples)
    shares = [Share(rank, ranks, ranks).of(order, 4) for rank in range(ranks)]
    whole = Share().of(order, 4 * ranks)
    simulated = Share(world=ranks).of(order, 4)
    assert simulated.tolist() == whole.tolist() == order[: samples // (4 * ranks) * 4 * ranks].tolist()
    assert {len(share) for share in shares} == {len(whole) // ranks}
    for step in range(len(whole) // (4 * ranks)):
        together = torch.cat([share[4 * step : 4 * step + 4] for share in shares])
        assert set(together.tolist()) == set(whole[4 * ranks * step :][: 4 * ranks].tolist())
    assert [list(Share(1, ranks, ranks).of(range(samples), 4))[:2]] == [[1, 1 + ranks]]


def test_a_batch_shrinks_where_the_data_makes_none_for_every_process() -> None:
    assert Share(world=3).batch_size(8, samples=23) == 7
    assert Share(world=3).batch_size(8, samples=24) == 8
    with pytest.raises(DataError, match="expected a sample for each of 3 processes, got 2"):
        Share(world=3).batch_size(8, samples=2)
