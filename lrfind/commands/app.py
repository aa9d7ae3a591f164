"""The `lrfind` command: joins the subcommands, and turns their outcome into an exit code."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from typing import Annotated

import typer

import lrfind
from lrfind.commands.run import run
from lrfind.errors import ExitCode, LrfindError, UserCodeError

app = typer.Typer(
    name="lrfind",
    no_args_is_help=True,
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


app.command()(run)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors are printed, never raised.

    Args:
        arguments: What stands behind `lrfind`; those of this process by default.
    """
    try:
        app(args=arguments, prog_name="lrfind")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else ExitCode.OK
    except LrfindError as error:
        report_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("lrfind: interrupted before anything was measured", file=sys.stderr)
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def report_error(error: LrfindError) -> None:
    """Print an error for people, below the traceback of the user's own code if there is one."""
    if isinstance(error, UserCodeError) and error.user_traceback:
        print("Traceback in your code (most recent call last):", file=sys.stderr)
        print(error.user_traceback.rstrip(), file=sys.stderr)
    for line in str(error).splitlines():
        print(f"lrfind: {line}", file=sys.stderr)


def entry() -> None:
    """Run `lrfind` as a process of its own.

    It ends without freeing torch's modules one by one, which would take as long as half of importing them.
    """
    code: int = ExitCode.FAILED

    def leave() -> None:
        os._exit(code)

    atexit.register(leave)  # registered first, so that it runs after the exit handlers of all that is imported
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a killed run keeps what it measured, as with Ctrl-C
    code = main()
    for stream in (sys.stdout, sys.stderr):
        _flush(stream)


def _flush(stream: object) -> None:
    try:
        stream.flush()  # type: ignore[attr-defined]
    except (OSError, ValueError):  # the reader has gone: there is no one left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
