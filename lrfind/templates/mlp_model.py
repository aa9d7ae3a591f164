"""The data of the config beside this file: put your own here, or name yours in the config.

The digits are real ones that come with lrfind: a part of E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten
Digits", UCI Machine Learning Repository, 1998 (CC BY 4.0).
"""

import csv
import gzip
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

import lrfind

DIGITS = Path(lrfind.__file__).parent / "templates" / "digits.csv.gz"
MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}
MOST_CLASSES = 20  # a column of more whole numbers is taken for a quantity, of more different texts for a name


def table(file: str | None = None, target: str | int | None = None) -> TensorDataset:
    """Return (features, target) pairs from a CSV as people have them, with or without a heading.

    Numbers get mean 0 and deviation 1, as a network wants them, and their missing values the mean; each text becomes a
    column of its own, 0 or 1, a missing one too. A column of more than 20 different texts is left out: it holds names.
    A target of texts or of few whole numbers is a class, any other a quantity, scaled likewise.

    Args:
        file: The CSV, which may be gzipped; the digits, 64 pixels each, if there is none.
        target: The column of the target, by its name or its number from 0; the last one, if not said.
    """
    names, columns = _columns(Path(file or DIGITS))
    at = names.index(str(target)) if str(target) in names else len(names) - 1
    if target is not None and names[at] != str(target):
        raise ValueError(f"there is no column {target!r} in {file}, but {', '.join(names)}")
    known = [row for row, cell in enumerate(columns[at]) if cell is not None]
    columns = [[column[row] for row in known] for column in columns]
    wanted = columns.pop(at)
    features = [part for column in columns for part in _features(column)]
    if not features:
        raise ValueError(f"{file} has no column beside {names[at]}")
    return TensorDataset(torch.cat(features, dim=1), _target(wanted))


def _columns(file: Path) -> tuple[list[str], list[list[Any]]]:
    """Return the names of the columns, and their cells: numbers, texts, or None where one is missing."""
    data = file.read_bytes()
    lines = (gzip.decompress(data) if file.suffix == ".gz" else data).decode("utf-8-sig").splitlines()
    delimiter = max(",;\t|", key=lines[0].count)
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter) if row]
    if short := [number for number, row in enumerate(rows, 1) if len(row) != len(rows[0])]:
        raise ValueError(f"{file}: row {short[0]} has {len(rows[short[0] - 1])} cells, the first one {len(rows[0])}")
    has_heading = not any(_is_number(cell) for cell in rows[0])
    names = rows.pop(0) if has_heading else [str(number) for number in range(len(rows[0]))]
    columns = [[None if cell.lower() in MISSING else cell for cell in column] for column in zip(*rows, strict=True)]
    return names, [_numbers(column) for column in columns]


def _numbers(column: list[Any]) -> list[Any]:
    """Return a column as numbers if all its cells are, those that are missing aside; else as it is."""
    if all(cell is None or _is_number(cell) for cell in column):
        return [None if cell is None else float(cell) for cell in column]
    return column


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _features(column: list[Any]) -> list[Tensor]:
    """Return a column as no, one or several columns of numbers, shape (rows, 1) each."""
    known = [cell for cell in column if cell is not None]
    if known and isinstance(known[0], str):
        texts = sorted(set(column), key=str)
        kept = texts if len(texts) <= MOST_CLASSES else []
        return [torch.tensor([[float(cell == text)] for cell in column]) for text in kept]
    mean = sum(known) / max(1, len(known))
    return [_scaled(torch.tensor([[mean if cell is None else cell] for cell in column]))]


def _target(column: list[Any]) -> Tensor:
    classes = sorted(set(column))
    if isinstance(classes[0], str) or (len(classes) <= MOST_CLASSES and all(each == int(each) for each in classes)):
        return torch.tensor([classes.index(cell) for cell in column])
    return _scaled(torch.tensor([[cell] for cell in column]))


def _scaled(column: Tensor) -> Tensor:
    deviation = column.std(dim=0).clamp(min=1e-6)  # a column that never changes stays 0
    return (column - column.mean(dim=0)) / deviation
