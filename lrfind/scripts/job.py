"""What a process that runs a script is told: the script, and what to do with its learning rate. No torch."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lrfind.errors import ConfigError, Fault

PAGE = "scripts.md"
"""The page that helps with the faults of scripts."""


@dataclass(frozen=True)
class Script:
    """A training script, as a command line of Python names it.

    Attributes:
        target: The path of a file, or the dotted name of a module.
        args: What stands behind it on the command line.
        is_module: Whether `target` is a module, as of `python -m`.
    """

    target: str
    args: tuple[str, ...] = ()
    is_module: bool = False

    @property
    def name(self) -> str:
        """The script in messages and titles: the name of the file, or the module."""
        return self.target if self.is_module else Path(self.target).name

    @property
    def stem(self) -> str:
        """The name of what is written about it, without suffixes."""
        return self.target.rpartition(".")[2] if self.is_module else Path(self.target).stem

    @property
    def source(self) -> str:
        """The script and its arguments, as a shell takes them behind `python`."""
        return shlex.join([*(["-m"] if self.is_module else []), self.target, *self.args])

    def command(self, args: Sequence[str] | None = None) -> str:
        """Return the line that runs it with Python, with these arguments or its own."""
        return f"python {Script(self.target, tuple(self.args if args is None else args), self.is_module).source}"


def read_source(source: str) -> Script | None:
    """Return the script that `Script.source` was made from; None if that names another thing."""
    try:
        parts = shlex.split(source)
    except ValueError:
        return None
    if parts[:1] == ["-m"] and len(parts) > 1:
        return Script(parts[1], tuple(parts[2:]), is_module=True)
    return Script(parts[0], tuple(parts[1:])) if parts and parts[0].endswith(".py") else None


def check_script(script: Script) -> None:
    """Check that there is a Python file to run.

    Raises:
        ConfigError: The file is missing, is no Python file, or does not compile.
    """
    if script.is_module:
        return
    path = Path(script.target)
    fault = None
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no such file"
        fault = Fault("SCRIPT", expected="a Python file", got=got, fix="check the path; -m runs a module", docs=PAGE)
    else:
        try:
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            where = f"line {error.lineno}: " if isinstance(error, SyntaxError) and error.lineno else ""
            fault = Fault(
                problem=f"{where}{getattr(error, 'msg', error)}", fix="python cannot run it either", docs=PAGE
            )
        except OSError as error:
            fault = Fault(problem=f"cannot be read: {error.strerror}")
    if fault:
        raise ConfigError(script.target, [fault])


LOOK_UPDATES = 2
"""Updates of a look at held-out samples, each of other ones: what both of them show is hardly chance. Data that a probe
goes through again has few more to spare, and each costs an update."""


@dataclass(frozen=True)
class HeldOut:
    """What a training holds out, and when it looks at the loss on that.

    Attributes:
        loader: Number of the DataLoader whose samples are held out, from 0 in the order in which they are used.
        batches: Batches of an update.
        at: Recorded updates before each look.
    """

    loader: int
    batches: int
    at: tuple[int, ...]


@dataclass(frozen=True)
class Job:
    """One run of a script.

    Attributes:
        script: What is run.
        task: `train` records the losses at the learning rates `lrs`; `apply` trains to the end at `lr`.
        seed: Of everything that is drawn at random, unless the script seeds itself.
        lrs: Learning rate of each recorded update, shape `(n,)`.
        warmup: Learning rates of the updates before them.
        lr: What `apply` sets.
        optimizer: Name or number of the optimizer whose learning rate is set; None means all.
        loss: Name of the loss that is recorded, if an update has several; None takes their sum.
        stops: Whether a loss that blows up ends the training.
        decides: Whether the process itself ends then; if not, who reads its losses does.
        describes: Whether to say what is trained, which takes a moment.
        measures: Whether to measure the size of the updates of its optimizer.
        held_out: What to hold out of the training; None trains on all data.
        reports: The end of the pipe to tell what is measured; None for `apply`.
    """

    script: Script
    task: Literal["train", "apply"] = "train"
    seed: int = 0
    lrs: tuple[float, ...] = ()
    warmup: tuple[float, ...] = ()
    lr: float | None = None
    optimizer: str | None = None
    loss: str | None = None
    stops: bool = True
    decides: bool = True
    describes: bool = True
    measures: bool = True
    held_out: HeldOut | None = None
    reports: int | None = None

    def to_json(self) -> str:
        """Return the job as a line of JSON."""
        return json.dumps(asdict(self))


JOB = "LRFIND_JOB"
"""The variable of the environment that holds the job of a process."""
SERVE = "serve"
"""Its value for the process that starts the others."""


def read_job(text: str, reports: int | None = None) -> Job:
    """Return the job of a line of JSON, with the number that the end of its pipe has here."""
    document: dict[str, Any] = json.loads(text)
    script = document["script"]
    document["script"] = Script(script["target"], tuple(script["args"]), script["is_module"])
    for name in ("lrs", "warmup"):
        document[name] = tuple(document[name])
    if held_out := document["held_out"]:
        document["held_out"] = HeldOut(held_out["loader"], held_out["batches"], tuple(held_out["at"]))
    return Job(**{**document, "reports": reports})
