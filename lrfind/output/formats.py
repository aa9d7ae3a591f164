"""The output that commands share: a result as report, JSON or bare number, and its files."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console, RenderableType

from lrfind.errors import ConfigError, ExitCode, Fault, OutputError
from lrfind.output.curve import format_lr
from lrfind.output.files import record_path, write_atomically
from lrfind.output.report import report
from lrfind.output.streams import print_result, tell
from lrfind.records.json_format import dumps, to_json
from lrfind.records.types import Result, Status


class Format(str, enum.Enum):
    """What is printed to stdout."""

    TEXT = "text"
    JSON = "json"
    LR = "lr"


AnyFormat = TypeVar("AnyFormat", bound=enum.Enum)
"""`Format`, or that of a command with formats of its own; `text` and `json` are among them."""


class PlotFormat(str, enum.Enum):
    """Format of a picture, or none."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"
    NONE = "none"


def one_format(source: str, form: AnyFormat, *, as_json: bool) -> AnyFormat:
    """Return the format that --format and --json say together."""
    if as_json and form.value not in ("text", "json"):
        raise ConfigError(
            source, [Fault("--json", problem=f"is short for --format json, got --format {form.value} as well")]
        )
    return type(form)("json") if as_json else form


def save(result: Result, stem: Path, plot: str, *, record: bool = True) -> tuple[list[Path], str | None]:
    """Write the record, if it is wanted, and the plot; return what was written, and what could not be."""
    files = []
    try:
        if record:
            document = record_path(stem)
            write_atomically(document, (to_json(result) + "\n").encode())
            files.append(document)
        if plot != "none":
            from lrfind.output.plot import save_plot  # loads matplotlib

            picture = stem.with_name(f"{stem.name}.lrfind.{plot}")
            save_plot(result, picture)
            files.append(picture)
    except OutputError as error:
        return files, str(error)
    return files, None


def tell_files(form: Format, files: Sequence[Path]) -> None:
    """Say on stderr what was written, where the report does not."""
    if form is not Format.TEXT:
        for file in files:
            tell(f"wrote {file}")


def show(result: Result, form: Format, files: Sequence[Path]) -> None:
    """Print the result to stdout."""
    if form is Format.JSON:
        print_result(to_json(result, line=True))  # a pattern names one config or many, and its reader takes lines
    elif form is Format.TEXT:
        _print_report(result, files)
    elif result.analysis.suggested_lr is not None:
        print_result(format_lr(result.analysis.suggested_lr))
    else:
        tell(f"lrfind: no learning rate: {result.analysis.message}")


def _print_report(result: Result, files: Sequence[Path]) -> None:

    console = console_for_result()
    with console.capture() as captured:
        report(result, console, files)
    print_result(captured.get().rstrip("\n"))


def print_json(document: Any) -> None:
    """Print a document to stdout, as the JSON of a command that is not a record."""
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
    return Console(emoji=False, markup=False, highlight=False)


def read_code(result: Result) -> ExitCode:
    """Return the exit code that tells whether a learning rate is suggested."""
    return ExitCode.OK if result.analysis.status is Status.OK else ExitCode.NO_SUGGESTION
