"""`lrfind run`: sweep, analyze, plot, report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from lrfind.commands import completion
from lrfind.commands.destinations import Destination, destinations, write_to
from lrfind.commands.finished_runs import failure
from lrfind.commands.options import (
    Budget,
    ConfigName,
    CwdCopy,
    Device,
    EndLR,
    Epochs,
    Json,
    Log,
    LossChoice,
    Mark,
    MaxTime,
    Module,
    NumIter,
    OptimizerChoice,
    Quiet,
    Refine,
    Report,
    ScheduleName,
    Seed,
    StartLR,
    Training,
    TrainSteps,
)
from lrfind.commands.run_many import OUTCOME, run_all, split
from lrfind.commands.script_command import (
    IN_CONFIG,
    IN_SCRIPT,
    ScriptOptions,
    given_settings,
    needed,
    refuse_options,
    run_script,
    script_of,
)
from lrfind.commands.training_run import checked_config, config_named, exit_code, sweep, tell_interrupt
from lrfind.commands.trial import show_trial
from lrfind.commands.write_config import TunedConfig, tuned_config
from lrfind.config.schema import Config
from lrfind.errors import ConfigError, ExitCode, Fault, LrfindError, OutputError, StoppedError
from lrfind.output.formats import Format, check_places, one_format, show
from lrfind.output.look import Look
from lrfind.output.run_files import RunFiles
from lrfind.output.streams import print_result, stdout_for_result, tell
from lrfind.pipeline import try_out
from lrfind.records.json_format import dumps, to_json
from lrfind.training.distributed.launch import is_alone, is_first

KeepDocument = Callable[[str], None]
"""Writes the JSON document of a run to the file for it, if there is one."""


def run(
    config: Training = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- ARGS]|KEY=VALUE",
            help="Arguments of the script; or more configs, and overrides: optimizer.momentum=0.95.",
            autocompletion=completion.overrides,
        ),
    ] = None,
    module: Module = None,
    config_name: ConfigName = None,
    form: Annotated[Format, typer.Option("--format", help="What to print to stdout.")] = "text",
    as_json: Json = False,
    out: Annotated[str | None, typer.Option(metavar="DIR", help="Folder of the record and the plot.")] = None,
    plot: Annotated[str | None, typer.Option(metavar="FORMAT", help="png, svg, pdf or none.")] = None,
    report: Report = None,
    log: Log = None,
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
    apply: Annotated[bool, typer.Option("--apply", help="Train on with the script and the LR found.")] = False,
    set_lr: Annotated[
        float | None, typer.Option(metavar="LR", help="Train with the script and this LR, without a search.")
    ] = None,
    cwd_copy: CwdCopy = False,
    mark: Mark = None,
    quiet: Quiet = False,
    write_config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the config with the LR filled in.", show_default=False)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what exists, of --write-config, or is read-only.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Build everything, train one step, say what would run.")
    ] = False,
    outcome: Annotated[Path | None, typer.Option(OUTCOME, hidden=True)] = None,
) -> None:
    """Find the learning rate of a training script as it stands, or of a config.

    A script is run anew for the sweep and for each probe, with its learning rates set and its losses read; its
    arguments follow `--`. An option replaces what the script shows, or the config says. --apply trains on with what
    was found; the exit code is then that of the script.

    Saves the record (TRAIN.lrfind.json) and the loss-vs-LR plot, and prints the suggestion. --write-config writes a
    copy of a config with the suggested LR as optimizer.lr and with the overrides.

    Several configs run one after the other, also after one fails, and end in a table. --json prints one line of
    JSON for each config. --format lr prints CONFIG, a tab and the LR; for a single config, the LR alone.

    Exit codes: 0 an LR is suggested, 1 the run failed, 2 command line or config at fault, 3 no LR can be trusted,
    130 interrupted; the worst of several.

    For example:

    - `lrfind run train.py -- --epochs 3`
    - `lrfind run -m package.train --apply -- --epochs 3`
    - `torchrun --nproc-per-node 2 -m lrfind run train.py`
    - `lrfind run configs/digits.yaml optimizer.momentum=0.95 --num-iter 200`
    - `lrfind run train.yaml --write-config tuned.yaml && lrfind check tuned.yaml`
    - `lrfind run configs/digits*.yaml --json > found.jsonl`
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
        "budget": ("--budget", budget),
        "max_time": ("--max-time", max_time),
        "train.steps": ("--train-steps", train_steps),
        "train.epochs": ("--epochs", epochs),
        "train.schedule": ("--schedule", schedule),
    }
    of_script = {
        "--optimizer": optimizer,
        "--loss": loss,
        "--apply": apply,
        "--set-lr": set_lr,
        "--cwd-copy": cwd_copy,
    }
    look = Look(mark=mark)
    config = config_named(config, config_name)
    script = script_of(config, module, overrides or ())
    if script is not None:
        refuse_options("lrfind run", {"--device": device, "--write-config": write_config}, IN_SCRIPT)
        known = given_settings(flags)
        options = ScriptOptions(known, optimizer, loss, apply=apply, lr=set_lr, copies=cwd_copy)
        form = one_format(script.source, form, as_json=as_json)
        with _outcome_kept(outcome, script.source, form):
            to = _destinations(report, log, look)
            code = run_script(script, options, form, out, plot, look, to, quiet=quiet, trial=dry_run, force=force)
            raise typer.Exit(code)
    refuse_options("lrfind run", of_script, IN_CONFIG)
    given = {key: flag for key, flag in flags.items() if flag[1] is not None}
    configs, values = split([needed(config, "lrfind run"), *(overrides or ())])
    form = one_format(configs[0], form, as_json=as_json)
    if len(configs) > 1:
        _check_several(configs, {"--write-config": write_config, "--report": report})
        passed = [*([] if mark is None else [f"--mark={mark}"]), *(f"--log={tracker}" for tracker in log or ())]
        passed += ["--force"] * force
        raise typer.Exit(run_all(configs, values, given, form, passed, quiet=quiet, dry_run=dry_run))
    path = Path(configs[0])
    with _outcome_kept(outcome, configs[0], form) as keep:
        settings = checked_config(path, values, given, quiet=quiet)
        tuned, to = None, _destinations(report, log, look)
        if is_first():
            check_places(Path(settings.output.dir) / path.stem, settings.output.plot, force=force)
            if write_config is not None:
                tuned = tuned_config(path, values, settings, write_config, force=force)
        if dry_run:
            raise typer.Exit(_dry_run(settings, path, form, keep))
        raise typer.Exit(_run(settings, path, form, tuned, look, to, keep, quiet=quiet))


