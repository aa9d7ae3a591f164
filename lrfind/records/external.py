"""Curves that another tool recorded: JSON or a table of learning rates and losses -> `Sweep`."""

from __future__ import annotations

import csv
import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from lrfind.errors import Fault, MisfitError, RecordError, short
from lrfind.records.columns import NONE_CHOSEN, Chosen, find_columns, printed_rows, series
from lrfind.records.read import Content
from lrfind.records.types import StopReason, Sweep
from lrfind.records.values import not_rising

Tool = Literal["torch-lr-finder", "ignite", "lightning", "fastai"]
"""A finder whose history holds a running average of the losses, by its own default."""

MOST_POINTS = 2000
"""Longer curves are averaged by twos, threes, ...: the learning rate that is read from them stays the same, and the
memory of smoothing grows with the square of the points."""

SMOOTHING: Mapping[Tool, float] = {"torch-lr-finder": 0.95, "ignite": 0.95, "lightning": 0.98, "fastai": 0.98}
"""What each tool keeps of its average at each step."""
CORRECTED: Mapping[Tool, int] = {"lightning": 2, "fastai": 1}
"""Tools that correct the average for its start at 0, as Adam does, and the step that they count the first one as;
Lightning counts from 1, and adds 1."""

_INSIDE = ("log_history", "history")
"""Keys under which a document of another tool keeps its curve, as `trainer_state.json` of transformers does."""
_BEGINS = 5
"""Losses whose median is the level at the start."""


class _Point(NamedTuple):
    """A row of a curve; `step` is NaN without a number of updates."""

    lr: float
    loss: float
    step: float


def to_sweep(
    content: Content,
    source: str,
    tool: Tool | None = None,
    *,
    after_update: bool = False,
    updates_per_point: float | None = None,
    chosen: Chosen = NONE_CHOSEN,
    rates: Content = None,
) -> Sweep:
    """Return the curve that a file holds.

    Args:
        content: Parsed JSON, or the text of a table with one row per learning rate.
        source: Name of the file, for error messages.
        tool: The finder that wrote it, whose running average of the losses is undone; None for raw losses.
        after_update: Whether the loss beside a learning rate was measured after the update at it, as on held-out
            data; if not, before it, as the loss of a training step is.
        updates_per_point: Updates that each row stands for, such as the batches of an epoch. None takes them from a
            column of steps; a finder makes one.
        chosen: The columns to read, where the user names them.
        rates: Holds the learning rates, if `content` holds the losses of the same steps alone.

    Raises:
        RecordError: It holds no such curve.
    """
    try:
        points = _points(content, chosen, rates)
        lrs, losses = [point.lr for point in points], [point.loss for point in points]
        if len(lrs) < 2:
            raise MisfitError(Fault(expected="rows of lr and loss", got=f"{len(lrs)} of them"))
        if fault := not_rising(lrs):
            raise MisfitError(fault)
    except MisfitError as misfit:
        raise RecordError(misfit.fault, source=source) from misfit
    updates = updates_per_point or (1.0 if tool else _updates(points))
    if tool is not None:
        losses = _raw(losses, tool)
    losses = _until_not_finite(losses)
    size = math.ceil(len(losses) / MOST_POINTS)
    lrs, losses = _thinned(lrs[: len(losses)], losses, size)
    if size > 1:
        updates = size * (updates or 1.0)
    if after_update:
        # Each loss moves one step on, to the update that follows it. The loss before the first update is not known;
        # the nearest to it is the one after it, at the lowest learning rate.
        step = lrs[-1] / lrs[-2] if len(lrs) > 1 else 1.0
        lrs, losses = [*lrs, lrs[-1] * step], [losses[0], *losses]
    return Sweep(0, tuple(lrs), tuple(losses), _stop_reason(losses), updates_per_point=updates)


