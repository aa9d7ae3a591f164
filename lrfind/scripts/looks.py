"""The loss of a script on samples that it does not train on, by its own loop.

The samples are held out of its DataLoader. At a look that hands out batches of them in place of its own, and the
updates made of these change nothing.
"""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from typing import Any

import torch
from torch.utils.data import DataLoader

from lrfind.scripts.job import LOOK_UPDATES, HeldOut
from lrfind.scripts.losses import Loss
from lrfind.scripts.report import told_losses
from lrfind.training.held_out import split
from lrfind.training.rng import keep_rng


def held_out_samples(samples: Sequence[int], batch_size: int, batches: int, seed: int) -> list[list[int]]:
    """Return the samples of each batch of a look; none if the training can spare none.

    They are as many as of a config. Where those of an update do not fill its batches, they come again and again, so
    that the loss has the size that the script expects.

    Args:
        samples: Indices of those that an epoch draws from.
        batch_size: Samples of a batch.
        batches: Batches of an update.
        seed: Decides which ones.
    """
    size = batch_size * batches
    parts = split(samples, size, seed)
    if parts is None:
        return []
    held_out = [samples[place] for place in parts[1]]
    share = min(size, len(held_out) // LOOK_UPDATES)
    updates = (held_out[first : first + share] for first in range(0, LOOK_UPDATES * share, share))
    filled = [index for update in updates for index in islice(cycle(update), size)]
    return [filled[first : first + batch_size] for first in range(0, len(filled), batch_size)]


class Looks:
    """Holds samples out of a training, and takes the losses on them.

    Attributes:
        failed: Whether it has given up, because the batches could not be followed or made.
    """

    def __init__(self, wanted: HeldOut, warmup: int, seed: int) -> None:
        """Make it.

        Args:
            wanted: What to hold out, and when to look at it.
            warmup: Updates before those that are recorded.
            seed: Decides which samples.
        """
        self.failed = False
        self._wanted, self._warmup, self._seed = wanted, warmup, seed
        self._batches: list[Any] = []
        self._sampler: _Substituting | None = None
        self._at: list[int] = []
        self._losses: list[Loss] = []
        self._counts = False
        """Whether the update that has ended last is one of a look."""
        self.restart()

    def restart(self) -> None:
        """Begin anew: what was handed out so far does not go into an update."""
        self._due = deque(self._warmup + at for at in self._wanted.at)
        self._look: deque[Any] = deque()
        """The batches of this look that are to be handed out."""
        self._planned = 0
        """Updates whose batches have been handed out, without those of looks."""
        self._position = 0
        """Batches of the next update that have been handed out."""
        self._holding = False

    def fail(self) -> None:
        """Give up: losses that may be of other batches say nothing."""
        self.failed = True

    @property
    def over(self) -> bool:
        """Whether no look is to come."""
        return self.failed or len(self._losses) == LOOK_UPDATES * len(self._wanted.at)

    # Batches

    def feeds(self, number: int) -> bool:
        """Tell whether it is this DataLoader that samples are held out of."""
        return number == self._wanted.loader and not self.failed

    def iterate(self, samples: Sequence[int] | None, loader: Any, iterate: Callable[[Any], Any]) -> Any:
        """Return an iterator of the DataLoader that draws no held-out samples.

        Args:
            samples: Indices of those that an epoch draws from.
            loader: The DataLoader.
            iterate: Makes its iterator.
        """
        if self._sampler is None:
            self._hold_out(samples or (), loader, iterate)
        if self._sampler is None:
            self.fail()
            return iterate(loader)
        self._sampler.sampler = own = loader.batch_sampler
        vars(loader)["batch_sampler"] = self._sampler  # a DataLoader refuses a plain assignment
        try:
            return iterate(loader)
        finally:
            vars(loader)["batch_sampler"] = own

    def _hold_out(self, samples: Sequence[int], loader: Any, iterate: Callable[[Any], Any]) -> None:
        """Make the held-out batches, in a worker if the loader has workers: data sets may open files there alone."""
        size = loader.batch_sampler.batch_size
        indices = held_out_samples(samples, size, self._wanted.batches, self._seed)
        reader: DataLoader[Any] = DataLoader(
            loader.dataset,
            batch_sampler=indices,
            collate_fn=loader.collate_fn,
            num_workers=min(1, loader.num_workers),
            worker_init_fn=loader.worker_init_fn,
            multiprocessing_context=loader.multiprocessing_context,
            generator=torch.Generator().manual_seed(self._seed),
        )
        put_back_rng = keep_rng()  # samples may be augmented at random
        try:
            self._batches = list(iterate(reader))
        except Exception:  # a data set whose indices are others
            return
        finally:
            put_back_rng()
        if not indices:
            return
        held_out = {index for batch in indices for index in batch}
        kept = [index for index in samples if index not in held_out]
        self._sampler = _Substituting(loader.batch_sampler, held_out, kept, random.Random(self._seed))

    def hand_out(self, batch: Any) -> tuple[bool, Any]:
        """Return whether a held-out batch is due, and what to hand out instead of a batch of the loader."""
        if self._position == 0:
            if self._due and self._planned == self._due[0]:
                self._due.popleft()
                self._look.extend(self._batches)
            self._holding = bool(self._look)
            self._planned += not self._holding
        self._position = (self._position + 1) % self._wanted.batches
        if not self._holding:
            return False, batch
        return True, copy.deepcopy(self._look.popleft())  # the script may change what it is given

    # Updates

    def step(self, used: Sequence[bool]) -> None:
        """Note which batches of an update that has ended were held out."""
        self._counts = any(used)
        if self._counts and not all(used):
            self.fail()

    def skip(self) -> None:
        """Note that an update was skipped: another one takes its place before the next look."""
        self._planned -= 1

    def take(self, loss: Loss, updates: int, *, last: bool) -> bool:
        """Take the loss of the update that has ended, if it is one of a look; return whether it does not count.

        Args:
            loss: Of the update.
            updates: Those before it, without those of looks.
            last: Whether those are all, so that only a look may follow.
        """
        if self._counts:
            if len(self._losses) % LOOK_UPDATES == 0:
                self._at.append(updates - self._warmup)
            self._losses.append(loss)
        elif last:
            self.fail()
        return self._counts or last

    def told(self) -> dict[str, Any]:
        """Return the updates before each look that was finished, and its losses; none if it has given up."""
        count = 0 if self.failed else len(self._losses) // LOOK_UPDATES
        losses = told_losses([float(loss) for loss in self._losses[: LOOK_UPDATES * count]])  # waits for the device
        looks = [losses[LOOK_UPDATES * look :][:LOOK_UPDATES] for look in range(count)]
        return {"held_out_steps": self._at[:count], "held_out": looks}


class _Substituting:
    """A sampler of batches in which other samples stand in place of the held-out ones.

    So batches stay full, and an epoch as long as the script takes it to be.
    """

    def __init__(self, sampler: Any, held_out: set[int], kept: Sequence[int], generator: random.Random) -> None:
        self.sampler = sampler
        self._held_out, self._kept, self._generator = held_out, kept, generator

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.sampler:
            yield [self._generator.choice(self._kept) if int(index) in self._held_out else index for index in batch]
