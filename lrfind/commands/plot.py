"""`lrfind plot`: draw a record, or several to be compared."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from lrfind.commands.record_files import RecordFile, load_all
from lrfind.errors import ConfigError, Fault
from lrfind.output.curve import format_lr, format_range
from lrfind.output.formats import console_for_result, print_json, print_parts
from lrfind.output.names import unique
from lrfind.output.streams import print_bytes, tell
from lrfind.output.table_style import plain_table
from lrfind.output.terminal_plot import sketch
from lrfind.records.types import Result

STDOUT = "-"


def plot(
    records: Annotated[
        list[str], typer.Argument(metavar="RECORD", help="Records, CSV or JSON; - for stdin.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PNG, SVG or PDF by suffix; - for stdout (PNG); default: beside the record."),
    ] = None,
    terminal: Annotated[bool, typer.Option("--terminal", help="Draw with characters; a file only with --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not say what was written.")] = False,
) -> None:
    """Draw one record, or compare up to 12 in one picture and a table.

    A RECORD is what `lrfind run` wrote, or a curve of lr and loss as `lrfind analyze` reads it. To be compared, each
    loss is drawn from 1 at its plateau to 0 at its minimum.

    Exit codes: 0 drawn, 2 a record cannot be read or the picture not be written.

    For example:

    - `lrfind plot digits.lrfind.json --out digits.svg`
    - `lrfind plot sgd.lrfind.json adam.lrfind.json --out optimizers.png`
    - `lrfind run configs/digits.yaml --json | lrfind plot - --terminal`
    - `lrfind plot digits.lrfind.json --out - > digits.png`
    """
    to_stdout = out == Path(STDOUT)
    _check_stdout(picture=to_stdout, as_json=as_json, terminal=terminal)
    sources = load_all(records)
    _check_count(sources)
    names = _names(sources)
    if to_stdout:
        print_bytes(_bytes(sources, names))
        return
    path = out or (None if terminal else _beside(sources))
    if path is not None:
        _save(sources, names, path)
        if not quiet:
            tell(f"wrote {path}")
    if as_json:
        print_json([_row(name, source.result) for name, source in zip(names, sources, strict=True)])
    else:
        print_parts(*_sketches(sources, names, wanted=terminal), _table(sources, names))


def _check_stdout(*, picture: bool, as_json: bool, terminal: bool) -> None:
    """Check that no more than one thing goes to stdout, and no picture to a terminal."""
    wanted = [flag for flag, given in (("--out -", picture), ("--json", as_json), ("--terminal", terminal)) if given]
    if len(wanted) > 1:
        problem = f"leaves no room on stdout for {' and '.join(wanted[1:])}"
        raise ConfigError("lrfind plot", [Fault(wanted[0], problem=problem, fix="drop one of them")])
    if picture and sys.stdout.isatty():
        expected, fix = "stdout to be a file or a pipe", "add > x.png, or draw with --terminal"
        raise ConfigError("lrfind plot", [Fault("--out -", expected=expected, got="a terminal", fix=fix)])


def _check_count(sources: Sequence[RecordFile]) -> None:
    most = 12  # as output.compare.MOST, which is not imported before something is drawn
    if len(sources) > most:
        raise ConfigError(
            "lrfind plot",
            [Fault("RECORD", expected=f"at most {most} records", got=f"{len(sources)}", fix="compare fewer")],
        )


def _names(sources: Sequence[RecordFile]) -> list[str]:

    return unique([(source.folder.name or str(source.folder), source.name) for source in sources])


def _beside(sources: Sequence[RecordFile]) -> Path:
    """Return the path of a picture whose name was not given."""
    first = sources[0]
    return first.folder / f"{first.name if len(sources) == 1 else 'comparison'}.lrfind.png"


def _bytes(sources: Sequence[RecordFile], names: Sequence[str]) -> bytes:
    compare, plot = _pictures()
    if len(sources) == 1:
        return bytes(plot.plot_bytes(sources[0].result, "png"))
    return bytes(compare.comparison_bytes(_named(sources, names), "png"))


def _save(sources: Sequence[RecordFile], names: Sequence[str], path: Path) -> None:
    compare, plot = _pictures()
    if len(sources) == 1:
        plot.save_plot(sources[0].result, path)
    else:
        compare.save_comparison(_named(sources, names), path)


def _pictures() -> tuple[ModuleType, ModuleType]:
    from lrfind.output import compare, plot  # load matplotlib, which a sketch in the terminal does without

    return compare, plot


def _named(sources: Sequence[RecordFile], names: Sequence[str]) -> list[Any]:
    compare, _ = _pictures()
    return [compare.Named(name, source.result) for name, source in zip(names, sources, strict=True)]


def _row(name: str, result: Result) -> dict[str, Any]:
    found = result.analysis
    return {
        "name": name,
        "title": result.title,
        "status": found.status,
        "reason": found.reason,
        "suggested_lr": found.suggested_lr,
        "safe_range": found.safe_range,
        "confidence": found.confidence,
    }


def _table(sources: Sequence[RecordFile], names: Sequence[str]) -> RenderableType:

    table = plain_table()
    table.add_column("record", overflow="fold")
    table.add_column("LR", justify="right")
    table.add_column("safe range", justify="right")
    table.add_column("confidence", justify="right")
    for name, source in zip(names, sources, strict=True):
        found = source.result.analysis
        lr = f"none ({found.reason.value})" if found.reason else "none"
        table.add_row(
            name,
            lr if found.suggested_lr is None else format_lr(found.suggested_lr),
            format_range(*found.safe_range) if found.safe_range else "-",
            f"{found.confidence:.0%}",
        )
    return table


def _sketches(sources: Sequence[RecordFile], names: Sequence[str], *, wanted: bool) -> list[RenderableType]:
    if not wanted:
        return []

    console, size = console_for_result(), shutil.get_terminal_size()
    height = min(max(size.lines // len(sources) - 4, 12), 24)
    parts: list[RenderableType] = []
    for name, source in zip(names, sources, strict=True):
        parts += [Text(name, style="bold")] * (len(sources) > 1)
        parts += [sketch(source.result, min(console.width, 120), height, console.options.ascii_only), Text("")]
    return parts
