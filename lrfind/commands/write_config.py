"""`--write-config OUT`: the config of a run with the learning rate that it found filled in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lrfind.commands.training_run import exit_code
from lrfind.config.fill_lr import Draft, read_draft
from lrfind.config.schema import Config
from lrfind.errors import ConfigError, ExitCode, Fault, OutputError
from lrfind.output.curve import format_lr
from lrfind.output.files import check_replaceable, check_writable, write_atomically
from lrfind.output.streams import tell
from lrfind.records.types import Result

FLAG = "--write-config"
WAY_OUT = f"make room there, or name another file with {FLAG}"


@dataclass(frozen=True)
class TunedConfig:
    """A config to write once its learning rate is known.

    Attributes:
        draft: The config that is swept.
        out: Where to write.
        before: What the file held before the run; None if it did not exist.
    """

    draft: Draft
    out: Path
    before: bytes | None

    def write(self, result: Result, *, quiet: bool) -> tuple[list[Path], str | None]:
        """Write the config if the run found a learning rate; return the written files, or a fault."""
        lr = result.analysis.suggested_lr
        if lr is None or exit_code(result) is not ExitCode.OK:
            why = "no learning rate is suggested" if lr is None else "the run was cut short"
            tell(f"lrfind: {self.out} was not written, as {why}")
            return [], None
        try:
            text = self.draft.filled(float(format_lr(lr)))  # as the report says it: no digit more is known
            if _content(self.out) != self.before:
                problem = "has changed during the run and was left as it is"
                return [], f"{self.out}: {problem}; set optimizer.lr={format_lr(lr)} yourself"
            write_atomically(self.out, text.encode(), WAY_OUT)
        except (ConfigError, OutputError) as error:
            return [], str(error)
        if not quiet:
            self._tell_notes(result)
        return [self.out], None

    def _tell_notes(self, result: Result) -> None:
        """Say on stderr what the written config lost, and what the user has to check."""
        if reference := self.draft.reference:
            tell(f"lrfind: {self.out}: optimizer.lr was {reference} and is a number now")
        if len(result.groups) > 1 and self.draft.makes_own_groups:
            name, lr = next(iter(result.group_lrs.items()))
            tell(f"lrfind: {self.out}: the optimizer makes its groups itself; see that it trains {name} at {lr:.3g}")


def tuned_config(config: Path, overrides: Sequence[str], settings: Config, out: Path, *, force: bool) -> TunedConfig:
    """Return the config to write, after checking everything that could stop the writing after a long run.

    Args:
        config: The config that is swept.
        overrides: Each `key=value`.
        settings: What it says with them, its targets checked.
        out: Where to write.
        force: Whether a file that is there may be replaced.

    Raises:
        ConfigError: There is such a file, or the learning rate cannot be filled in.
        OutputError: Nothing can be written there.
    """
    if str(out) == "-":
        fault = Fault(FLAG, expected="the name of a file", got="-", fix="stdout is for the result")
        raise ConfigError(str(config), [fault])
    before = _content(out)
    if os.path.lexists(out) and not force:  # also a link to nowhere, or a pipe
        name = "is the config itself" if out.exists() and out.samefile(config) else "exists"
        fault = Fault(FLAG, problem=f"{out} {name}", fix="name another file, or add --force to replace it")
        raise ConfigError(str(config), [fault])
    draft = read_draft(config, overrides, settings, out)
    check_writable(out.parent, WAY_OUT)
    check_replaceable(out, force=force)
    return TunedConfig(draft, out, before)


def _content(path: Path) -> bytes | None:
    """Return what a file holds; None if there is none, or a pipe or device, which may never end."""
    try:
        return None if path.exists() and not (path.is_file() or path.is_dir()) else path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        problem = f"cannot write {path}: {error.strerror or error}"
        raise OutputError(Fault(problem=problem, fix=f"name another file with {FLAG}")) from error
