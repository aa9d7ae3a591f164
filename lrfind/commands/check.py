"""`lrfind check`: is the learning rate of a config in the safe range? For CI, before a long training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from lrfind.check.text import as_document, as_markdown, as_text
from lrfind.check.verdict import Verdict, baseline_rate, judge
from lrfind.commands.options import ConfigArgument, Device, Json, Quiet, RecordFolder, Seed
from lrfind.commands.record_files import load
from lrfind.commands.training_run import checked_config, sweep
from lrfind.config.schema import Config
from lrfind.errors import ConfigError, ExitCode, Fault
from lrfind.output.files import check_writable
from lrfind.output.formats import console_for_result, one_format, print_json, save, tell_files
from lrfind.output.help_links import REFUSALS, help_line
from lrfind.output.streams import print_result, tell
from lrfind.records.types import Result
from lrfind.training.distributed.launch import is_first

CheckFormat = Literal["text", "json", "markdown"]


def check(
    config: ConfigArgument,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Overrides, such as optimizer.lr=0.1.")
    ] = None,
    lr: Annotated[
        float | None, typer.Option(metavar="LR", help="The LR to judge; default: optimizer.lr of the config.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="RECORD", help="A record whose suggestion this one must be near.")
    ] = None,
    tolerance: Annotated[float, typer.Option(metavar="FACTOR", help="How near, as a factor either way.")] = 2.0,
    form: Annotated[CheckFormat, typer.Option("--format", help="What to print to stdout.")] = "text",
    as_json: Json = False,
    out: RecordFolder = None,
    device: Device = None,
    seed: Seed = None,
    quiet: Quiet = False,
) -> None:
    """Check that the learning rate of a config is safe to train with.

    Runs the search of `lrfind run`, and checks that the LR lies in the safe range. --against also checks that the
    suggestion has not drifted from that of a record. Writes nothing without --out.

    Exit codes: 0 inside, 1 the run failed, 2 usage or config fault, 3 no LR can be trusted, 4 outside the safe range or
    drifted, 130 interrupted.

    For example:

    - `lrfind check configs/digits.yaml --lr 0.1 && python train.py`
    - `lrfind check configs/digits.yaml --lr 0.1 --format markdown >> "$GITHUB_STEP_SUMMARY"`
    - `lrfind check configs/digits.yaml --against main.lrfind.json --tolerance 2`
    """
    form = one_format(str(config), form, as_json=as_json)
    settings = checked_config(config, overrides or (), {"device": ("--device", device), "seed": ("--seed", seed)})
    judged = _lr(settings, lr, str(config), needed=against is None)
    baseline = _baseline(against, tolerance, str(config))
    if out is not None and is_first():
        check_writable(out)
    verdict = judge(sweep(settings, str(config), quiet=quiet), judged, baseline, tolerance)
    if not is_first():
        raise typer.Exit(verdict.exit_code)
    files, fault = ([], None) if out is None else save(verdict.result, out / config.stem, settings.output.plot)
    _print(verdict, form, files, baseline)
    if not quiet:
        tell_files(files)
        if form == "text" and verdict.exit_code is ExitCode.NO_SUGGESTION:
            tell(f"lrfind: {help_line(REFUSALS)}")
    if fault:
        tell(f"lrfind: {fault}")
    raise typer.Exit(ExitCode.FAILED if fault else verdict.exit_code)


def _lr(config: Config, lr: float | None, source: str, *, needed: bool) -> float | None:
    """Return the learning rate to judge; None if there is none and none is needed."""
    flag = "--lr" if lr is not None else "optimizer.lr"
    value = lr if lr is not None else (config.optimizer or {}).get("lr")
    if value is None and needed:
        expected = "the learning rate that is trained with"
        raise ConfigError(source, [Fault(flag, expected=expected, got="none", fix="set it, or say --lr")])
    if value is not None and not (isinstance(value, (int, float)) and 0 < value < math.inf):
        raise ConfigError(source, [Fault(flag, expected="a number above 0", got=f"{value!r}")])
    return value


def _baseline(against: str | None, tolerance: float, source: str) -> Result | None:
    if not 1 <= tolerance < math.inf:
        raise ConfigError(source, [Fault("--tolerance", expected="a factor of at least 1", got=f"{tolerance:g}")])
    if against is None:
        return None

    baseline = load(against).result
    baseline_rate(baseline, baseline)  # a baseline without a suggestion is found before the sweep
    return baseline


def _print(verdict: Verdict, form: CheckFormat, files: list[Path], baseline: Result | None) -> None:
    if form == "json":
        print_json(as_document(verdict))
    elif form == "markdown":
        print_result(as_markdown(verdict, files, baseline, ascii_only=console_for_result().options.ascii_only))
    else:
        print_result(as_text(verdict))
