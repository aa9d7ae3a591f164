"""What all subcommands have in common; loaded with the first that is used."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from typer.core import TyperCommand

from lrfind.commands.app import without_types_of_flags
from lrfind.commands.finished_runs import failure
from lrfind.errors import OutputError, StoppedError, interrupts
from lrfind.output.streams import print_result
from lrfind.records.json_format import dumps
from lrfind.training.distributed.launch import is_first


class Command(TyperCommand):
    """A subcommand: may be interrupted, and says so also to a reader of JSON."""

    def invoke(self, ctx: Any) -> Any:
        """Call the function of the command.

        Raises:
            OSError: The current folder has gone.
            StoppedError: It was interrupted, and nothing is kept: who keeps something catches the interrupt before.
        """
        try:
            with interrupts.interruptible():
                os.getcwd()  # noqa: PTH109 - without one, a library of torch ends the process as it is loaded
                return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            interrupts.hold()
            stopped = StoppedError()
            if is_first() and (ctx.params.get("as_json") or ctx.params.get("form") == "json"):
                source = str(ctx.params.get("config") or ctx.params.get("record") or self.name)
                with contextlib.suppress(OutputError):  # the interrupt is told in any case
                    print_result(dumps(failure(source, stopped.exit_code, str(stopped)), line=True))
            raise stopped from interrupt

    def get_params(self, ctx: Any) -> list[Any]:
        """Return its parameters."""
        return without_types_of_flags(super().get_params(ctx))
