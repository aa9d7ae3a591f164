"""A script in several processes under torchrun: each process of lrfind runs it once, with the same rank.

The first process leads: it searches, says what is trained next, averages the losses of all, and decides when a training
ends. The others obey until it says that the search is over. They meet at the store of torchrun; the processes of the
script meet at a port of their own, a new one for each training.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, ClassVar

from torch.distributed import DistError
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from lrfind.errors import ConfigError, ExitCode, Fault, first_line, interrupts
from lrfind.scripts.job import Job, read_job
from lrfind.scripts.process import Output, ScriptProcess, become, environment_of
from lrfind.scripts.report import read_losses, told_losses
from lrfind.scripts.runner import OnLoss, Run
from lrfind.training.distributed.launch import Launch
from lrfind.training.distributed.process_group import GRACE_SECONDS, LOST
from lrfind.training.stop_rule import StopRule
from lrfind.training.trace import Trace

MEET = timedelta(minutes=2)
"""Longest wait for all processes at the start, when torchrun has started every one of them already."""
LEAVE_SECONDS = 10.0
"""Longest wait for the others at the end."""
POLL_SECONDS = 0.05


@dataclass
class Ranks:
    """The processes of lrfind that torchrun has started.

    Attributes:
        launch: The place of this process among them.
        store: Shared by all of them, for reading and writing.
        output: Takes what the script prints.
    """

    launch: Launch
    store: Store
    output: Output
    leading: ClassVar[Ranks | None] = None
    """The processes that this one leads; None if it does not."""
    _orders: int = field(default=0, init=False)

    @property
    def size(self) -> int:
        """The number of processes that train together."""
        return self.launch.size

    def run(self, job: Job, on_loss: OnLoss) -> Run:
        """Run a script in all processes until its training ends."""
        port = _free_port()
        job = replace(job, decides=False)
        training = _Training(self, job, on_loss)
        try:
            training.number = self._order(job=job.to_json(), port=port)
            with self.process(job, port) as process:
                training.follow(process)
        except (KeyboardInterrupt, DistError):  # the latter if torchrun was killed, and the store with it
            interrupts.hold()
            training.run.interrupted = True
        with contextlib.suppress(DistError):
            self.store.set(f"stop/{training.number}", "")
        return training.run

    def apply(self, lr: float) -> None:
        """Let the others train with the script at a learning rate, as this process is about to do."""
        self._order(apply=lr)

    def dismiss(self, code: int) -> int:
        """Tell the others that the search is over and with which exit code, and return that.

        The first process to leave with a code other than 0 has torchrun end all.
        """
        with contextlib.suppress(DistError):
            self._order(over=code)
            end = time.monotonic() + LEAVE_SECONDS
            while self.store.add("left", 0) < self.size - 1 and time.monotonic() < end:
                time.sleep(POLL_SECONDS)
        return code

    def _order(self, **order: Any) -> int:
        self._orders += 1
        self.store.set(f"order/{self._orders}", json.dumps(order))
        return self._orders

    def obey(self, job: Job) -> int:
        """Run the script whenever the first process says so, and return the exit code that it ends with.

        Args:
            job: Says which script, for the last order.
        """
        for number in interrupts.END:
            signal.signal(number, signal.default_int_handler)  # so that the script ends with this process
        try:
            while True:
                self._orders += 1
                order = json.loads(self._word(f"order/{self._orders}"))
                if "over" in order:
                    self.store.add("left", 1)
                    return int(order["over"])
                if "apply" in order:
                    become(job.script, order["apply"], job.optimizer)
                self._train(replace(read_job(order["job"]), describes=False), order["port"])
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED
        except DistError:  # the store has gone, and with it the first process, whose end torchrun reports
            return ExitCode.FAILED

    def _train(self, job: Job, port: int) -> None:
        key = f"{self._orders}/{self.launch.rank}"
        run, told = Run(), 0
        with self.process(job, port) as process:
            for message in process.messages():
                if losses := run.take(message):
                    self.store.set(f"losses/{key}/{told}", json.dumps(told_losses(losses)))
                    told += 1
                if run.last or self.store.check([f"stop/{self._orders}"]):
                    break
            else:
                run.exit_code = process.exit_code
            self.store.set(f"end/{key}", json.dumps({"last": run.last, "exit_code": run.exit_code}))
            self._word(f"stop/{self._orders}")
            process.stop()
            process.wait()

    def _word(self, key: str) -> str:
        """Return what stands in the store at a key, once it does."""
        while not self.store.check([key]):
            time.sleep(POLL_SECONDS)
        return self.store.get(key).decode()

    def process(self, job: Job, port: int) -> ScriptProcess:
        """Return a process of the script, with the rank of this one."""
        meeting = {"MASTER_PORT": str(port), "TORCHELASTIC_USE_AGENT_STORE": "False"}
        return ScriptProcess(job, self.output, {**environment_of(job), **meeting})


class _Training:
    """One training in all processes, from the view of the first."""

    def __init__(self, ranks: Ranks, job: Job, on_loss: OnLoss) -> None:
        self.run = Run()
        self.number = 0
        self._ranks = ranks
        rule = StopRule() if job.stops else None
        self._trace = Trace(job.seed, job.lrs, rule, lambda index, lr, loss: on_loss(index, loss))
        self._trace.losses = self.run.losses
        self._arrived: list[list[float]] = [[] for _ in range(ranks.size)]
        self._read = [0] * ranks.size
        self._ends: dict[int, dict[str, Any]] = {}
        self._patience = GRACE_SECONDS

    def follow(self, process: ScriptProcess) -> None:
        """Average the losses of all processes until the training ends."""
        run, started = self.run, time.monotonic()
        for message in process.messages():
            self._arrived[0] += run.take(message)
            if run.trained and run.setup_seconds is None:
                run.setup_seconds = time.monotonic() - started
            if self._over(self._look()):
                break
            interrupts.check()
        if not run.last and not self._trace.stopped:
            self._ends.setdefault(0, {"last": {}, "exit_code": process.exit_code})
        while not self._over(self._look()):
            interrupts.check()
            time.sleep(POLL_SECONDS)
        self._conclude()
        self._ranks.store.set(f"stop/{self.number}", "")
        process.stop()
        process.wait()

    def _look(self) -> bool:
        """Take what has arrived from the others; return whether all processes have told their last."""
        if self.run.last:
            self._ends.setdefault(0, {"last": self.run.last, "exit_code": 0})
        store = self._ranks.store
        for rank in range(1, self._ranks.size):
            key = f"{self.number}/{rank}"
            if rank not in self._ends and store.check([f"end/{key}"]):
                self._ends[rank] = json.loads(store.get(f"end/{key}"))
            while store.check([f"losses/{key}/{self._read[rank]}"]):
                self._arrived[rank] += read_losses(json.loads(store.get(f"losses/{key}/{self._read[rank]}")))
                self._read[rank] += 1
        count = min(map(len, self._arrived))
        self._trace.extend([sum(losses) / len(losses) for losses in zip(*self._arrived, strict=False)])
        for losses in self._arrived:
            del losses[:count]
        return len(self._ends) == self._ranks.size

    def _over(self, all_ended: bool) -> bool:
        """Tell whether nothing more counts: the loss has blown up, a process has failed, or all have ended."""
        failed = self._failed()
        if failed is not None and self._is_lost(failed):  # of another one, which will say why
            self._patience -= POLL_SECONDS
            failed = failed if self._patience < 0 else None
        return all_ended or self._trace.stopped is not None or failed is not None

    def _failed(self) -> int | None:
        """Return the rank whose script has failed, if any; one that failed by itself comes first."""
        failed = [rank for rank, told in self._ends.items() if "end" not in told["last"]]
        return min(failed, key=self._is_lost, default=None)

    def _is_lost(self, rank: int) -> bool:
        """Tell whether the script of a rank has failed because another process has gone."""
        return bool(LOST.search(self._ends[rank]["last"].get("error", {}).get("said", "")))

    def _conclude(self) -> None:
        run = self.run
        if self._trace.stopped:  # what comes after that does not count
            run.last = {"plan": {}, **run.last, "end": self._trace.stopped.value, "updates": len(run.losses)}
        elif (rank := self._failed()) is not None:
            run.rank, run.last, run.exit_code = rank, self._ends[rank]["last"], self._ends[rank]["exit_code"]


def join_ranks(launch: Launch, output: Output, source: str) -> Ranks:
    """Return the processes of lrfind when all of them have met.

    Raises:
        ConfigError: They do not find each other.
    """
    try:
        store, _, _ = next(rendezvous("env://", launch.rank, launch.size, timeout=MEET))
    except (DistError, RuntimeError, ValueError, OSError) as error:
        expected = f"{launch.size} processes that meet at MASTER_ADDR:MASTER_PORT"
        fault = Fault("torchrun", expected=expected, got=first_line(error), fix="start them with torchrun")
        raise ConfigError(source, [fault]) from error
    ranks = Ranks(launch, PrefixStore("lrfind", store), output)
    if launch.rank == 0:
        Ranks.leading = ranks
    return ranks


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("", 0))
        return int(one.getsockname()[1])
