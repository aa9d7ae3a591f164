"""The columns of a recorded curve, found by what their names mean, and the lines that a training prints."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lrfind.errors import Fault, MisfitError, did_you_mean

_LR_NAMES = ("lr", "lrs", "learning_rate", "learning_rates")
_LOSS_NAMES = (
    *("loss", "losses", "train_loss", "training_loss", "loss_train", "loss_step", "train_loss_step"),
    *("batch_loss", "train_batch_loss", "raw_loss"),
)
_STEP_NAMES = ("step", "global_step", "trainer_global_step", "train_global_step", "iteration", "iter", "num_updates")
_OTHER_WORDS = {"val", "valid", "validation", "eval", "evaluation", "test", "dev", "min", "max", "momentum", "decay"}
"""Words in the names of columns that are no losses of a training, and no learning rates."""
_PAIR = re.compile(
    r"""['"]?(?P<name>[a-z_][\w/.-]*(?:\ (?:rate|loss|step))?)['"]?(?:\s*[:=]\s*|\s+)['"]?
    (?P<value>[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?\b|nan\b|inf\b)""",
    re.IGNORECASE | re.VERBOSE,
)
"""A name and its number in a line that a training prints: `lr: 1e-5`, `'loss': 2.3`, `loss=2.3`, `loss 2.3`."""


@dataclass(frozen=True)
class Chosen:
    """The columns that the user names; None leaves one to its meaning."""

    lr: str | None = None
    loss: str | None = None


NONE_CHOSEN = Chosen()


def find_columns(names: Sequence[Any], chosen: Chosen = NONE_CHOSEN) -> list[str]:
    """Return the names of the columns of learning rates and losses, and of steps, if there is one.

    Raises:
        MisfitError: One is missing, or several may be meant; the message names them all.
    """
    names = list(map(str, names))
    lr = _find(names, chosen.lr, _LR_NAMES, lambda words: "lr" in words or {"learning", "rate"} <= words, "lr")
    loss = _find(names, chosen.loss, _LOSS_NAMES, lambda words: "loss" in words or "losses" in words, "loss")
    if lr is None or loss is None:
        missing = " and ".join(name for name, column in (("lr", lr), ("loss", loss)) if column is None)
        got = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
        expected, got = "a record of lrfind, or columns lr and loss", f"no {missing} among {got or 'none'}"
        fix = "name them with $lr_column and $loss_column"
        if lr is None:
            fix += ", or the file of the learning rates, if they have their own, with $lr_file"
        raise MisfitError(Fault(expected=expected, got=got, fix=fix))
    steps = [name for step in _STEP_NAMES for name in names if _plain(name) == step]
    return [lr, loss, *steps[:1]]


def _find(
    names: Sequence[str], chosen: str | None, usual: Sequence[str], means: Callable[[set[str]], bool], kind: str
) -> str | None:
    if chosen is not None:
        if chosen in names:
            return chosen
        fix = did_you_mean(chosen, names, f"there are: {', '.join(names)}")
        raise MisfitError(Fault(f"{kind}_column", expected="a column of the file", got=repr(chosen), fix=fix))
    found = next(([name for name in names if _plain(name) == each] for each in usual if each in map(_plain, names)), [])
    if not found:
        found = [name for name in names if means(words := set(_plain(name).split("_"))) and not words & _OTHER_WORDS]
        found = [name for name in found if "train" in _plain(name).split("_")] or found
    if len(found) > 1:
        fix = f"say which with ${kind}_column"
        raise MisfitError(Fault(expected=f"one column of {kind}", got=", ".join(map(repr, found)), fix=fix))
    return found[0] if found else None


def _plain(name: str) -> str:
    """Return a name in plain words, without the run that exports of W&B put before it: `run - train/loss`."""
    return re.sub(r"[^a-z0-9]+", "_", name.rpartition(" - ")[2].lower()).strip("_")


def series(rows: Sequence[Mapping[str, Any]], chosen: str | None) -> dict[str, Any]:
    """Return the one value of each step in rows that have a step, as TensorBoard exports a single metric.

    Raises:
        MisfitError: There is no column of steps, or not one of values.
    """
    names = list(rows[0]) if rows else []
    step = next((name for each in _STEP_NAMES for name in names if _plain(name) == each), None)
    words = {name: set(_plain(name).split("_")) for name in names}
    beside = {"time", "timestamp", "runtime", *_OTHER_WORDS}
    values = [name for name in names if name != step and not words[name] & beside]
    if chosen is not None or len(values) > 1:
        values = [name for name in values if name == chosen] if chosen else [n for n in values if _plain(n) == "value"]
    if step is None or len(values) != 1:
        expected = "a column of steps and one of values"
        raise MisfitError(Fault(expected=expected, got=", ".join(map(repr, names)) or "none"))
    return {str(row[step]).strip(): row[values[0]] for row in rows if row.get(values[0]) not in (None, "")}


def printed_rows(text: str, chosen: Chosen = NONE_CHOSEN) -> list[dict[str, str]]:
    """Return the lines of a log that tell a learning rate and a loss, as Trainers and progress bars print them."""
    rows = ({pair["name"]: pair["value"] for pair in _PAIR.finditer(line)} for line in re.split(r"[\r\n]+", text))
    return [row for row in rows if _is_complete(row, chosen)]


def _is_complete(row: Mapping[str, str], chosen: Chosen) -> bool:
    try:
        find_columns(list(row), chosen)
    except MisfitError:
        return False
    return True
