"""`lrfind check`: is the learning rate of a config in the safe range? For CI, before a long training."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lrfind.check.text import as_document, as_markdown, as_text
from lrfind.check.verdict import Verdict, baseline_rate, judge
from lrfind.commands.options import (
    Budget,
    ConfigName,
    CwdCopy,
    Device,
    EndLR,
    Epochs,
    Json,
    LossChoice,
    MaxTime,
    Module,
    NumIter,
    OptimizerChoice,
    Quiet,
    RecordFolder,
    Refine,
    ScheduleName,
    Seed,
    StartLR,
    Training,
    TrainingArgs,
    TrainSteps,
)
from lrfind.commands.record_files import load
from lrfind.commands.script_command import (
    IN_CONFIG,
    IN_SCRIPT,
    ScriptOptions,
    given_settings,
    needed,
    refuse_options,
    script_of,
    search,
)
from lrfind.commands.training_run import checked_config, config_named, sweep
from lrfind.config.schema import Config
from lrfind.errors import ConfigError, ExitCode, Fault, short
from lrfind.output.formats import check_places, console_for_result, one_format, print_json, tell_files
from lrfind.output.help_links import REFUSALS, help_line
from lrfind.output.run_files import RunFiles
from lrfind.output.streams import print_result, tell
from lrfind.records.types import Result
from lrfind.scripts.job import Script, check_script
from lrfind.settings import LearningRate, unlike
from lrfind.training.distributed.launch import is_first

CheckFormat = Literal["text", "json", "markdown"]


def check(
    config: Training = None,
    overrides: TrainingArgs = None,
    module: Module = None,
    config_name: ConfigName = None,
    lr: Annotated[
        float | None, typer.Option(metavar="LR", help="The LR to judge; default: that of the script or the config.")
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
    num_iter: NumIter = None,
    start_lr: StartLR = None,
    end_lr: EndLR = None,
    refine: Refine = False,
    budget: Budget = None,
    max_time: MaxTime = None,
    train_steps: TrainSteps = None,
    epochs: Epochs = None,
    schedule: ScheduleName = None,
    optimizer: OptimizerChoice = None,
    loss: LossChoice = None,
    cwd_copy: CwdCopy = False,
    quiet: Quiet = False,
) -> None:
    """Check that the learning rate of a script or a config is safe to train with.

    Runs the search of `lrfind run`, and checks that the LR lies in the safe range. --against also checks that the
    suggestion has not drifted from that of a record. Writes nothing without --out.

    Exit codes: 0 inside, 1 the run failed, 2 usage or config fault, 3 no LR can be trusted, 4 outside the safe range or
    drifted, 130 interrupted.

    For example:

    - `lrfind check train.py -- --lr 0.1 && python train.py --lr 0.1`
    - `lrfind check configs/digits.yaml --lr 0.1 --format markdown >> "$GITHUB_STEP_SUMMARY"`
    - `lrfind check configs/digits.yaml --against main.lrfind.json --tolerance 2`
    """
    config = config_named(config, config_name)
    script = script_of(config, module, overrides or ())
    flags = {
        "seed": ("--seed", seed),
        "sweep.num_iter": ("--num-iter", num_iter),
        "sweep.start_lr": ("--start-lr", start_lr),
        "sweep.end_lr": ("--end-lr", end_lr),
        "refine": ("--refine", refine or None),
        "budget": ("--budget", budget),
        "max_time": ("--max-time", max_time),
        "train.steps": ("--train-steps", train_steps),
        "train.epochs": ("--epochs", epochs),
        "train.schedule": ("--schedule", schedule),
    }
    if script is not None:
        refuse_options("lrfind check", {"--device": device}, IN_SCRIPT)
        options = ScriptOptions(given_settings(flags), optimizer, loss, copies=cwd_copy)
        source, stem, plot = script.source, script.stem, "png"
        checked = partial(_checked_script, script, options, lr, quiet=quiet)
    else:
        of_script = {"--optimizer": optimizer, "--loss": loss, "--cwd-copy": cwd_copy}
        refuse_options("lrfind check", of_script, IN_CONFIG)
        source = needed(config, "lrfind check")
        given = {**flags, "device": ("--device", device)}
        settings = checked_config(Path(source), overrides or (), given, quiet=quiet)
        stem, plot = Path(source).stem, settings.output.plot
        checked = partial(
            _checked_config, settings, source, _lr(settings, lr, source, needed=against is None), quiet=quiet
        )
    form = one_format(source, form, as_json=as_json)
    baseline = _baseline(against, tolerance, source)
    if out is not None and is_first():
        check_places(out / stem, plot)
    kept = RunFiles(out / stem) if out is not None and is_first() else None
    result, judged = checked(kept)
    verdict = judge(result, judged, baseline, tolerance)
    if not is_first():
        raise typer.Exit(verdict.exit_code)
    files, fault = kept.save(verdict.result, plot) if kept else ([], None)
    _print(verdict, form, files, baseline)
    if not quiet:
        tell_files(files)
        if form == "text" and verdict.exit_code is ExitCode.NO_SUGGESTION:
            tell(f"lrfind: {help_line(REFUSALS)}")
    if fault:
        tell(f"lrfind: {fault}")
    raise typer.Exit(ExitCode.FAILED if fault else verdict.exit_code)


def _checked_config(
    config: Config, source: str, lr: float | None, files: RunFiles | None, *, quiet: bool
) -> tuple[Result, float | None]:
    return sweep(config, source, quiet=quiet, files=files), lr


def _checked_script(
    script: Script, options: ScriptOptions, lr: float | None, files: RunFiles | None, *, quiet: bool
) -> tuple[Result, float | None]:
    """Return what a search of a script says, and the learning rate to judge: its own unless another one was given."""
    if lr is not None:
        _check_lr(script.source, "--lr", lr)
    check_script(script)
    result = search(script, options, quiet=quiet, files=files)
    return result, lr if lr is not None or result.script is None else result.script.lr


def _lr(config: Config, lr: float | None, source: str, *, needed: bool) -> float | None:
    """Return the learning rate to judge; None if there is none and none is needed."""
    flag = "--lr" if lr is not None else "optimizer.lr"
    value = lr if lr is not None else (config.optimizer or {}).get("lr")
    if value is None and needed:
        expected = "the learning rate that is trained with"
        raise ConfigError(source, [Fault(flag, expected=expected, got="none", fix="set it, or say --lr")])
    if value is not None:
        _check_lr(source, flag, value)
    return value


def _check_lr(source: str, flag: str, value: Any) -> None:
    if expected := unlike(value, LearningRate):
        raise ConfigError(source, [Fault(flag, expected=expected, got=short(value))])


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
