"""Score the suggestions of every finder against the truth, as Markdown tables.

    python -m accuracy.score

What the README shows comes first, then all finders and tasks: those of the reporting tasks before those of the tuning
tasks, as nothing was tuned on the former nor on any of their family.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from accuracy import refusals
from accuracy.finders import read
from accuracy.markdown import pair, percent, share, table_head, table_row
from accuracy.measures import (
    SURE,
    TOLERABLE,
    Scored,
    Truths,
    answered,
    distances,
    known_truths,
    regrets,
    reliability,
    scored,
    spread,
    widths,
)
from accuracy.regret import GOOD, Truth, read_truths
from accuracy.summary import mean_regret, median_of, summary
from accuracy.tasks import LONG, TASKS
from accuracy.truth import LONGER, SCHEDULES

ROLES = ("reporting", "tuning")


def schedule_cells(rows: Sequence[Scored], schedule: str) -> Iterator[str]:
    """Yield mean regret with its standard error over the tasks, 90th percentile, within 5 %, failed, distance."""
    lost = regrets(rows, schedule)
    yield f"{lost.mean:.3f} ± {lost.error:.3f}"
    yield f"{lost.high:.2f}"
    yield percent(lost.within)
    yield percent(lost.failed)
    outside = distances(rows, schedule)
    yield f"{statistics.mean(outside):.2f}" if outside else "-"


def finders_table(picks: dict[str, Any], truths: Truths, role: str) -> list[str]:
    """Return the comparison of all finders, best first.

    The last column is the mean regret under each schedule on the runs that lrfind gave a suggestion for.
    """
    common = {(row.task, row.seed) for row in answered(scored(picks.get("lrfind", {}), truths, role))}
    tables = {finder: scored(tasks, truths, role) for finder, tasks in picks.items()}
    tables = {finder: rows for finder, rows in tables.items() if rows}
    tables = dict(sorted(tables.items(), key=lambda item: mean_regret(item[1])))
    columns = ("regret", "90th", "≤ 5 %", "failed", "off")
    head = [
        "finder",
        *(f"{schedule}: {columns[0]}" if c == 0 else columns[c] for schedule in SCHEDULES for c in range(5)),
    ]
    lines = table_head([*head, "spread", "iterations", "none", "runs", "where lrfind answers"])
    for finder, rows in tables.items():
        cells = [cell for schedule in SCHEDULES for cell in schedule_cells(rows, schedule)]
        iterations = statistics.mean(row.pick["iterations"] for row in rows)
        seeds = spread(rows)
        cells += ["-" if seeds is None else f"{seeds:.2f}", f"{iterations:.0f}"]
        cells += [str(sum(row.lr is None for row in rows)), str(len(rows))]
        same = [row for row in rows if (row.task, row.seed) in common]
        cells.append(pair(_mean(row.regret(schedule) for row in same) for schedule in SCHEDULES))
        lines.append(table_row([finder, *cells]))
    return lines


def _mean(values: Iterable[float]) -> str:
    numbers = list(values)
    return f"{statistics.mean(numbers):.3f}" if numbers else "-"


def equal_budget(picks: dict[str, Any]) -> dict[str, Any]:
    """Return each peer's median over as many sweeps, from successive seeds, as cost what one run of lrfind does."""

    def cost(tasks: dict[str, Any]) -> float:
        spent = [float(pick["iterations"]) for seeds in tasks.values() for pick in seeds.values()]
        return statistics.mean(spent) if spent else 0.0

    found = {}
    for finder, tasks in picks.items():
        count = round(cost(picks["lrfind"]) / cost(tasks)) if cost(tasks) else 1
        if not finder.startswith("lrfind") and count > 1:
            found[f"{finder}, median of {count}"] = {name: _medians(seeds, count) for name, seeds in tasks.items()}
    return found


def _medians(seeds: dict[str, Any], count: int) -> dict[str, Any]:
    found = {}
    names = list(seeds)
    for index, name in enumerate(names):
        used = [seeds[names[(index + offset) % len(names)]] for offset in range(count)]
        logs = [math.log10(pick["lr"]) for pick in used if pick["lr"]]
        lr = 10 ** statistics.median(logs) if logs else None
        found[name] = {"lr": lr, "iterations": sum(pick["iterations"] for pick in used)}
    return found


