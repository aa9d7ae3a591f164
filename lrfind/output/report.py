"""What a person reads on stdout: the finding, the candidates, the curve, the facts, and what to do next."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lrfind.errors import shown
from lrfind.output.curve import format_lr, format_range, headline
from lrfind.output.next_step import next_step, place_to_change
from lrfind.output.table_style import plain_table
from lrfind.output.terminal_plot import LEAST_WIDTH, sketch
from lrfind.records.types import Result, StopReason

_SKETCH_WIDTH, _SKETCH_HEIGHT = 100, 14

_STOPPED = {
    StopReason.COMPLETED: "to the end of the range",
    StopReason.DIVERGED: "stopped because the loss blew up",
    StopReason.NON_FINITE: "stopped because the loss was no longer finite",
    StopReason.DATA_ENDED: "stopped because the data ran out",
    StopReason.INTERRUPTED: "interrupted by the user",
    StopReason.FAILED: "cut short because the training code raised",
}


_SHORT = {
    StopReason.COMPLETED: "not finite",
    StopReason.DIVERGED: "blew up",
    StopReason.NON_FINITE: "not finite",
    StopReason.DATA_ENDED: "out of data",
    StopReason.INTERRUPTED: "interrupted",
    StopReason.FAILED: "raised",
}


def report(result: Result, console: Console, files: Sequence[Path] = (), mark: float | None = None) -> None:
    """Print `result` for a person to read.

    Nothing is said by colour alone, and no character is printed that the console's encoding lacks.

    Args:
        result: What was found.
        console: Where to print.
        files: Files that were written, to be named.
        mark: A learning rate of the user's, to be compared with the suggestion; None for none.
    """
    _say(console, result.title)
    _say(console, _cut_short(result), style="bold")
    line = headline(result, ": ", "   ")
    _say(console, line if len(line) <= console.width else headline(result, ": ", "\n"), style="bold")
    _say(console, result.analysis.message)
    if result.analysis.candidates:
        console.print()
        console.print(_probes(result) if result.analysis.by_probes else _candidates(result, console))
    if console.width >= LEAST_WIDTH:
        console.print()
        width = min(console.width, _SKETCH_WIDTH)
        console.print(sketch(result, width, _SKETCH_HEIGHT, console.options.ascii_only, mark))
    console.print()
    for fact in (*([] if mark is None else [_beside(result, mark)]), *_facts(result)):
        _say(console, fact)
    for path in files:
        console.print(_encodable(f"Wrote: {path}", console), soft_wrap=True)  # in one piece, to be copied
    _say(console, f"Next: {next_step(result)}", style="bold")


def _cut_short(result: Result) -> str:
    """Return what came between, and how much it left; "" if the run came to its end."""
    if not result.cut_short:
        return ""
    losses = [each.losses for each in result.sweeps] + [each.losses for each in result.probes]
    how = "Interrupted" if result.interrupted else "Cut short by an error"
    return f"{how} after {sum(map(len, losses)):,} updates: what follows is read from those."


def _beside(result: Result, mark: float) -> str:
    """Return where a learning rate of the user's lies."""
    if not (safe := result.analysis.safe_range):
        return f"Your LR {format_lr(mark)}: there is no suggestion to compare it with"
    low, high = safe
    times = f"{format_lr(mark / high)} times above" if mark > high else f"{format_lr(low / mark)} times below"
    return f"Your LR {format_lr(mark)}: {'in' if low <= mark <= high else times} the safe range"


def _candidates(result: Result, console: Console) -> Table:
    """Return what each method reads from the sweep, where it reads anything."""
    table = plain_table()
    table.add_column("method", overflow="fold")
    table.add_column("LR", justify="right", min_width=len("1.23e-05"))
    table.add_column("note", overflow="fold")
    for candidate in result.analysis.candidates:
        if candidate.lr is not None:
            chosen = candidate.method == result.analysis.method
            cells = (candidate.method + (" (chosen)" if chosen else ""), format_lr(candidate.lr), candidate.note)
            table.add_row(*(_encodable(cell, console) for cell in cells), style="bold" if chosen else "")
    return table


def _probes(result: Result) -> Table:
    """Return how each probe ended: they have decided, and what the methods read from the sweep has not."""
    table = plain_table()
    table.add_column("probe at LR", justify="right", no_wrap=True)
    table.add_column("updates", justify="right", no_wrap=True)
    table.add_column("loss at the end", justify="right", no_wrap=True)
    held_out = any(probe.held_out for probe in result.probes)
    if held_out:
        table.add_column("on held-out data", justify="right", no_wrap=True)
    for probe in sorted(result.probes, key=lambda probe: (probe.lr, probe.steps)):
        end = f"{probe.end_loss:.4g}" if math.isfinite(probe.end_loss) else _SHORT[probe.stop_reason]
        cells = [format_lr(probe.lr), f"{probe.steps:,}", end]
        if held_out:
            cells.append(f"{statistics.fmean(probe.held_out[-1]):.4g}" if probe.held_out else "")
        table.add_row(*cells)
    return table


def _facts(result: Result) -> Iterator[str]:
    sweep = result.sweep
    number = "1 step" if len(sweep.lrs) == 1 else f"{len(sweep.lrs)} steps"
    rates = f", LR {format_range(sweep.lrs[0], sweep.lrs[-1])}" if sweep.lrs else ""
    which = f" (sweep {result.used + 1} of {len(result.sweeps)})" if len(result.sweeps) > 1 else ""
    yield f"Sweep: {number}{rates}, {_STOPPED[sweep.stop_reason]}{which}"
    if result.probes:
        updates = sum(len(probe.losses) for probe in result.probes)
        chosen = (each.note for each in result.analysis.candidates if each.method == result.analysis.method)
        why = f"; the LR is {next(chosen, '')}" if result.analysis.by_probes else ""
        yield f"Probes: {len(result.probes)} short trainings, {updates} steps{why}"
    if len(result.group_lrs) > 1:
        fixed = {group.name for group in result.groups if group.fixed_lr is not None}
        lrs = (f"{name} {format_lr(lr)}{' (not swept)' * (name in fixed)}" for name, lr in result.group_lrs.items())
        yield f"LR of each parameter group: {', '.join(lrs)}"
    yield from _facts_of_script(result)
    if result.error:
        yield f"Error: {result.error}"
    if result.timing:
        yield f"Time: {sum(result.timing.values()):.1f} s"


def _facts_of_script(result: Result) -> Iterator[str]:
    if result.script is None:
        return
    lr, steps = result.analysis.suggested_lr, result.settings.get("train", {}).get("steps")
    if steps is not None or result.script.scheduler:
        length = f" of {steps:,} updates" if steps is not None else ""
        scheduler = f" with {result.script.scheduler}" if result.script.scheduler else ""
        yield f"Training:{length}{scheduler}".replace(": of ", ": ").replace(": with ", ": ")
    if lr is not None and (place := place_to_change(result.script, lr)):
        yield f"Place: {place}"


def _say(console: Console, text: str, style: str = "") -> None:
    if text:
        line = _encodable(text, console)
        line.stylize(style)
        console.print(line)


def _encodable(text: str, console: Console) -> Text:
    """Return `text` legible, no markup read, with a question mark for what the console's encoding lacks."""
    return Text(shown(text).encode(console.encoding, "replace").decode(console.encoding))
