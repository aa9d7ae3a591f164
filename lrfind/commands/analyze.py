"""`lrfind analyze`: read a recorded curve again, also one recorded elsewhere."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, get_args

import typer

from lrfind.analysis.recorded import for_length, reanalyze
from lrfind.commands.completion import records
from lrfind.commands.destinations import destinations, write_to
from lrfind.commands.options import Json, Log, Mark, Quiet, RecordFolder, Report
from lrfind.commands.record_files import load
from lrfind.errors import ConfigError, ExitCode, Fault
from lrfind.output.formats import Format, PlotFormat, check_places, one_format, save, show, suggestion_exit_code
from lrfind.output.look import Look
from lrfind.output.streams import print_result, tell
from lrfind.records.columns import Chosen
from lrfind.records.external import Tool
from lrfind.settings import Method, Schedule


def analyze(
    record: Annotated[
        str | None,
        typer.Argument(
            metavar="RECORD", help="A record, CSV or JSON; - for stdin.", show_default=False, autocompletion=records
        ),
    ] = None,
    method: Annotated[
        Method | None,
        typer.Option(
            metavar="METHOD", help=f"{', '.join(get_args(Method))}; default: as the record.", show_default=False
        ),
    ] = None,
    schedule: Annotated[
        Schedule | None,
        typer.Option(help="What the LR is for; default: as the record, or constant.", show_default=False),
    ] = None,
    train_steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Updates of the real training.", show_default=False)
    ] = None,
    tool: Annotated[
        Tool | None,
        typer.Option("--from", help="The finder that wrote the curve: undo its averaging.", show_default=False),
    ] = None,
    after_update: Annotated[
        bool, typer.Option("--after-update", help="Each loss was measured after the update at its LR.")
    ] = False,
    updates_per_point: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Updates that a row stands for: of an epoch, its batches. Default: by its column step, or 1.",
            show_default=False,
        ),
    ] = None,
    lr_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column of learning rates, if its name does not tell.")
    ] = None,
    loss_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column of losses, if its name does not tell.")
    ] = None,
    lr_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Where RECORD holds losses alone: the learning rates of the same steps."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="What to print to stdout.")] = "text",
    as_json: Json = False,
    out: RecordFolder = None,
    plot: Annotated[
        PlotFormat | None, typer.Option(help="Format of the plot; without --out it is written here.")
    ] = None,
    mark: Mark = None,
    report: Report = None,
    log: Log = None,
    quiet: Quiet = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of records, and exit.")] = False,
) -> None:
    """Read the learning rate from a recorded curve, without training.

    RECORD is what `lrfind run` wrote, or lr and loss from anywhere: a CSV with these columns, the history of
    torch-lr-finder or Ignite, the results of Lightning's lr_find or of fastai's recorder as JSON, trainer_state.json of
    transformers, an export of W&B or TensorBoard, the lines that a training printed. The loss beside a learning rate is
    taken as measured before its update, as in a training loop. A row that stands for more than one update, such as an
    epoch, shows the descent at a lower learning rate; --updates-per-point makes up for it. Nothing is written without
    --out, --plot, --report or --log.

    Exit codes: 0 an LR is suggested, 2 the curve cannot be read, 3 no LR can be trusted.

    For example:

    - `lrfind analyze digits.lrfind.json --schedule onecycle`
    - `lrfind analyze history.csv --format lr`
    - `lrfind analyze history.json --from torch-lr-finder --plot png`
    - `lrfind analyze loss.csv --lr-file lr.csv`
    - `lrfind analyze epochs.csv --updates-per-point 500`
    - `lrfind run configs/digits.yaml --json | lrfind analyze - --method valley`
    """
    if schema:
        document = resources.files("lrfind.records") / "record.schema.json"
        print_result(document.read_text(encoding="utf-8").rstrip())
        raise typer.Exit
    if record is None:
        raise ConfigError("lrfind analyze", [Fault("RECORD", expected="a file or - for stdin", got="nothing")])

    form = one_format(record, form, as_json=as_json)
    how = {"after_update": after_update, "updates_per_point": updates_per_point}
    source = load(record, tool, lr_file, chosen=Chosen(lr_column, loss_column), **how)
    known = source.result if train_steps is None else for_length(source.result, train_steps)
    result = reanalyze(known, method, schedule)
    files: list[Path] = []
    fault, look = None, Look(mark=mark)
    to = destinations(report, log, look, "lrfind analyze")
    if out is not None or plot not in (None, "none"):
        folder = out or Path()
        check_places(folder / source.name, plot or "png")
        files, fault = save(result, folder / source.name, plot or "png", look, record=out is not None)
    show(result, form, files, look, quiet=quiet)
    if fault:
        tell(f"lrfind: {fault}")
    whole = write_to(to, result, source.name, quiet=quiet) and not fault
    raise typer.Exit(suggestion_exit_code(result) if whole else ExitCode.FAILED)
