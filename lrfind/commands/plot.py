"""`lrfind plot`: draw a record, or several to be compared."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from lrfind.commands import completion
from lrfind.commands.options import Mark, Quiet
from lrfind.commands.record_files import RecordFile, load_all
from lrfind.errors import ConfigError, Fault
from lrfind.output.curve import format_lr, format_range, meant_for, schedule_of
from lrfind.output.drawing import compared, drawn
from lrfind.output.formats import console_for_result, print_json, print_parts
from lrfind.output.look import Look, Theme
from lrfind.output.names import unique
from lrfind.output.picture import is_page, loading_matplotlib, picture_bytes, save_picture
from lrfind.output.streams import print_bytes, tell
from lrfind.output.table_style import plain_table
from lrfind.output.terminal_plot import sketch
from lrfind.page.render import save_page
from lrfind.records.types import Result
from lrfind.settings import listed

STDOUT = "-"
MOST = 12
"""Sweeps in one picture; of more, no curve can be told from another."""


def plot(
    records: Annotated[
        list[str],
        typer.Argument(
            metavar="RECORD",
            help="Records, CSV or JSON; - for stdin.",
            show_default=False,
            autocompletion=completion.records,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="PNG, SVG, PDF or HTML by suffix; - for stdout (PNG); default: beside the record.",
        ),
    ] = None,
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="Heading; default: what was trained.", show_default=False)
    ] = "",
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="TEXT", help="Name of a record, once for each in their order."),
    ] = None,
    theme: Annotated[Theme, typer.Option(help="paper: serif, without a heading; notebook: for any page.")] = "light",
    mark: Mark = None,
    terminal: Annotated[bool, typer.Option("--terminal", help="Draw with characters; a file only with --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """Draw one record, or compare up to 12 in one picture and a table.

    A RECORD is what `lrfind run` wrote, or a curve of lr and loss as `lrfind analyze` reads it. To be compared, each
    loss is drawn from 1 at its plateau to 0 at its minimum.

    Exit codes: 0 drawn, 2 a record cannot be read or the picture not be written.

    For example:

    - `lrfind plot digits.lrfind.json --out digits.svg`
    - `lrfind plot *.lrfind.json --out runs.html`
    - `lrfind plot sgd.lrfind.json adam.lrfind.json --out optimizers.png`
    - `lrfind run configs/digits.yaml --json | lrfind plot - --terminal`
    - `lrfind plot digits.lrfind.json --out - > digits.png`
    """
    to_stdout = out == Path(STDOUT)
    _check_stdout(picture=to_stdout, as_json=as_json, terminal=terminal)
    sources = load_all(records)
    if len(sources) > MOST:
        fault = Fault("RECORD", expected=f"at most {MOST} records", got=f"{len(sources)}", fix="compare fewer")
        raise ConfigError("lrfind plot", [fault])
    names = labels or unique([(source.folder.name or str(source.folder), source.name) for source in sources])
    if len(names) != len(sources) or len(set(names)) < len(names):
        fault = Fault("--label", expected=f"{len(sources)} different names, one for each record", got=listed(names))
        raise ConfigError("lrfind plot", [fault])
    look = Look(title, mark, theme)
    results = {name: source.result for name, source in zip(names, sources, strict=True)}
    if to_stdout:
        _draw(results, Path(STDOUT), look)
        return
    path = out or (None if terminal else _beside(sources))
    if path is not None:
        _draw(results, path, look)
        if not quiet:
            tell(f"wrote {path}")
    if as_json:
        print_json([_document(name, result) for name, result in results.items()])
    else:
        print_parts(*(_sketches(results, mark) if terminal else ()), _table(results))


def _check_stdout(*, picture: bool, as_json: bool, terminal: bool) -> None:
    """Check that no more than one thing goes to stdout, and no picture to a terminal."""
    wanted = [flag for flag, given in (("--out -", picture), ("--json", as_json), ("--terminal", terminal)) if given]
    if len(wanted) > 1:
        problem = f"leaves no room on stdout for {' and '.join(wanted[1:])}"
        raise ConfigError("lrfind plot", [Fault(wanted[0], problem=problem, fix="drop one of them")])
    if picture and sys.stdout.isatty():
        expected, fix = "stdout to be a file or a pipe", "add > x.png, or draw with --terminal"
        raise ConfigError("lrfind plot", [Fault("--out -", expected=expected, got="a terminal", fix=fix)])


def _beside(sources: Sequence[RecordFile]) -> Path:
    """Return the path of a picture whose name was not given."""
    first = sources[0]
    return first.folder / f"{first.name if len(sources) == 1 else 'comparison'}.lrfind.png"


def _draw(results: Mapping[str, Result], path: Path, look: Look) -> None:
    """Write the picture of the results, or their page, to a file by its suffix, or the picture to stdout as PNG."""
    if is_page(path):
        save_page(results, path, look)
        return
    with loading_matplotlib():
        first, *others = results.values()
        picture = compared(results, look) if others else drawn(first, look)
    if path == Path(STDOUT):
        print_bytes(picture_bytes(picture, "png"))
    else:
        save_picture(picture, path)


def _document(name: str, result: Result) -> dict[str, Any]:
    analysis = result.analysis
    return {
        "name": name,
        "title": result.title,
        "status": analysis.status,
        "reason": analysis.reason,
        "suggested_lr": analysis.suggested_lr,
        "schedule": schedule_of(result),
        "safe_range": analysis.safe_range,
        "confidence": analysis.confidence,
    }


def _table(results: Mapping[str, Result]) -> RenderableType:
    table = plain_table()
    table.add_column("record", overflow="fold")
    for heading in ("LR", "for", "safe range", "confidence"):
        table.add_column(heading, justify="right")
    for name, result in results.items():
        analysis = result.analysis
        lr = f"none ({analysis.reason.value})" if analysis.reason else "none"
        table.add_row(
            name,
            lr if analysis.suggested_lr is None else format_lr(analysis.suggested_lr),
            "-" if analysis.suggested_lr is None else meant_for(result),
            format_range(*analysis.safe_range) if analysis.safe_range else "-",
            f"{analysis.confidence:.0%}",
        )
    return table


def _sketches(results: Mapping[str, Result], mark: float | None) -> Iterator[RenderableType]:
    console, size = console_for_result(), shutil.get_terminal_size()
    height = min(max(size.lines // len(results) - 4, 12), 24)
    for name, result in results.items():
        if len(results) > 1:
            yield Text(name, style="bold")
        yield sketch(result, min(console.width, 120), height, console.options.ascii_only, mark)
        yield ""