def range_lines(rows: Sequence[Scored]) -> list[str]:
    """Return what the safe range and the confidence of lrfind are worth."""
    given = answered(rows)
    lines = [f"Safe range: median width {median_of(widths(rows))} decades."]
    for schedule in SCHEDULES:
        holds = share(row.holds_best(schedule) for row in given)
        meets = share(_meets(row, schedule) for row in given)
        inside = share(flag for row in given for flag in row.tolerable(schedule))
        lines.append(
            f"{schedule}: it holds the best LR {holds}, meets the good band {meets}; "
            f"of the LRs inside {inside} have regret <= {TOLERABLE}."
        )
        lines.append(f"Calibration ({schedule}), suggestions with regret <= {GOOD}: {_calibration(given, schedule)}.")
    return lines


def _meets(row: Scored, schedule: str) -> bool:
    low, high = row.safe_range(schedule)
    band_low, band_high = row.truths[schedule].band
    return bool(low <= band_high and band_low <= high)


def _calibration(rows: Sequence[Scored], schedule: str) -> str:
    parts = []
    for low, high, title in ((SURE, 2.0, f">= {SURE}"), (0.5, SURE, f"0.5 to {SURE}"), (0.0, 0.5, "< 0.5")):
        bins = reliability(rows, (low, high), (schedule,))
        found = f"{percent(bins[0].within[schedule])} of {bins[0].count}" if bins else "- of 0"
        parts.append(f"confidence {title}: {found}")
    return ", ".join(parts)


def tasks_table(picks: dict[str, Any], truths: Truths, role: str) -> list[str]:
    """Return lrfind's suggestions beside the best learning rates, task by task."""
    bands = (f"{schedule}: best (band)" for schedule in SCHEDULES)
    regrets = (f"{schedule}: regret, worst" for schedule in SCHEDULES)
    title = ("task", "suggested: median (lowest to highest)", *bands, *regrets, "confidence", "iterations", "refused")
    lines = table_head(title)
    for name in (name for name in TASKS if name in picks and name in truths and TASKS[name].role == role):
        rows = scored({name: picks[name]}, truths)
        lrs = sorted(row.lr for row in rows if row.lr)
        cells = [f"{statistics.median(lrs):.2g} ({lrs[0]:.2g} to {lrs[-1]:.2g})" if lrs else "none"]
        cells += [band_cell(truths[name][schedule]) for schedule in SCHEDULES]
        for schedule in SCHEDULES:
            lost = [row.regret(schedule) for row in rows]
            cells.append(f"{statistics.mean(lost):.3f}, {max(lost):.2f}")
        cells.append(f"{statistics.mean(row.pick.get('confidence', 0.0) for row in rows):.2f}")
        cells.append(f"{statistics.mean(row.pick['iterations'] for row in rows):.0f}")
        cells.append(", ".join(sorted({row.pick["reason"] for row in rows if row.lr is None})) or "-")
        lines.append(table_row([name, *cells]))
    return lines


def band_cell(truth: Truth) -> str:
    """Return the best learning rate and the band around it."""
    low, high = truth.band
    return f"{truth.best:.2g} ({low:.2g} to {high:.2g})"


def horizon_table(picks: dict[str, Any]) -> list[str]:
    """Return how the truth moves when a training is made ten times longer, and what that costs lrfind."""
    lines = table_head(
        ["task", "schedule", "T: best (band)", f"{LONGER} T: best (band)", f"regret of lrfind at {LONGER} T"]
    )
    for name in LONG:
        short, long = read_truths(name), read_truths(name, LONGER)
        if short is None or long is None:
            continue
        for schedule in SCHEDULES:
            regrets = [Scored(name, "", pick, long).regret(schedule) for pick in picks.get(name, {}).values()]
            cost = f"{statistics.mean(regrets):.3f}" if regrets else "-"
            lines.append(table_row([name, schedule, band_cell(short[schedule]), band_cell(long[schedule]), cost]))
    return lines


def report() -> str:
    """Return all tables."""
    picks = read()
    truths = known_truths()
    lrfind = picks.get("lrfind", {})
    lines = ["## Summary", "", summary(), ""]
    for role in ROLES:
        names = [name for name, task in TASKS.items() if task.role == role]
        missing = [name for name in names if name not in truths]
        lines += [f"## {role.capitalize()} tasks ({len(names)})", ""]
        lines += [f"No truth yet: {', '.join(missing)}.", ""] if missing else []
        lines += [*finders_table(picks | (equal_budget(picks) if lrfind else {}), truths, role), ""]
        lines += [*range_lines(scored(lrfind, truths, role)), "", *tasks_table(lrfind, truths, role), ""]
    lines += ["## Ten times longer", "", *horizon_table(lrfind), ""]
    lines += ["## Nothing to find", "", *refusals.table(refusals.read())]
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    print(report())


if __name__ == "__main__":
    main()
