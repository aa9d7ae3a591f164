"""`lrfind run`: sweep, analyze, plot, report."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrfind.commands.streams import console_for_people, print_result, stdout_for_result, tell
from lrfind.errors import ConfigError, ExitCode, Fault, OutputError, StoppedError
from lrfind.launch import is_first

if TYPE_CHECKING:
    from lrfind.config.schema import Config
    from lrfind.record import Result


class Format(str, enum.Enum):
    """What is printed to stdout."""

    TEXT = "text"
    JSON = "json"
    LR = "lr"


def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML config.", show_default=False)],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Overrides, such as optimizer.momentum=0.95.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="What to print to stdout.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    out: Annotated[str | None, typer.Option(metavar="DIR", help="Folder of the record and the plot.")] = None,
    plot: Annotated[str | None, typer.Option(metavar="FORMAT", help="png, svg, pdf or none.")] = None,
    device: Annotated[str | None, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps, ...")] = None,
    seed: Annotated[str | None, typer.Option(metavar="N", help="Seed of the weights and the batch order.")] = None,
    num_iter: Annotated[str | None, typer.Option(metavar="N", help="Steps of the sweep.")] = None,
    start_lr: Annotated[str | None, typer.Option(metavar="LR", help="First learning rate.")] = None,
    end_lr: Annotated[str | None, typer.Option(metavar="LR", help="Last learning rate.")] = None,
    refine: Annotated[bool, typer.Option("--refine", help="Check the LR by more and longer trainings.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the result and errors.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Build all, train one step, say what would run.")] = False,
) -> None:
    """Sweep the learning rate of a training and suggest one.

    Saves the record (CONFIG.lrfind.json) and the loss-vs-LR plot, and prints the suggestion.

    Exit codes: 0 an LR is suggested, 1 the run failed, 2 usage or config fault, 3 no LR can be trusted,
    130 interrupted.

    For example:

    - `lrfind run configs/digits.yaml`
    - `lrfind run configs/digits.yaml optimizer.momentum=0.95 --num-iter 200`
    - `LR=$(lrfind run configs/digits.yaml --format lr)`
    """
    flags = {
        "output.dir": ("--out", out),
        "output.plot": ("--plot", plot),
        "device": ("--device", device),
        "seed": ("--seed", seed),
        "sweep.num_iter": ("--num-iter", num_iter),
        "sweep.start_lr": ("--start-lr", start_lr),
        "sweep.end_lr": ("--end-lr", end_lr),
        "refine": ("--refine", refine or None),
    }
    given = {key: flag for key, flag in flags.items() if flag[1] is not None}
    form = _one_format(str(config), form, as_json=as_json)
    try:
        with stdout_for_result():
            settings = _ready(config, overrides or (), given)
        code = _dry_run(settings, str(config), form) if dry_run else _run(settings, config, form, quiet=quiet)
    except KeyboardInterrupt as interrupt:
        raise StoppedError from interrupt
    raise typer.Exit(code)


def _one_format(source: str, form: Format, *, as_json: bool) -> Format:
    if as_json and form not in (Format.TEXT, Format.JSON):
        raise ConfigError(source, [Fault("--json", f"is short for --format json, got --format {form.value} as well")])
    return Format.JSON if as_json else form


def _ready(path: Path, overrides: Sequence[str], flags: Mapping[str, tuple[str, Any]]) -> Config:
    """Return the config once all that can be found wrong before a long run has been looked for."""
    from lrfind.api import read_config
    from lrfind.output.files import check_writable

    config = read_config(path, overrides, flags)
    if is_first():
        check_writable(Path(config.output.dir))
    return config


def _dry_run(config: Config, source: str, form: Format) -> ExitCode:
    from lrfind.api import try_out

    with stdout_for_result():
        title, loss = try_out(config, source)
    usable = math.isfinite(loss)
    if not is_first():
        return ExitCode.OK if usable else ExitCode.FAILED
    sweep = config.sweep
    plan = {
        "title": title,
        "num_iter": sweep.num_iter,
        "start_lr": sweep.start_lr,
        "end_lr": sweep.end_lr,
        "mode": sweep.mode,
        "first_loss": loss if usable else None,
    }
    if form is Format.JSON:
        document = {"dry_run": plan, "config": config.model_dump(mode="json")}
        print_result(json.dumps(document, indent=2, allow_nan=False))
    elif form is Format.TEXT:
        print_result(
            f"{title}\n{'works' if usable else 'runs'}: one step was trained, with a loss of {loss:.4g}\n"
            f"would sweep {sweep.num_iter} steps, {sweep.mode}, from {sweep.start_lr:g} to {sweep.end_lr:g}"
        )
    if not usable:
        tell(f"lrfind: the first loss is {loss}: look for it in the data, the model or the loss")
    return ExitCode.OK if usable else ExitCode.FAILED


def _run(config: Config, path: Path, form: Format, *, quiet: bool) -> ExitCode:
    from lrfind.api import run as run_pipeline
    from lrfind.commands.progress import watched

    people = console_for_people()
    with stdout_for_result(), watched(people, quiet=quiet or not is_first()) as observer:
        result = run_pipeline(config, str(path), observer)
    if not is_first():
        return exit_code(result)
    files, fault = _save(result, Path(config.output.dir) / path.stem, config.output.plot)
    if not quiet:
        _tell_of(result, form, files)
    _print(result, form, files)
    if fault:
        tell(f"lrfind: {fault}")
    return ExitCode.FAILED if fault else exit_code(result)


def _tell_of(result: Result, form: Format, files: list[Path]) -> None:
    """Say on stderr what a person would want to know beside the result."""
    from lrfind.record import StopReason

    sweep = result.sweeps[-1]
    if sweep.stop_reason is StopReason.INTERRUPTED:
        tell(f"lrfind: interrupted after {len(sweep.losses)} steps; what was measured is kept")
    if form is not Format.TEXT:
        for file in files:
            tell(f"wrote {file}")


def _save(result: Result, stem: Path, plot: str) -> tuple[list[Path], str | None]:
    """Write the record and the plot; return what was written, and what could not be."""
    from lrfind.document import to_json
    from lrfind.output.files import write_atomically

    files = []
    try:
        record = stem.with_name(f"{stem.name}.lrfind.json")
        write_atomically(record, (to_json(result) + "\n").encode())
        files.append(record)
        if plot != "none":
            from lrfind.output.plot import save_plot

            picture = stem.with_name(f"{stem.name}.lrfind.{plot}")
            save_plot(result, picture)
            files.append(picture)
    except OutputError as error:
        return files, str(error)
    return files, None


def _print(result: Result, form: Format, files: list[Path]) -> None:
    from lrfind.document import to_json
    from lrfind.output.text import format_lr

    if form is Format.JSON:
        print_result(to_json(result))
    elif form is Format.TEXT:
        _print_report(result, files)
    elif result.analysis.suggested_lr is not None:
        print_result(format_lr(result.analysis.suggested_lr))
    else:
        tell(f"lrfind: no learning rate: {result.analysis.message}")


def _print_report(result: Result, files: list[Path]) -> None:
    from rich.console import Console

    from lrfind.output.text import report

    console = Console()
    with console.capture() as captured:
        report(result, console, files)
    print_result(captured.get().rstrip("\n"))


def exit_code(result: Result) -> ExitCode:
    """Return the exit code that tells a shell how a run went."""
    from lrfind.record import Status, StopReason

    ends = [*(sweep.stop_reason for sweep in result.sweeps), *(probe.stop_reason for probe in result.probes)]
    if StopReason.INTERRUPTED in ends:
        return ExitCode.INTERRUPTED
    if result.error is not None:
        return ExitCode.FAILED
    return ExitCode.OK if result.analysis.status is Status.OK else ExitCode.NO_SUGGESTION
