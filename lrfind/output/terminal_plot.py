"""The loss-vs-LR curve drawn with characters: Braille dots, or plain ASCII for a terminal without them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from lrfind.output.curve import (
    Frame,
    Point,
    divergence_in,
    format_lr,
    format_range,
    frame_of,
    lr_ticks,
    probe_points,
    raw_points,
    smooth_points,
    tick_labels,
)
from lrfind.records.types import Result

LEAST_WIDTH, LEAST_HEIGHT = 32, 8
"""Columns and lines below which a sketch shows nothing."""


@dataclass(frozen=True)
class _Charset:
    """The characters of a sketch, and how many dots across and up one of them holds."""

    across: int
    up: int
    pointer: str
    suggestion: str
    diverged: str
    side: str
    corner: str
    axis: str
    tick: str
    safe: str
    mark: str
    probe: str


_BRAILLE = _Charset(2, 4, "▼", "│", "░", "┤", "└", "─", "┴", "━", "╎", "x")
_ASCII = _Charset(1, 1, "v", "|", ":", "|", "+", "-", "+", "=", "!", "x")
# Bit of each dot above U+2800, by row from the top and column from the left (Unicode: Braille Patterns).
_DOT_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def sketch(result: Result, width: int, height: int, ascii_only: bool = False, mark: float | None = None) -> Text:
    """Return a small loss-vs-LR curve with its axes, the probes, the suggestion, the safe range and the diverged zone.

    The curve is the smoothed loss; if there is none, the loss of the mini-batches.

    Args:
        result: What to draw.
        width: Columns to fill; at least 32 are.
        height: Lines to fill, axis and key included; at least 8 are.
        ascii_only: Whether to keep to ASCII characters.
        mark: A learning rate of the user's, to be drawn beside the suggestion; None for none.
    """
    width, height = max(width, LEAST_WIDTH), max(height, LEAST_HEIGHT)
    charset = _ASCII if ascii_only else _BRAILLE
    frame = frame_of(result)
    bottom, top = tick_labels((frame.loss_low, frame.loss_high))
    gutter = max(len(top), len(bottom), len("loss")) + 1
    columns = width - gutter - 1
    above = _pointer_line(result, frame, charset, columns)
    below = [_axis_line(result, frame, charset, columns), _label_line(frame, columns)]
    key = _packed(_key(result, frame, charset, mark), width)
    plane = _plane(result, frame, charset, (columns, height - 3 - len(key)), mark)
    sides = [top, *[""] * (len(plane) - 2), bottom]
    lines = [
        "loss".rjust(gutter - 1) + "  " + above,
        *(f"{side.rjust(gutter - 1)} {charset.side}{row}" for side, row in zip(sides, plane, strict=True)),
        "".rjust(gutter) + charset.corner + below[0],
        "LR".rjust(gutter - 1) + "  " + below[1],
        *key,
    ]
    return Text("\n".join(line.rstrip() for line in lines), no_wrap=True, overflow="crop")


def _plane(result: Result, frame: Frame, charset: _Charset, size: tuple[int, int], mark: float | None) -> list[str]:
    """Return the lines between the axes: probes, the curve, and behind it what is marked and the diverged zone."""
    columns, rows = size
    background = [" "] * columns
    if (start := divergence_in(result, frame)) is not None:
        first = _column(frame, start, columns)
        background[first:] = charset.diverged * (columns - first)
    if mark is not None:
        background[_column(frame, mark, columns)] = charset.mark
    if (lr := result.analysis.suggested_lr) is not None:
        background[_column(frame, lr, columns)] = charset.suggestion
    cells = [background[:] for _ in range(rows)]
    curve = _curve_bits(result, frame, charset, columns, rows)
    if not curve:
        cells[rows // 2] = list("no finite loss was measured".center(columns)[:columns])
    for (column, row), bits in curve.items():
        cells[row][column] = "*" if charset is _ASCII else chr(0x2800 + bits)
    for lr, loss in probe_points(result):
        if 0 <= (up := frame.up(loss)) <= 1:
            cells[round((1 - up) * (rows - 1))][_column(frame, lr, columns)] = charset.probe
    return ["".join(line) for line in cells]


def _curve_bits(result: Result, frame: Frame, charset: _Charset, columns: int, rows: int) -> dict[tuple[int, int], int]:
    """Return the dots of the curve that each cell (column, row) holds, as the bits of a Braille character."""
    points = smooth_points(result.sweep, result.analysis.smoothed) or raw_points(result.sweep)
    bits: dict[tuple[int, int], int] = {}
    for x, y in _dots(points, frame, columns * charset.across, rows * charset.up):
        cell = x // charset.across, y // charset.up
        bits[cell] = bits.get(cell, 0) | _DOT_BITS[y % charset.up][x % charset.across]
    return bits


def _dots(points: Sequence[Point], frame: Frame, width: int, height: int) -> Iterator[tuple[int, int]]:
    """Yield the dots (from the left, from the top) of the line through `points` that lie inside."""
    places = [
        # One dot beyond the edge stands for all that lies beyond it.
        (round(frame.across(lr) * (width - 1)), round((1 - min(max(frame.up(loss), -1), 2)) * (height - 1)))
        for lr, loss in points
    ]
    for (x0, y0), (x1, y1) in itertools.pairwise(places[:1] + places):
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for step in range(1, steps + 1):
            x, y = x0 + round((x1 - x0) * step / steps), y0 + round((y1 - y0) * step / steps)
            if 0 <= x < width and 0 <= y < height:
                yield x, y


def _pointer_line(result: Result, frame: Frame, charset: _Charset, columns: int) -> str:
    lr = result.analysis.suggested_lr
    if lr is None:
        return ""
    column, label = _column(frame, lr, columns), format_lr(lr)
    if column + 2 + len(label) <= columns:
        return " " * column + f"{charset.pointer} {label}"
    return f"{label} {charset.pointer}".rjust(column + 1)


def _axis_line(result: Result, frame: Frame, charset: _Charset, columns: int) -> str:
    """Return the LR axis: a tick for each label, and a heavier line for the safe range."""
    axis = [charset.axis] * columns
    for lr in _ticks(frame, columns):
        axis[_column(frame, lr, columns)] = charset.tick
    if safe_range := result.analysis.safe_range:
        first, last = (_column(frame, lr, columns) for lr in safe_range)
        axis[first : last + 1] = charset.safe * (last + 1 - first)
    return "".join(axis)


def _label_line(frame: Frame, columns: int) -> str:
    line = ""
    ticks = _ticks(frame, columns)
    for lr, label in zip(ticks, tick_labels(ticks), strict=True):
        start = min(max(_column(frame, lr, columns) - len(label) // 2, 0), columns - len(label))
        if start > len(line) or not line:
            line = line.ljust(start) + label
    return line


def _ticks(frame: Frame, columns: int) -> list[float]:
    return lr_ticks(frame.lr_low, frame.lr_high, max(columns // 8, 3))


def _key(result: Result, frame: Frame, charset: _Charset, mark: float | None) -> list[str]:
    """Return what the characters mean, an entry each."""
    analysis = result.analysis
    entries = []
    if analysis.suggested_lr is not None:
        entries.append(f"{charset.pointer} suggested")
    if analysis.safe_range:
        entries.append(f"{charset.safe} safe range {format_range(*analysis.safe_range)}")
    if (start := divergence_in(result, frame)) is not None:
        entries.append(f"{charset.diverged} diverged from {format_lr(start)}")
    if mark is not None:
        entries.append(f"{charset.mark} your LR {format_lr(mark)}")
    if probe_points(result):
        entries.append(f"{charset.probe} probes, at end")
    return entries


def _packed(entries: Sequence[str], width: int) -> list[str]:
    """Return `entries` in as few lines of at most `width` characters as hold them in their order."""
    lines: list[str] = []
    for entry in entries:
        if lines and len(lines[-1]) + 3 + len(entry) <= width:
            lines[-1] += f"   {entry}"
        else:
            lines.append(entry)
    return lines


def _column(frame: Frame, lr: float, columns: int) -> int:
    """Return the column of `lr`; the first or the last for what lies beyond."""
    return min(max(round(frame.across(lr) * (columns - 1)), 0), columns - 1)
