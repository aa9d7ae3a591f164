"""`lrfind explain`: short trainings below, at and above the suggested learning rate, and how each of them goes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from lrfind.commands.explain_script import explain_script, recorded_script
from lrfind.commands.options import Module, PictureFolder, Quiet
from lrfind.commands.record_files import STDIN, RecordFile, load
from lrfind.commands.script_command import IN_SCRIPT, ScriptOptions, refuse_options, script_of
from lrfind.commands.training_run import checked_config
from lrfind.config.schema import Config
from lrfind.errors import ConfigError, ExitCode, Fault, OutputError, RecordError, some
from lrfind.explain.config import TRUST, differences, trusted_config
from lrfind.explain.from_record import explain_probes
from lrfind.explain.interpretation import interpret
from lrfind.explain.text import as_document, as_parts
from lrfind.explain.trainings import train_at
from lrfind.explain.types import Explanation, Outcome
from lrfind.output.files import check_writable
from lrfind.output.formats import PlotFormat, console_for_result, print_json, print_parts
from lrfind.output.picture import loading_matplotlib, save_picture
from lrfind.output.progress import watched
from lrfind.output.streams import console_for_people, stdout_for_result, tell
from lrfind.pipeline import build
from lrfind.records.types import Result
from lrfind.settings import LearningRate, unlike
from lrfind.training.distributed.launch import is_first

WITH_CONFIG = "trains from a config, and this record has none"
STEPS = 100
"""Updates of each training, unless the probes of the record took more until an answer showed. A training at alpha does
most of its drop in fewer; a tenth of alpha is, by then, where alpha was after 10 to 40, so that it shows to lag."""

MOST_FACTOR = 1e6
"""Learning rates farther apart have nothing to do with each other."""


def explain(
    record: Annotated[
        str | None,
        typer.Argument(
            metavar="RECORD|TRAIN.py", help="What `lrfind run` wrote, - for stdin; or a script.", show_default=False
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- ARGS]|KEY=VALUE", help="Arguments of the script, or overrides of the config."),
    ] = None,
    module: Module = None,
    lr: Annotated[
        float | None,
        typer.Option(metavar="LR", help="Explain this LR; default: that of the record or the script."),
    ] = None,
    factor: Annotated[float, typer.Option(metavar="F", help="How far the others are below and above.")] = 10.0,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=10, help=f"Updates of each; default: {STEPS}, or as many as the longest probe had."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="CONFIG", help="The config to train; default: the one the record names.")
    ] = None,
    trust_record: Annotated[
        bool, typer.Option(TRUST, help="Train the config or the script that the record names, which runs as code.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, ...; default: the record's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all losses and findings as JSON.")] = False,
    out: PictureFolder = Path(),
    plot: Annotated[PlotFormat, typer.Option(help="Format of the picture.")] = "png",
    quiet: Quiet = False,
) -> None:
    """Train at a tenth of the LR, at the LR, and at ten times the LR.

    Makes three short trainings at a constant LR, from the same weights and on the same mini-batches. Usually one
    crawls, one descends, and one overshoots or diverges. What each does is read from its losses. Trains the config file
    that the record names, and says where it differs from the record. A record of `lrfind.find_lr` names none: its own
    probes are explained.

    Exit codes: 0 explained, 1 the training at the LR failed, 2 usage fault or unusable record, 3 the record suggests
    no LR, 130 interrupted.

    For example:

    - `lrfind explain digits.lrfind.json`
    - `lrfind explain train.py -- --lr 0.1`
    - `lrfind explain digits.lrfind.json --lr 0.01 --factor 3 --steps 400`
    - `lrfind run configs/digits.yaml --json | lrfind explain - --json`
    """
    _check_numbers(lr, factor)
    refuse = {"--config": config, TRUST: trust_record, "--device": device}
    if (script := script_of(record, module, overrides or ())) is not None:
        refuse_options("lrfind explain", refuse, IN_SCRIPT)
        explained = explain_script(script, None, lr, factor, steps or STEPS, ScriptOptions({}), quiet=quiet)
        raise typer.Exit(_end(explained, out / script.stem, plot, as_json=as_json, quiet=quiet))
    if record is None:
        raise ConfigError("lrfind explain", [Fault(expected="RECORD, TRAIN.py or -m MODULE", got="nothing")])
    source = load(record)
    name = "stdin" if record == STDIN else record
    script = None if config else recorded_script(source, name, trusted=trust_record)
    if script is None and config is None and source.result.source is None and source.result.probes:
        refuse_options(name, {**refuse, "--steps": steps, "KEY=VALUE": bool(overrides)}, WITH_CONFIG)
        explained = explain_probes(source.result, lr, name)
        raise typer.Exit(_end(explained, out / source.name, plot, as_json=as_json, quiet=quiet))
    place = Path() if script else _place(source, name, config, trusted=trust_record)
    alpha = lr if lr is not None else source.result.analysis.constant_lr
    if alpha is None:
        tell(f"lrfind: no learning rate to explain: {source.result.analysis.message} Or name one with --lr.")
        raise typer.Exit(ExitCode.NO_SUGGESTION)
    if plot != "none" and is_first():
        check_writable(out)
    length = steps or max([STEPS, *(probe.steps for probe in source.result.probes)])
    if script is not None:
        refuse_options(name, {"--device": device, "KEY=VALUE": bool(overrides)}, IN_SCRIPT)
        options = ScriptOptions({"seed": source.result.sweep.seed})
        explained = explain_script(script, source.result, alpha, factor, length, options, quiet=quiet)
        raise typer.Exit(_end(explained, out / source.name, plot, as_json=as_json, quiet=quiet))
    settings = _config(source.result, name, place, overrides or (), device, trusted=trust_record)
    if not (quiet or trust_record) and is_first():
        _tell_differences(settings, place, source.result)
    lrs = (alpha, alpha / factor, alpha * factor)
    explained = _train(settings, source.result, place, lrs, length, given=lr is not None, quiet=quiet)
    raise typer.Exit(_end(explained, out / source.name, plot, as_json=as_json, quiet=quiet))


def _end(explained: Explanation, stem: Path, plot: PlotFormat, *, as_json: bool, quiet: bool) -> ExitCode:
    """Draw the picture, print the report, and return the exit code."""
    path = stem.with_name(f"{stem.name}.lrfind.explain.{plot}")
    fault = _show(explained, path, plot, as_json=as_json, quiet=quiet) if is_first() else None
    return ExitCode.FAILED if fault else _exit_code(explained)


def _check_numbers(lr: float | None, factor: float) -> None:
    faults = []
    if not 1 < factor <= MOST_FACTOR:
        faults.append(Fault("--factor", expected=f"a number above 1, at most {MOST_FACTOR:g}", got=f"{factor:g}"))
    if lr is not None and (expected := unlike(lr, LearningRate)):
        faults.append(Fault("--lr", expected=expected, got=f"{lr:g}"))
    if faults:
        raise ConfigError("lrfind explain", faults)


def _place(source: RecordFile, name: str, config: Path | None, *, trusted: bool) -> Path:
    """Return where the config of a record lies: as named, as recorded, or as far from the record as from the run.

    Raises:
        RecordError: The record has no config that could be trained from.
        ConfigError: There is no such file.
    """
    recorded = source.result.source
    if recorded is None:
        expected, got = "a record of `lrfind run`, which names the config of the training", "another record or a curve"
        raise RecordError(Fault(expected=expected, got=got, fix="write a config, and `lrfind run` it"), source=name)
    places = [config] if config else list(dict.fromkeys((Path(recorded), source.folder / recorded)))
    yaml = [place for place in places if place.suffix in (".yaml", ".yml")]
    # Path.is_file raises on a name that no file can have.
    existing = next(filter(os.path.isfile, yaml), None)
    if existing is None and trusted:
        return places[-1]
    if existing is None:
        where = " or ".join(map(str, places))
        fix = "check the path" if config else f"name it with --config CONFIG, or add {TRUST} if you trust the record"
        fault = Fault("--config", expected="the config of the run", got=f"no YAML file at {where}", fix=fix)
        raise ConfigError(name, [fault])
    return existing


def _config(
    result: Result, name: str, place: Path, overrides: Sequence[str], device: str | None, *, trusted: bool
) -> Config:
    if not trusted:
        return checked_config(place, overrides, {"device": ("--device", device)})
    if overrides:
        problem = "does nothing beside overrides, which are of the config on disk"
        raise ConfigError(name, [Fault(TRUST, problem=problem, fix="drop one of them")])
    with stdout_for_result():
        return trusted_config(result, name, place, device)


def _tell_differences(config: Config, place: Path, result: Result) -> None:
    """Say on stderr where the config that is trained is not that of the record."""
    if keys := differences(config, result):
        tell(f"lrfind: {place} differs from the record in {some(keys, 3)}")
        tell(f"lrfind: to train what was recorded, pass the overrides of the run again, or add {TRUST}")


def _train(
    config: Config, result: Result, place: Path, lrs: Sequence[float], steps: int, *, given: bool, quiet: bool
) -> Explanation:
    """Train at the first of the learning rates and at the others, show people how it goes, and read what came of it."""
    with stdout_for_result(), watched(console_for_people(), quiet=quiet or not is_first()) as observer:
        trainings, device = train_at(lambda: build(config, str(place)), lrs, steps, observer)
    same = device == result.environment.get("device")
    title = result.title if same else f"{result.title}; here on {device}"
    return interpret(result, lrs[0], trainings, title, given=given)


def _show(explained: Explanation, path: Path, plot: PlotFormat, *, as_json: bool, quiet: bool) -> str | None:
    """Draw the picture at `path` and print the report; return why the picture could not be written."""
    fault = None
    if plot != "none":
        try:
            with loading_matplotlib():
                from lrfind.explain.plot import explanation_figure  # only for a picture

                save_picture(explanation_figure(explained), path)
        except OutputError as error:
            fault = str(error)
    if as_json:
        print_json(as_document(explained))
    else:
        print_parts(*as_parts(explained, console_for_result().width))
    if explained.interrupted and not quiet:
        tell("lrfind: interrupted; what was measured is kept")
    if fault:
        tell(f"lrfind: {fault}")
    elif plot != "none" and not quiet:
        tell(f"wrote {path}")
    return fault


def _exit_code(explained: Explanation) -> ExitCode:
    if explained.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.FAILED if explained.of_alpha.outcome is Outcome.FAILS else ExitCode.OK
