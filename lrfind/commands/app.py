"""The `lrfind` command: joins the subcommands, and turns their outcome into an exit code."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import lrfind
from lrfind.commands.own_exit import OwnExit
from lrfind.errors import ExitCode, Fault, LrfindError, OutputError, StoppedError, interrupts
from lrfind.output.streams import flush, open_closed_streams, report_error, take_any_text, tell
from lrfind.training.distributed.launch import is_alone, is_first

COMMANDS = {
    "init": "Write a commented config that runs as it is, and its Python.",
    "run": "Sweep the learning rate of a training and suggest one.",
    "check": "Check that the learning rate of a config is safe to train with.",
    "analyze": "Read the learning rate from a recorded curve, without training.",
    "plot": "Draw one record, or compare up to 12 in one picture and a table.",
    "schedule": "Print a PyTorch LR scheduler for the suggested learning rate.",
    "explain": "Train at a tenth of the LR, at the LR, and at ten times the LR.",
}
"""The subcommands in the order of the help. `lrfind.commands.NAME` holds the function NAME and is loaded when the
command is used: the help of all of them, with the first line of each, loads none."""


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""Errors of writing, which name no file when it is stdout."""


class _LazyCommand(TyperCommand):
    """Stands for a subcommand until it is used."""

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        with _said_to_load(quiet=bool({"-q", "--quiet"} & set(args))):
            command = _loaded(self.name or "")
        return command.make_context(info_name, args, parent=parent, **extra)


@contextlib.contextmanager
def _said_to_load(*, quiet: bool) -> Iterator[None]:
    """Say on a terminal that a command is being loaded, which takes half a second, and take it back afterwards."""
    shown = not quiet and getattr(sys.stderr, "isatty", bool)() and os.environ.get("TERM") != "dumb"
    line = "loading lrfind"
    if shown:
        tell(line, end="\r")
    yield
    if shown:
        tell(" " * len(line), end="\r")


def _loaded(name: str) -> Any:
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")
    kind = importlib.import_module("lrfind.commands.command").Command
    alone.command(name, cls=kind)(getattr(importlib.import_module(f"lrfind.commands.{name}"), name))
    return typer.main.get_command(alone)


class _Group(TyperGroup):
    """The root, which knows its subcommands by name."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, summary in COMMANDS.items():
            self.commands[name] = _LazyCommand(name, help=summary, rich_markup_mode="markdown")

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help as click does: what draws typer's takes as long to load as all the rest."""
        super(TyperGroup, self).format_help(ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:  # as of completion
            typer.echo(ctx.get_help())
            raise typer.Exit(ExitCode.USAGE)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        return without_types_of_flags(super().get_params(ctx))


def without_types_of_flags(params: list[Any]) -> list[Any]:
    """Return parameters whose help names no type beside a flag, which takes no value."""
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


app = typer.Typer(
    name="lrfind",
    cls=_Group,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lrfind {lrfind.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Find the learning rate of a PyTorch training."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors are printed, never raised.

    Args:
        arguments: What stands behind `lrfind`; those of this process by default.
    """
    code = _main(arguments)
    if interrupts.stopped() and code != ExitCode.INTERRUPTED:
        tell("lrfind: interrupted after the measurement; what was said of it is whole")
        code = ExitCode.INTERRUPTED
    if pipeline := sys.modules.get("lrfind.pipeline"):  # a run was made
        code = pipeline.agree_on_exit(code)
    return code


def _main(arguments: list[str] | None) -> int:
    try:
        app(args=arguments, prog_name="lrfind")
    except SystemExit as leaving:
        if isinstance(leaving.__context__, BrokenPipeError):  # of help or version; their reader has seen enough
            return ExitCode.OK
        return leaving.code if isinstance(leaving.code, int) else ExitCode.FAILED
    except KeyboardInterrupt:  # before there was a command to interrupt
        return _reported(StoppedError())
    except LrfindError as error:
        return _reported(error)
    except OSError as error:
        return _reported(OutputError(_about(error)) if error.errno in FULL else LrfindError(_about(error)))
    return ExitCode.OK


def _about(error: OSError) -> Fault:
    """Return what an error of the system is about."""
    problem = error.strerror or str(error)
    if error.filename is not None:
        return Fault(problem=f"{error.filename}: {problem}")
    if error.errno in FULL:
        return Fault(problem=f"cannot write to stdout: {problem}")
    try:
        os.getcwd()  # noqa: PTH109 - is asked for its error
    except OSError:
        return Fault(problem=f"the current folder has gone: {problem}", fix="go to another one")
    return Fault(problem=str(error))


def _reported(error: LrfindError) -> ExitCode:
    if error.told is None and not is_first():
        time.sleep(5)  # as a rule the first process tells the same, and torchrun ends this one meanwhile
    report_error(error)
    return error.exit_code


def entry() -> None:
    """Run `lrfind` as a process of its own, and end that.

    It ends without freeing torch's modules one by one, which would take as long as half of importing them, and without
    waiting for threads of the user's that never end.
    """
    open_closed_streams()
    take_any_text()
    interrupts.Forks()
    own_exit = OwnExit()
    if not is_alone():
        interrupts.end_with_parent()  # torchrun may be killed, which it cannot tell
    if not is_first():
        for number in interrupts.END:  # this process has nothing to keep
            signal.signal(number, lambda *_: interrupts.leave(ExitCode.INTERRUPTED))
    code = main()
    for number in interrupts.END:
        signal.signal(number, signal.SIG_IGN)  # the outcome stands
    flush(sys.stdout)
    flush(sys.stderr)
    own_exit.leave_in_order(code)
