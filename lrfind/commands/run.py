"""`lrfind run`: sweep, analyze, plot, report."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrfind.commands.pipeline import exit_code, ready, sweep
from lrfind.commands.report import Format, one_format, save, show, tell_files
from lrfind.commands.streams import print_result, stdout_for_result, tell
from lrfind.errors import ExitCode, StoppedError
from lrfind.launch import is_first

if TYPE_CHECKING:
    from lrfind.config.schema import Config
    from lrfind.record import Result


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
    from lrfind.output.files import check_writable

    form = one_format(str(config), form, as_json=as_json)
    try:
        settings = ready(config, overrides or (), flags)
        if is_first():
            check_writable(Path(settings.output.dir))
        code = _dry_run(settings, str(config), form) if dry_run else _run(settings, config, form, quiet=quiet)
    except KeyboardInterrupt as interrupt:
        raise StoppedError from interrupt
    raise typer.Exit(code)


def _dry_run(config: Config, source: str, form: Format) -> ExitCode:
    from lrfind.api import try_out

    with stdout_for_result():
        title, loss = try_out(config, source)
    usable = math.isfinite(loss)
    if not is_first():
        return ExitCode.OK if usable else ExitCode.FAILED
    settings = config.sweep
    plan = {
        "title": title,
        "num_iter": settings.num_iter,
        "start_lr": settings.start_lr,
        "end_lr": settings.end_lr,
        "mode": settings.mode,
        "first_loss": loss if usable else None,
    }
    if form is Format.JSON:
        document = {"dry_run": plan, "config": config.model_dump(mode="json")}
        print_result(json.dumps(document, indent=2, allow_nan=False))
    elif form is Format.TEXT:
        print_result(
            f"{title}\n{'works' if usable else 'runs'}: one step was trained, with a loss of {loss:.4g}\n"
            f"would sweep {settings.num_iter} steps, {settings.mode}, from {settings.start_lr:g} to {settings.end_lr:g}"
        )
    if not usable:
        tell(f"lrfind: the first loss is {loss}: look for it in the data, the model or the loss")
    return ExitCode.OK if usable else ExitCode.FAILED


def _run(config: Config, path: Path, form: Format, *, quiet: bool) -> ExitCode:
    result = sweep(config, str(path), quiet=quiet)
    if not is_first():
        return exit_code(result)
    files, fault = save(result, Path(config.output.dir) / path.stem, config.output.plot)
    if not quiet:
        _tell_of(result, form, files)
    show(result, form, files)
    if fault:
        tell(f"lrfind: {fault}")
    return ExitCode.FAILED if fault else exit_code(result)


def _tell_of(result: Result, form: Format, files: list[Path]) -> None:
    """Say on stderr what a person would want to know beside the result."""
    from lrfind.record import StopReason

    last = result.sweeps[-1]
    if last.stop_reason is StopReason.INTERRUPTED:
        tell(f"lrfind: interrupted after {len(last.losses)} steps; what was measured is kept")
    tell_files(form, files)
