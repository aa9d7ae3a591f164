"""Curves that another tool recorded: JSON or a table of learning rates and losses -> `Sweep`."""

from __future__ import annotations

import csv
import math
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lrfind.errors import Fault, RecordError, short
from lrfind.records.read import Content
from lrfind.records.types import StopReason, Sweep, not_rising

Tool = Literal["torch-lr-finder", "ignite", "lightning"]
"""A finder whose history holds a running average of the losses, by its own default."""

MOST_POINTS = 2000
"""More losses than this are averaged by twos, threes, ...: a learning rate that is read from them stays the same, and
smoothing takes memory by their square."""

SMOOTHING: Mapping[Tool, float] = {"torch-lr-finder": 0.95, "ignite": 0.95, "lightning": 0.98}
"""What each tool keeps of its average at each step; Lightning corrects it for its start at 0, as Adam does."""

_LR_NAMES = ("lr", "lrs", "learning_rate", "learning_rates")
_LOSS_NAMES = (
    *("loss", "losses", "train_loss", "training_loss", "loss_train", "loss_step", "train_loss_step"),
    *("batch_loss", "train_batch_loss", "raw_loss"),
)
_BEGINS = 5
"""Losses that make up the level at the start."""


@dataclass(frozen=True)
class _Columns:
    """The two columns of a history, as numbers; NaN for a loss that is not finite."""

    lrs: list[float]
    losses: list[float]


def to_sweep(content: Content, source: str, tool: Tool | None = None, *, after_update: bool = False) -> Sweep:
    """Return the curve that a file holds.

    Args:
        content: Parsed JSON, or the text of a table with one row per learning rate.
        source: Name of the file, for error messages.
        tool: The finder that wrote it, whose running average of the losses is undone; None for raw losses.
        after_update: Whether the loss beside a learning rate was measured after the update at it, as on held-out
            data; if not, before it, as the loss of a training step is.

    Raises:
        RecordError: It holds no such curve.
    """
    columns = _checked(_columns(content, source), source)
    if tool is not None:
        columns = _Columns(columns.lrs, _raw(columns.losses, tool))
    columns = _thinned(_until_not_finite(columns))
    if after_update:
        columns = _shifted(columns)
    return Sweep(0, tuple(columns.lrs), tuple(columns.losses), _stop_reason(columns.losses))


def _columns(content: Content, source: str) -> _Columns:
    if isinstance(content, str):
        return _from_table(content, source)
    return _from_lists(content, source) if isinstance(content, Mapping) else _from_rows(content, source)


def _from_lists(document: Mapping[str, Any], source: str) -> _Columns:
    """Read a JSON object of two lists."""
    lr, loss = _names(list(document), source)
    lists = document[lr], document[loss]
    if not all(isinstance(values, list) for values in lists):
        fault = Fault(f"{lr}, {loss}", expected="a list of numbers each", got="one value")
        raise RecordError(fault, source=source)
    if len(lists[0]) != len(lists[1]):
        got = f"{len(lists[0])} of {lr} and {len(lists[1])} of {loss}"
        raise RecordError(Fault(expected="as many learning rates as losses", got=got), source=source)
    return _numbers(zip(*lists, strict=True), source, lambda index: f"entry {index}")


def _from_rows(rows: Any, source: str) -> _Columns:
    """Read a JSON list of objects, or of pairs."""
    if isinstance(rows, list) and rows and all(isinstance(row, Mapping) for row in rows):
        lr, loss = _names(list(dict.fromkeys(key for row in rows for key in row)), source)
        pairs = [(row[lr], row[loss]) for row in rows if lr in row and loss in row]
        return _numbers(pairs, source, lambda index: f"entry {index}")
    if isinstance(rows, list) and rows and all(isinstance(row, list) and len(row) == 2 for row in rows):
        return _numbers(rows, source, lambda index: f"entry {index}")
    expected = 'a record of lrfind, or {"lr": [...], "loss": [...]}'
    fix = "name the record, CONFIG.lrfind.json"
    raise RecordError(Fault(expected=expected, got="other JSON", fix=fix), source=source)