def _destinations(report: Path | None, log: list[str] | None, look: Look) -> list[Destination]:
    return destinations(report, log, look, "lrfind run") if is_first() else []


def _check_several(configs: list[str], files: dict[str, Path | None]) -> None:
    """Check that no file of a single config was asked for, by its flag, and that one process runs them."""
    expected, got, fix = "one config beside it", str(len(configs)), "run each with its own file"
    faults = [Fault(flag, expected=expected, got=got, fix=fix) for flag, file in files.items() if file is not None]
    if faults:
        raise ConfigError("lrfind run", faults)
    if not is_alone():
        got, fix = str(len(configs)), "start torchrun once for each"
        raise ConfigError("lrfind run", [Fault("CONFIG", expected="one config under torchrun", got=got, fix=fix)])


@contextlib.contextmanager
def _outcome_kept(file: Path | None, source: str, form: Format) -> Iterator[KeepDocument]:
    """Yield what writes the JSON document of a run to `file`; a fault is written by itself.

    With --json a fault is printed as well: the reader of a pattern gets a line for each config, even for a single one.
    """

    def keep(document: str) -> None:
        if file is not None:
            file.write_text(document, encoding="utf-8")

    try:
        yield keep
    except (LrfindError, KeyboardInterrupt) as raised:
        error = raised if isinstance(raised, LrfindError) else StoppedError()
        document = dumps(failure(source, error.exit_code, str(error)), line=True)
        keep(document)
        if form == "json" and is_first() and error is raised:
            with contextlib.suppress(OutputError):  # the first fault counts
                print_result(document)
        raise


def _dry_run(config: Config, path: Path, form: Format, keep: KeepDocument) -> ExitCode:
    with stdout_for_result():
        title, loss = try_out(config, str(path))
    named = {"source": str(path), "config": config.model_dump(mode="json")}
    return show_trial(config.settings, title, loss, form, named, keep)


def _run(
    config: Config,
    path: Path,
    form: Format,
    tuned: TunedConfig | None,
    look: Look,
    to: Sequence[Destination],
    keep: KeepDocument,
    *,
    quiet: bool,
) -> ExitCode:
    kept = RunFiles(Path(config.output.dir) / path.stem) if is_first() else None
    result = sweep(config, str(path), quiet=quiet, files=kept)
    if kept is None:
        return exit_code(result)
    keep(to_json(result))
    files, fault = kept.save(result, config.output.plot, look)
    written, not_written = tuned.write(result, quiet=quiet) if tuned else ([], None)
    files += written
    tell_interrupt(result, quiet=quiet)
    show(result, form, files, look, quiet=quiet)
    faults = list(filter(None, (fault, not_written)))
    for each in faults:
        tell(f"lrfind: {each}")
    whole = write_to(to, result, path.stem, quiet=quiet)
    return exit_code(result) if whole and not faults else ExitCode.FAILED
