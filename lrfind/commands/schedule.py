"""`lrfind schedule`: a PyTorch scheduler for the learning rate that was found."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from lrfind.analysis.peak_lr import for_schedules
from lrfind.analysis.recorded import for_length
from lrfind.commands.completion import records
from lrfind.commands.options import PictureFolder, Quiet
from lrfind.commands.record_files import load
from lrfind.errors import ConfigError, ExitCode, Fault
from lrfind.output.curve import format_lr, format_range
from lrfind.output.files import check_writable
from lrfind.output.formats import PlotFormat, console_for_result, print_json, print_parts
from lrfind.output.help_links import REFUSALS, help_line
from lrfind.output.picture import loading_matplotlib, save_picture
from lrfind.output.streams import print_result, tell
from lrfind.output.table_style import plain_table
from lrfind.records.types import Result
from lrfind.schedule.code import code, document
from lrfind.schedule.kinds import KINDS, rate_of, set_up
from lrfind.schedule.learning_rates import LearningRates, constant_range, learning_rates, learning_rates_given
from lrfind.schedule.scheduler import Length
from lrfind.settings import LearningRate, unlike

_WIDE = 110
"""Columns from which a table has room for the names of the classes."""


def schedulers(incomplete: str) -> list[str]:
    """Return the names of schedulers that begin so."""
    return [name for name in KINDS if name.startswith(incomplete)]


def schedule(
    record: Annotated[
        str,
        typer.Argument(
            metavar="RECORD", help="A record, CSV or JSON; - for stdin.", show_default=False, autocompletion=records
        ),
    ],
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            "--schedule",
            metavar="NAME",
            help="The schedule; without it, all of them in a table.",
            autocompletion=schedulers,
        ),
    ] = None,
    lr: Annotated[
        float | None, typer.Option(metavar="LR", help="The highest LR of the schedule; default: that of the record.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, metavar="E", help="Epochs of the training.")] = None,
    steps_per_epoch: Annotated[int | None, typer.Option(min=1, metavar="N", help="Updates in each of them.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print class and arguments as JSON.")] = False,
    out: PictureFolder = Path(),
    plot: Annotated[PlotFormat, typer.Option(help="Save a picture of the LR over the training.")] = "none",
    quiet: Quiet = False,
) -> None:
    """Print a PyTorch LR scheduler for the suggested learning rate.

    Prints Python that trains as the record says: its loss, its optimizer with the parameter groups, its precision,
    accumulation and clipping, and the scheduler; for Lightning and transformers what their Trainers take. What the
    record does not hold is an argument. Without --scheduler, lists the schedulers and the LR that each takes. The LR is
    for the length that is given: the longer, the lower.

    Exit codes: 0 printed, 2 usage fault or unreadable record, 3 the record suggests no LR and --lr says none.

    For example:

    - `lrfind schedule digits.lrfind.json`
    - `lrfind schedule digits.lrfind.json --scheduler onecycle --epochs 10 --steps-per-epoch 28 > schedule.py`
    - `lrfind schedule digits.lrfind.json --epochs 10 --steps-per-epoch 28 --plot png`
    - `lrfind schedule digits.lrfind.json --lr 0.1 --scheduler cosine --epochs 10 --steps-per-epoch 28`
    """
    scheduler = _known(scheduler)
    length = _length(epochs, steps_per_epoch, needed=bool(scheduler or as_json or plot != "none"))
    _check_lr(lr)
    source = load(record)
    result = for_length(source.result, length.total) if length else source.result
    rates = learning_rates(result) if lr is None else learning_rates_given(lr, constant_range(result))
    if rates is None:
        tell(f"lrfind: no learning rate to schedule; say one with --lr: {result.analysis.message}")
        tell(f"lrfind: {help_line(REFUSALS)}")
        raise typer.Exit(ExitCode.NO_SUGGESTION)
    if lr is not None and not quiet:
        _tell_if_outside(lr, scheduler, result)
    if plot != "none" and length is not None:
        check_writable(out)
        path = out / f"{source.name}.lrfind.{scheduler or 'schedules'}.{plot}"
        _draw(scheduler, rates, length, path)
        if not quiet:
            tell(f"wrote {path}")
    if scheduler is None:
        _print_all(rates, length, result, as_json=as_json)
    elif length is not None:
        _print_one(scheduler, rates, length, result, as_json=as_json)


def _known(name: str | None) -> str | None:
    """Return the name of a schedule, which may be given by its class as well."""
    classes = {kind.scheduler.lower(): key for key, kind in KINDS.items()}
    if name is None or name in KINDS:
        return name
    if name.lower() in classes:
        return classes[name.lower()]
    near = difflib.get_close_matches(name.lower(), KINDS, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(
        "lrfind schedule", [Fault("--scheduler", expected=f"one of {', '.join(KINDS)}", got=f"{name}{hint}")]
    )


def _length(epochs: int | None, steps: int | None, *, needed: bool) -> Length | None:
    if epochs is not None and steps is not None:
        return Length(epochs, steps)
    flags = {"--epochs": epochs, "--steps-per-epoch": steps}
    missing = [flag for flag, value in flags.items() if value is None]
    if needed or len(missing) == 1:
        why = "a schedule is set up for a training of known length; steps are updates of the weights"
        raise ConfigError(
            "lrfind schedule", [Fault(flag, expected="a number", got="none", fix=f"{why}") for flag in missing]
        )
    return None


def _check_lr(lr: float | None) -> None:
    if lr is not None and (expected := unlike(lr, LearningRate)):
        raise ConfigError("lrfind schedule", [Fault("--lr", expected=expected, got=f"{lr:g}")])


def _tell_if_outside(lr: float, scheduler: str | None, result: Result) -> None:
    """Say on stderr if a learning rate of the user lies outside the safe range for that schedule."""
    safe_range = constant_range(result)
    if safe_range is None:
        return
    name = scheduler or "constant"
    low, high = (for_schedules(end).get(KINDS[name].rate, end) for end in safe_range)
    if not low <= lr <= high:
        side = "above" if lr > high else "below"
        tell(f"lrfind: --lr {format_lr(lr)} lies {side} the safe range for {name}, {format_range(low, high)}")


def _draw(name: str | None, rates: LearningRates, length: Length, path: Path) -> None:
    """Write the picture of one schedule, or of all."""
    with loading_matplotlib():
        from lrfind.schedule.plot import schedule_figure, schedules_figure  # only for a picture

    if name is None:
        picture = schedules_figure(rates, length)
    else:
        picture = schedule_figure(name, set_up(name, rates, length), length)
    save_picture(picture, path)


def _print_one(name: str, rates: LearningRates, length: Length, result: Result, *, as_json: bool) -> None:
    scheduler = set_up(name, rates, length)
    if as_json:
        print_json(document(name, scheduler, length, result))
    else:
        print_result(code(name, scheduler, length, result).rstrip())


def _print_all(rates: LearningRates, length: Length | None, result: Result, *, as_json: bool) -> None:
    if as_json and length is not None:
        print_json([document(name, set_up(name, rates, length), length, result) for name in KINDS])
    else:
        print_parts(_table(rates), "", _explanation(rates))


def _table(rates: LearningRates) -> RenderableType:
    table = plain_table()
    wide = console_for_result().width >= _WIDE
    for column in ("scheduler", "LR", *["class"] * wide, "what it does"):
        table.add_column(column, overflow="fold", no_wrap=column != "what it does")
    for name, kind in KINDS.items():
        lr = rate_of(kind, rates)
        cell = format_range(rates.low, lr) if kind.rate == "range" else format_lr(lr)
        table.add_row(name, cell, *[kind.scheduler] * wide, kind.note)
    return table


def _explanation(rates: LearningRates) -> str:
    how = "Code for one of them: --scheduler NAME --epochs E --steps-per-epoch N"
    if rates.given:
        return f"The LR is the highest of each schedule, as given by --lr.\n{how}"
    return (
        f"A schedule that decays to 0 has a mean of half its peak, so its peak may be twice the constant LR of "
        f"{format_lr(rates.suggested['constant'])}. Staircases stay at their top for long, and take the constant one.\n"
        + how
    )
