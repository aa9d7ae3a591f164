"""The output that commands share: a result as report, JSON or bare number, and its files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from rich.console import Console, RenderableType

from lrfind.errors import ConfigError, ExitCode, Fault, OutputError
from lrfind.output.curve import format_lr
from lrfind.output.drawing import drawn
from lrfind.output.files import check_replaceable, check_writable, record_path, write_atomically
from lrfind.output.look import PLAIN, Look
from lrfind.output.picture import loading_matplotlib, save_picture
from lrfind.output.report import report
from lrfind.output.streams import console_on, print_result, tell
from lrfind.records.json_format import dumps, to_json
from lrfind.records.types import Result, Status

Format = Literal["text", "json", "lr"]
"""What is printed to stdout."""
PlotFormat = Literal["png", "svg", "pdf", "none"]
"""Format of a picture, or none."""
AnyFormat = TypeVar("AnyFormat", bound=str)
"""`Format`, or the formats of a command that has others; `text` and `json` are among them."""


def one_format(source: str, form: AnyFormat, *, as_json: bool) -> AnyFormat | Literal["json"]:
    """Return the format that --format and --json say together."""
    if as_json and form not in ("text", "json"):
        problem = f"is short for --format json, got --format {form} as well"
        raise ConfigError(source, [Fault("--json", problem=problem)])
    return "json" if as_json else form


def check_places(stem: Path, plot: str, *, force: bool = False) -> None:
    """Make sure, before a long run, that what `save` writes can be written; `force` lets it replace read-only files.

    Raises:
        OutputError: It cannot.
    """
    check_writable(stem.parent)
    for path in (record_path(stem), _picture_path(stem, plot)):
        check_replaceable(path, force=force)


def _picture_path(stem: Path, plot: str) -> Path:
    return stem.with_name(f"{stem.name}.lrfind.{plot}")


def save(
    result: Result, stem: Path, plot: str, look: Look = PLAIN, *, record: bool = True
) -> tuple[list[Path], str | None]:
    """Write the plot, and the record unless not wanted; return the written files, and a fault that stopped it."""
    files = []
    try:
        if record:
            document = record_path(stem)
            write_atomically(document, (to_json(result) + "\n").encode())
            files.append(document)
        if plot != "none":
            picture = _picture_path(stem, plot)
            with loading_matplotlib():
                save_picture(drawn(result, look), picture)
            files.append(picture)
    except OutputError as error:
        return files, str(error)
    return files, None


def show(result: Result, form: str, files: Sequence[Path], look: Look = PLAIN, *, quiet: bool) -> None:
    """Print the result to stdout, and the written files: within the report, or else on stderr unless `quiet`."""
    if form != "text" and not quiet:
        tell_files(files)
    if form == "json":
        print_result(to_json(result, line=True))  # one line, as for each of several configs
    elif form == "text":
        console = console_for_result()
        with console.capture() as captured:
            report(result, console, files, look.mark)
        print_result(captured.get().rstrip("\n"))
    elif result.analysis.suggested_lr is not None:
        print_result(format_lr(result.analysis.suggested_lr))
    else:
        tell(f"lrfind: no learning rate: {result.analysis.message}")


def tell_files(files: Sequence[Path]) -> None:
    """Say on stderr which files were written."""
    for file in files:
        tell(f"wrote {file}")


def print_json(document: Any) -> None:
    """Print a document that is not a record to stdout, as JSON."""
    print_result(dumps(document))


def print_parts(*parts: RenderableType) -> None:
    """Print tables and texts to stdout, one below the other."""
    console = console_for_result()
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    print_result("\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n")))


def console_for_result() -> Console:
    """Return a console whose output is captured and printed as the result."""
    return console_on(sys.stdout)


def suggestion_exit_code(result: Result) -> ExitCode:
    """Return the exit code that tells whether a learning rate is suggested."""
    return ExitCode.OK if result.analysis.status is Status.OK else ExitCode.NO_SUGGESTION