def _points(content: Content, chosen: Chosen, rates: Content) -> list[_Point]:
    """Return the learning rates and losses in a table, in JSON (two lists, objects, or pairs), or in printed lines."""
    if rates is not None:
        losses, lrs = series(_rows(content), chosen.loss), series(_rows(rates), chosen.lr)
        return _numbers(([lrs[step], losses[step], step] for step in losses if step in lrs), "row {} of the steps")
    content = _inner(content)
    if isinstance(content, str):
        return _of_text(content, chosen)
    if isinstance(content, Mapping):
        return _of_lists(content, chosen)
    if content and isinstance(content, list) and all(isinstance(row, Mapping) for row in content):
        return _of_rows(content, chosen)
    if content and isinstance(content, list) and all(isinstance(row, list) and len(row) == 2 for row in content):
        return _numbers(content, "entry {}", first=0)
    expected = 'a record of lrfind, or {"lr": [...], "loss": [...]}'
    raise MisfitError(Fault(expected=expected, got="other JSON", fix="name the record, CONFIG.lrfind.json"))


def _inner(content: Content) -> Content:
    inside = content if isinstance(content, Mapping) else {}
    return next((inside[key] for key in _INSIDE if isinstance(inside.get(key), (list, Mapping))), content)


def _rows(content: Content) -> list[Mapping[str, Any]]:
    """Return the rows of a table, or of a list of objects, by the names of their columns."""
    content = _inner(content)
    if isinstance(content, str):
        header, *body = _cells(content)
        return [dict(zip(header, row, strict=False)) for row in body]
    return [row for row in content if isinstance(row, Mapping)] if isinstance(content, list) else []


def _of_rows(rows: Sequence[Mapping[str, Any]], chosen: Chosen, place: str = "entry {}") -> list[_Point]:
    lr, loss, *step = find_columns(list(dict.fromkeys(key for row in rows for key in row)), chosen)
    whole = (row for row in rows if lr in row and loss in row)
    return _numbers(([row[lr], row[loss], *map(row.get, step)] for row in whole), place, first=0)


def _of_lists(document: Mapping[str, Any], chosen: Chosen) -> list[_Point]:
    lr, loss, *step = find_columns(list(document), chosen)
    lrs, losses = document[lr], document[loss]
    if not (isinstance(lrs, list) and isinstance(losses, list)):
        raise MisfitError(Fault(f"{lr}, {loss}", expected="a list of numbers each", got="one value"))
    if len(lrs) != len(losses):
        got = f"{len(lrs)} of {lr} and {len(losses)} of {loss}"
        raise MisfitError(Fault(expected="as many learning rates as losses", got=got))
    steps = [document[name] for name in step if isinstance(document[name], list) and len(document[name]) == len(lrs)]
    return _numbers(zip(lrs, losses, *steps, strict=True), "entry {}", first=0)


def _of_text(text: str, chosen: Chosen) -> list[_Point]:
    """Return the points in a table; or in the lines of a log, if it is none."""
    try:
        return _of_table(_cells(text), chosen)
    except MisfitError:
        if printed := printed_rows(text, chosen):
            return _of_rows(printed, chosen, "line {} of the numbers")
        raise


def _cells(text: str) -> list[list[str]]:
    """Return the cells of a table, of any delimiter, by rows."""
    if not text.strip():
        expected, fix = "a record or a table of lr and loss", "run again the command that was to fill it"
        raise MisfitError(Fault(expected=expected, got="an empty file", fix=fix))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise MisfitError(Fault(expected="a table of lr and loss", got="comments alone"))
    rows, decimal_point = [line.split() for line in lines], "."
    delimiter = max(",;\t|", key=lines[0].count)
    if delimiter in lines[0]:
        decimal_point = "," if delimiter == "," else "."
        try:
            rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
        except csv.Error as error:
            raise MisfitError(Fault(expected="a table of lr and loss", got=f"a fault in it: {error}")) from error
    return [[cell.strip().replace(",", decimal_point) for cell in row] for row in rows]