def _from_table(text: str, source: str) -> _Columns:
    if not text.strip():
        expected, fix = "a record or a table of lr and loss", "run again what was to fill it"
        raise RecordError(Fault(expected=expected, got="an empty file", fix=fix), source=source)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise RecordError(Fault(expected="a table of lr and loss", got="comments alone"), source=source)
    delimiter = max(",;\t|", key=lines[0].count)
    if delimiter not in lines[0]:
        rows = [line.split() for line in lines]
    else:
        try:
            rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
        except csv.Error as error:
            fault = Fault(expected="a table of lr and loss", got=f"a fault in it: {error}")
            raise RecordError(fault, source=source) from error
    comma = "," if delimiter == "," and delimiter in lines[0] else "."
    cells = [[cell.strip() if comma == "," else cell.strip().replace(",", ".") for cell in row] for row in rows]
    if len(cells[0]) == 2 and all(map(_is_number, cells[0])):
        return _numbers(cells, source, lambda index: f"row {index + 1}")
    lr, loss = (cells[0].index(name) for name in _names(cells[0], source))
    # A logger may write the two in rows of their own; a row that lacks one of them is no point of the curve.
    points = [row for row in cells[1:] if len(row) > max(lr, loss) and row[lr] and row[loss]]
    return _numbers(((row[lr], row[loss]) for row in points), source, lambda index: f"row {index + 1} of the numbers")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _names(names: Sequence[Any], source: str) -> tuple[str, str]:
    """Return the names of the columns of learning rates and losses."""
    plain = {re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_"): str(name) for name in reversed(names)}
    lr = next((plain[name] for name in _LR_NAMES if name in plain), None)
    lr = lr or next((plain[name] for name in plain if name.startswith("lr_")), None)  # such as lr-Adam
    loss = next((plain[name] for name in _LOSS_NAMES if name in plain), None)
    if lr is None or loss is None:
        missing = " and ".join(name for name, found in (("lr", lr), ("loss", loss)) if found is None)
        got = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
        expected, got = "a record of lrfind, or columns lr and loss", f"no {missing} among {got or 'none'}"
        fix = "rename the columns, or name the record, CONFIG.lrfind.json"
        raise RecordError(Fault(expected=expected, got=got, fix=fix), source=source)
    return lr, loss


def _numbers(pairs: Iterable[Sequence[Any]], source: str, place: Callable[[int], str]) -> _Columns:
    """Return pairs of a learning rate and a loss as numbers; a loss of null is one that is not finite."""
    lrs, losses = [], []
    for index, (lr, loss) in enumerate(pairs):
        try:
            lrs.append(float(lr))
            losses.append(math.nan if loss is None else float(loss))
        except (TypeError, ValueError, OverflowError):
            got = f"lr={short(lr)} and loss={short(loss)}"
            raise RecordError(Fault(place(index), expected="two numbers", got=got), source=source) from None
    return _Columns(lrs, losses)


def _checked(columns: _Columns, source: str) -> _Columns:
    """Return the columns if they can be the curve of a sweep."""
    if len(columns.lrs) < 2:
        raise RecordError(Fault(expected="rows of lr and loss", got=f"{len(columns.lrs)} of them"), source=source)
    if fault := not_rising(columns.lrs):
        raise RecordError(fault, source=source)
    return columns


def _raw(losses: Sequence[float], tool: Tool) -> list[float]:
    """Return the losses whose running average `losses` is: `a_i = k a_(i-1) + (1 - k) l_i`, solved for `l_i`."""
    keep = SMOOTHING[tool]
    averages = list(losses)
    if tool == "lightning":  # a_i / (1 - k^(i + 1)) was written, with a_(-1) = 0
        averages = [loss * (1 - keep ** (index + 1)) for index, loss in enumerate(losses)]
    before = [0.0 if tool == "lightning" else averages[0], *averages]
    return [(after - keep * last) / (1 - keep) for last, after in zip(before, averages, strict=False)]


def _until_not_finite(columns: _Columns) -> _Columns:
    """Return the columns up to the first loss that is not finite, which is what ends a sweep.

    One whose square is not finite counts as one of them: it cannot be told from an explosion, nor be computed with.
    """
    losses = [loss if math.isfinite(loss * loss) else math.nan for loss in columns.losses]
    end = next((index + 1 for index, loss in enumerate(losses) if math.isnan(loss)), len(losses))
    return _Columns(columns.lrs[:end], losses[:end])


def _thinned(columns: _Columns) -> _Columns:
    size = math.ceil(len(columns.lrs) / MOST_POINTS)
    if size == 1:
        return columns
    starts = range(0, len(columns.lrs), size)
    lrs = (columns.lrs[start : start + size] for start in starts)
    losses = (columns.losses[start : start + size] for start in starts)
    return _Columns(
        [math.exp(statistics.fmean(map(math.log, part))) for part in lrs],
        [statistics.fmean(part) for part in losses],
    )


def _shifted(columns: _Columns) -> _Columns:
    """Return the columns with each loss one step later, where a loss that is measured before an update stands.

    The loss before the first update is not known; that after it, at the lowest learning rate, is next to it.
    """
    step = columns.lrs[-1] / columns.lrs[-2] if len(columns.lrs) > 1 else 1.0
    return _Columns([*columns.lrs, columns.lrs[-1] * step], [columns.losses[0], *columns.losses])


def _stop_reason(losses: Sequence[float]) -> StopReason:
    """Return how a curve ends, as far as it shows: by a rise of three times the descent before, it blew up."""
    if not math.isfinite(losses[-1]):
        return StopReason.NON_FINITE
    start = statistics.median(losses[:_BEGINS])
    descent = start - min(losses)
    return StopReason.DIVERGED if descent > 0 and losses[-1] > start + 3 * descent else StopReason.COMPLETED
