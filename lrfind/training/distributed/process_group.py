"""Several processes that train together under torchrun: how they meet, share an update, and part.

All of them run the same sweeps and probes, as these depend on the losses, which are averaged over the processes. If
one process meets a fault or the end of its data, it writes that to the store that all of them share; the others look
there when their next exchange with it fails.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from lrfind.errors import (
    ConfigError,
    ExitCode,
    Fault,
    LrfindError,
    MisfitError,
    UserCodeError,
    first_line,
    interrupts,
    user_code,
)
from lrfind.training.distributed.launch import Launch
from lrfind.training.distributed.sharding import StepModule, shard, through_forward
from lrfind.training.minibatches import Share
from lrfind.training.rng import seed_everything
from lrfind.training.step import Step

Kind = Literal["ddp", "fsdp"]
T = TypeVar("T")

MEET = timedelta(minutes=2)
"""Longest wait for all processes at the start, when torchrun has started every one of them already."""
TIMEOUT = timedelta(minutes=10)
"""Longest wait for the others in an exchange, as one may download its data or compile its model. The death of a
process is noticed at once."""
GRACE_SECONDS = 5.0
"""Longest wait for an entry of another process, which may have left already."""
LOST = re.compile(r"\bgloo\b|NCCL|DistBackendError|DistNetworkError|DistStoreError", re.IGNORECASE)
"""Matches the messages of the libraries when an exchange between processes fails."""
FAULT, ENDED, EXIT, SEEN = "fault", "ended", "exit", "seen"
"""Keys of the store: the first fault, who ran out of data, the exit code of the first process, how many read it."""


@dataclass
class ProcessGroup:
    """The processes of one training, from the view of one of them.

    Attributes:
        kind: Whether each holds the whole model or a shard of it.
        launch: The rank of this process, and the number of all.
        device: The device of this process.
        store: Shared by all of them, for reading and writing.
        left: Whether this process has left the common sweeps.
    """

    kind: Kind
    launch: Launch
    device: torch.device
    store: Store
    find_unused: bool = False
    joined: ClassVar[ProcessGroup | None] = None
    """The group of this process: torch.distributed has one, and all seeds of a run share it."""
    left: bool = field(default=False, init=False)

    @property
    def share(self) -> Share:
        """The part of the data that this process reads."""
        return Share(self.launch.rank, self.launch.size, self.launch.size)

    def prepare(self, model: nn.Module) -> StepModule:
        """Return `model` as it is trained, before its optimizer is built; FSDP gives it other parameters."""
        module = StepModule(model)
        if self.kind == "fsdp":
            with user_code("sharding the model", lambda: ("parallel=ddp shards nothing",), key="parallel"):
                shard(module, self.device, self.launch.size)
        return module

    def join(self, module: StepModule, step: Step, seed: int) -> tuple[nn.Module, Step]:
        """Return the module to train, which holds model and step, and the step that calls it.

        After this, the processes draw different random numbers, for example for dropout.
        """
        module.set_step(step)
        if rank := self.launch.rank:
            seed_everything((seed + rank) % 2**32)
        if self.kind == "fsdp":
            return module, through_forward
        with user_code("DistributedDataParallel", key="parallel"):
            model = nn.parallel.DistributedDataParallel(module, find_unused_parameters=self.find_unused)
        return model, through_forward

    def sync_gradients(self, model: nn.Module, wanted: bool) -> None:
        """Average the gradients of the next backward pass over the processes, or only accumulate them."""
        if isinstance(model, nn.parallel.DistributedDataParallel):
            model.require_backward_grad_sync = wanted  # what its no_sync() sets
        else:
            model.set_requires_gradient_sync(wanted)  # type: ignore[operator]

    def mean(self, loss: Tensor) -> Callable[[], Tensor]:
        """Start to average a loss over the processes; the returned call finishes it, without a wait of the host."""
        shared = loss.to(torch.promote_types(loss.dtype, torch.float32), copy=True).div_(self.launch.size)
        work = dist.all_reduce(shared, async_op=True)

        def average() -> Tensor:
            work.wait()
            return shared

        return average

    def agree_on_overflow(self, overflows: list[Tensor]) -> None:
        """Make an overflow in any process one of all processes, as each sees only its own shards."""
        if self.kind == "fsdp":
            for one in overflows:
                dist.all_reduce(one, dist.ReduceOp.MAX)

    @contextlib.contextmanager
    def in_turn(self, node: Any) -> Iterator[None]:
        """Let the first process of each machine build a node first if that downloads files to a shared place."""
        key = f"built/{os.environ.get('GROUP_RANK', '0')}"
        waits = _downloads(node) and self.launch.local_rank > 0
        while waits and not self.store.check([key]) and not self.fault():
            time.sleep(0.05)
        yield
        if self.launch.local_rank == 0:
            self.store.set(key, "")

    @contextlib.contextmanager
    def faults_settled(self) -> Iterator[None]:
        """Settle with the other processes which of them reports a fault of the enclosed code."""
        try:
            yield
        except LrfindError as error:
            settled = self._settle(error)
            if settled is error:
                raise
            raise settled from error

    def out_of_data(self) -> None:
        """Tell the others that this process has no data left, so that they do not wait for it."""
        self._leave()
        with contextlib.suppress(dist.DistError):
            self.store.compare_set(ENDED, "", f"the data of rank {self.launch.rank} ended before that of the others")

    def exit_code(self, code: int) -> int:
        """Return the exit code of the first process; the others wait for it, as torchrun ends all when one fails.

        Args:
            code: What this process would exit with.
        """
        _on_terminate(lambda *_: interrupts.leave(code))
        with contextlib.suppress(dist.DistError):
            if self.launch.rank == 0:
                self.store.set(EXIT, str(code))
                if not self.left and code != ExitCode.INTERRUPTED:
                    self._wait(lambda: self.store.add(SEEN, 0) == self.launch.size - 1, GRACE_SECONDS)
            elif code not in (ExitCode.FAILED, ExitCode.INTERRUPTED):
                seconds = GRACE_SECONDS if self.left else TIMEOUT.total_seconds()
                code = int(self._wait(lambda: self._word(EXIT), seconds) or code)
                self.store.add(SEEN, 1)
        return code

    def _settle(self, error: LrfindError) -> LrfindError:
        """Return the error to raise for `error`: itself, or that of the process that caused it."""
        self._leave()
        if LOST.search(str(error)) or isinstance(error.__cause__, KeyboardInterrupt):
            said = self._wait(lambda: self.fault() or self._word(ENDED), GRACE_SECONDS / 2)
            lost = UserCodeError(said) if said else _peer_lost(first_line(error))
            lost.partial = error.partial
            error = lost
        elif not isinstance(error, ConfigError):  # all processes raise the same ConfigError
            error.where = (f"rank {self.launch.rank}", *error.where)
        error.told = not self._claim(str(error))
        return error

    def _claim(self, message: str) -> bool:
        """Write a fault to the store unless it has one; tell whether this one was written."""
        mine = f"{self.launch.rank} {message}"
        with contextlib.suppress(dist.DistError):
            return bool(self.store.compare_set(FAULT, "", mine).decode() == mine)
        return False  # the store has gone, and with it the first process, whose end torchrun reports

    def fault(self) -> str | None:
        """Return the first fault that any process has met; None if there is none."""
        word = self._word(FAULT)
        return word.partition(" ")[2] if word else None

    def _leave(self) -> None:
        self.left = True
        _on_terminate(signal.SIG_IGN)  # torchrun sends it when a process has failed; the measured losses must be kept

    def _word(self, key: str) -> str | None:
        with contextlib.suppress(dist.DistError):
            return self.store.get(key).decode() if self.store.check([key]) else None
        return None

    def _wait(self, look: Callable[[], T], seconds: float) -> T:
        end = time.monotonic() + seconds
        while not (seen := look()) and time.monotonic() < end:
            time.sleep(0.02)
        return seen


def _peer_lost(said: str) -> UserCodeError:
    problem = (
        "another process of the training has gone (killed, out of memory, os._exit), or did not answer for "
        f"{TIMEOUT.seconds // 60} minutes"
    )
    fault = Fault("parallel", problem=problem, fix="the report of torchrun names the first that failed")
    return UserCodeError(fault, hints=(f"the exchange with it said: {said}",))


def join_process_group(kind: Kind, launch: Launch, device: torch.device, *, find_unused: bool) -> ProcessGroup:
    """Return the processes of this training when all of them have met; all seeds of a run share them.

    Raises:
        MisfitError: They do not find each other.
    """
    if ProcessGroup.joined:
        return ProcessGroup.joined
    address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        store, _, _ = next(rendezvous("env://", launch.rank, launch.size, timeout=MEET))
        store.set_timeout(TIMEOUT)
        dist.init_process_group(
            dist.get_default_backend_for_device(device),
            store=PrefixStore("group", store),
            rank=launch.rank,
            world_size=launch.size,
            timeout=TIMEOUT,
            device_id=None if device.type == "cpu" else device,
        )
    except (dist.DistError, RuntimeError, ValueError, OSError) as error:
        expected = f"WORLD_SIZE={launch.size} processes to meet at MASTER_ADDR:MASTER_PORT={address}"
        fault = Fault("parallel", expected=expected, got=first_line(error), fix="start them with torchrun")
        raise MisfitError(fault) from error
    ProcessGroup.joined = ProcessGroup(kind, launch, device, PrefixStore("lrfind", store), find_unused)
    return ProcessGroup.joined


def _downloads(node: Any) -> bool:
    if isinstance(node, dict):
        return bool(node.get("download")) or any(map(_downloads, node.values()))
    return isinstance(node, list) and any(map(_downloads, node))


def _on_terminate(action: Any) -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, action)