def _of_table(cells: list[list[str]], chosen: Chosen) -> list[_Point]:
    header, *body = cells
    try:
        has_header = len([float(cell) for cell in header]) != 2
    except ValueError:
        has_header = True
    if not has_header:
        return _numbers([header, *body], "row {}")
    lr, loss, *step = [header.index(name) for name in find_columns(header, chosen)]
    # A logger may write the two in rows of their own; a row that lacks one of them is no point of the curve.
    points = [row for row in body if len(row) > max(lr, loss) and row[lr] and row[loss]]
    numbers = ([row[lr], row[loss], *[row[column] for column in step if column < len(row)]] for row in points)
    return _numbers(numbers, "row {} of the numbers")


def _numbers(rows: Iterable[Sequence[Any]], place: str, first: int = 1) -> list[_Point]:
    """Return a learning rate, a loss and perhaps a step in numbers; a loss of null is one that is not finite.

    Args:
        rows: As they were read.
        place: Names a row in a message, by its number in place of `{}`.
        first: Number of the first row.
    """
    points = []
    for number, (lr, loss, *step) in enumerate(rows, first):
        try:
            points.append(_Point(float(lr), math.nan if loss is None else float(loss), _step(step)))
        except (TypeError, ValueError, OverflowError):
            got = f"lr={short(lr)} and loss={short(loss)}"
            raise MisfitError(Fault(place.format(number), expected="two numbers", got=got)) from None
    return points


def _step(cells: Sequence[Any]) -> float:
    """Return the step of a row; NaN if it has none."""
    try:
        return float(cells[0])
    except (IndexError, TypeError, ValueError, OverflowError):
        return math.nan


def _updates(points: Sequence[_Point]) -> float | None:
    """Return how many updates lie between two points, as the median; None where no column of steps tells."""
    spans = [after.step - before.step for before, after in itertools.pairwise(points)]
    return statistics.median(spans) if spans and min(spans) >= 1 and math.isfinite(sum(spans)) else None


def _raw(losses: Sequence[float], tool: Tool) -> list[float]:
    """Return the losses whose running average `losses` is: `a_i = k a_(i-1) + (1 - k) l_i`, solved for `l_i`."""
    keep = SMOOTHING[tool]
    averages = list(losses)
    first = CORRECTED.get(tool)
    if first is not None:  # a_i / (1 - k^(i + first)) was written, with a_(-1) = 0
        averages = [loss * (1 - keep**step) for step, loss in enumerate(losses, first)]
    before = [averages[0] if first is None else 0.0, *averages]
    return [(after - keep * last) / (1 - keep) for last, after in zip(before, averages, strict=False)]


def _until_not_finite(losses: Sequence[float]) -> list[float]:
    """Return the losses up to the first one that is not finite, which ends a sweep.

    A loss whose square is not finite counts as one: it cannot be told from an explosion, nor be computed with.
    """
    end = next((index for index, loss in enumerate(losses) if not math.isfinite(loss * loss)), len(losses))
    return [*losses[:end], *([math.nan] if end < len(losses) else [])]


def _thinned(lrs: list[float], losses: list[float], size: int) -> tuple[list[float], list[float]]:
    """Return the means of `size` points each."""
    if size == 1:
        return lrs, losses
    parts = [slice(start, start + size) for start in range(0, len(lrs), size)]
    means = [math.exp(statistics.fmean(map(math.log, lrs[part]))) for part in parts]
    return means, [statistics.fmean(losses[part]) for part in parts]


def _stop_reason(losses: Sequence[float]) -> StopReason:
    """Return how a curve ends, as far as it shows: after a rise of three times its descent, it has diverged."""
    if not math.isfinite(losses[-1]):
        return StopReason.NON_FINITE
    start = statistics.median(losses[:_BEGINS])
    descent = start - min(losses)
    return StopReason.DIVERGED if descent > 0 and losses[-1] > start + 3 * descent else StopReason.COMPLETED
