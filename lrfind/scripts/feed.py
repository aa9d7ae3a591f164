"""Which DataLoader feeds a training, and in which order: the batches that were fetched first go backward first."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from torch.utils.data import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
)
from torch.utils.data.dataloader import _BaseDataLoaderIter

from lrfind.scripts.looks import Looks
from lrfind.training.held_out import can_be_split

SETTLES = 5
"""Updates after which as many batches have been fetched ahead of their use as ever will be."""


@dataclass(eq=False)
class Stream:
    """The batches of a DataLoader, which may not outlive the loop over it.

    Attributes:
        number: How many DataLoaders were iterated over before it for the first time.
        batch_size: Samples in a mini-batch, if known.
        length: Mini-batches in an epoch, if known.
        samples: Indices of the samples that an epoch draws from, each of them once at most; None if that is not known.
        waiting: The batches that were fetched and not used yet: whether each is held out.
        exhausted: Whether its iterator has come to its end.
    """

    number: int
    batch_size: int | None = None
    length: int | None = None
    samples: Sequence[int] | None = None
    waiting: deque[bool] = field(default_factory=deque)
    exhausted: bool = False

    def read(self, loader: Any) -> None:
        """Read a DataLoader that is about to be iterated over."""
        sampler = getattr(loader, "batch_sampler", None)
        size = getattr(loader, "batch_size", None) or getattr(sampler, "batch_size", None)
        self.batch_size = size if isinstance(size, int) else None
        try:
            self.length = len(loader)
            self.samples = _drawn_once(loader)
        except Exception:  # of a stream, or of whatever class the script has there
            self.length = self.samples = None


_USED, _STEPPED = Stream(-1), Stream(-2)
"""Notes of a backward pass, and of the end of an update; the other notes are of batches that were fetched."""


@dataclass(eq=False)
class Feed:
    """Follows the batches from their DataLoader to the backward pass that they go into.

    What happens is only noted at first: at the pace of a small update, reading each note at once would slow it down.

    Attributes:
        looks: Takes the losses on held-out batches; None trains on all.
        batches: Batches of an update; None before the first one.
    """

    looks: Looks | None = None
    batches: int | None = None
    _notes: list[Stream] = field(default_factory=list)
    """What has happened since they were read."""
    _regular: bool = True
    """Whether each update has used as many batches as the first, in the order in which its loader handed them out."""
    _feeding: Stream | None = None
    """The loader that feeds the training; None before the first backward pass, or without one."""
    _streams: WeakKeyDictionary[Any, Stream] = field(default_factory=WeakKeyDictionary)
    _last: Stream | None = None
    """The loader that was iterated over or fetched from last."""
    _used: list[bool] = field(default_factory=list)
    """The batches of this update: whether each is held out."""
    _others: int = 0
    """Backward passes before which other loaders were fetched from as well."""
    _uses: int = 0
    _updates: int = 0
    _lead: int = 0
    """Batches that may have been fetched ahead of their use."""
    _since: set[int] = field(default_factory=set)
    """Numbers of the loaders that were fetched from since the last backward pass."""

    # What the script does

    def iterate(self, loader: Any, iterate: Callable[[Any], Any]) -> Any:
        """Return the iterator of a DataLoader."""
        self._read()
        stream = self._last = self._streams.setdefault(loader, Stream(len(self._streams)))
        stream.read(loader)
        if self.looks and self.looks.feeds(stream.number):
            iterator = self.looks.iterate(stream.samples, loader, iterate)
        else:
            iterator = iterate(loader)
        if isinstance(iterator, _BaseDataLoaderIter):  # a subclass may have another one
            vars(iterator)["_lrfind_stream"] = stream
        if self._feeding is None:  # what was read so far was for something else, such as the mean of the inputs
            stream.waiting.clear()
            if self.looks and self.looks.feeds(stream.number):
                self.looks.restart()
        elif stream is self._feeding and stream.waiting and not stream.exhausted:
            self._give_up()  # the loop over the former iterator was left, with batches that are used no more
        stream.exhausted = False
        return iterator

    def follow(self, fetch: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return a function that fetches the next batch of an iterator, or a held-out one in its place."""

        def next_batch(iterator: Any) -> Any:
            stream = vars(iterator).get("_lrfind_stream")
            try:
                batch = fetch(iterator)
            except StopIteration:
                if stream:
                    stream.exhausted = True
                raise
            if stream is None:
                return batch
            if self.looks:
                return self._hand_out(self.looks, stream, batch)
            self._notes.append(stream)
            return batch

        return next_batch

    def _hand_out(self, looks: Looks, stream: Stream, batch: Any) -> Any:
        feeds = self._feeding in (None, stream) and looks.feeds(stream.number)
        held_out, batch = looks.hand_out(batch) if feeds else (False, batch)
        self._note_fetch(stream, held_out)
        return batch

    def use(self) -> None:
        """Note a backward pass: the first batch that waits goes into it."""
        self._notes.append(_USED)
        if self.looks:
            self._read()

    def step(self) -> None:
        """Note the end of an update."""
        self._notes.append(_STEPPED)
        if self.looks:
            self._read()

    def skip(self) -> None:
        """Note that an update was skipped, and will be made with other batches."""
        self._read()
        self._used = []
        if self.looks:
            self.looks.skip()

    # What is read from it

    @property
    def loader(self) -> Stream | None:
        """The DataLoader of the training, or else the last one that was iterated over; None without one."""
        self._read()
        return self._feeding or self._last

    @property
    def known(self) -> bool:
        """Whether the training is fed by one DataLoader alone, whose batches were followed all the way."""
        self._read()
        return self._regular and self._feeding is not None and 2 * self._others <= self._uses

    @property
    def holds_out(self) -> bool:
        """Whether a held-out batch has gone into this update, so that it must change nothing."""
        return self.looks is not None and any(self._used)

    def _read(self) -> None:
        notes, self._notes = self._notes, []
        for note in notes:
            if note is _USED:
                self._note_use()
            elif note is _STEPPED:
                self._note_step()
            else:
                self._note_fetch(note, held_out=False)

    def _note_fetch(self, stream: Stream, held_out: bool) -> None:
        self._last = stream
        self._since.add(stream.number)
        if self._feeding in (None, stream):
            stream.waiting.append(held_out)

    def _note_use(self) -> None:
        stream = self._feeding = self._feeding or self._last
        if stream is None or not stream.waiting:
            self._give_up()
            return
        self._used.append(stream.waiting.popleft())
        self._uses += 1
        self._others += bool(self._since - {stream.number})
        self._since.clear()

    def _note_step(self) -> None:
        used, self._used = self._used, []
        self._updates += 1
        ahead = len(self._feeding.waiting) if self._feeding else 0
        if self._updates <= SETTLES:
            self._lead = max(self._lead, ahead)
        self.batches = self.batches or len(used)
        if ahead > self._lead or len(used) != self.batches:
            self._give_up()
        if self.looks:
            self.looks.step(used)

    def _give_up(self) -> None:
        self._regular = False
        if self.looks:
            self.looks.fail()


def _drawn_once(loader: Any) -> Sequence[int] | None:
    """Return the indices that an epoch of a DataLoader draws from without replacement; None of any other sampler."""
    batches, dataset = loader.batch_sampler, loader.dataset
    if type(batches) is not BatchSampler or not can_be_split(dataset):
        return None
    sampler: Sampler[Any] | Any = batches.sampler
    every = range(len(dataset))
    if isinstance(sampler, RandomSampler) and (sampler.replacement or sampler.num_samples > len(every)):
        return None
    shared = isinstance(sampler, DistributedSampler)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not shared:
        return None  # another process may draw the same
    if isinstance(sampler, SubsetRandomSampler):
        return [int(index) for index in sampler.indices]
    return every if shared or isinstance(sampler, (RandomSampler, SequentialSampler)) else None
