"""Score the suggestions of every finder against the truth, as Markdown tables.

    python -m accuracy.score

Regret is the share of the achievable drop of the validation loss that a learning rate throws away. The reporting
tasks come first: nothing was tuned on them nor on any of their family.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from accuracy.finders import read
from accuracy.regret import GOOD, Truth, read_truths
from accuracy.tasks import LONG, TASKS
from accuracy.truth import LONGER, SCHEDULES

ROLES = ("reporting", "tuning")
FAILED = 0.5
"""Regret from which a suggestion has failed."""
SURE = 0.9
"""Confidence from which a suggestion claims to be right."""
TOLERABLE = 0.1
"""Regret that the learning rates of a safe range should not exceed."""
Truths = dict[str, dict[str, Truth]]


@dataclass(frozen=True)
class Scored:
    """One suggestion, or the lack of one, beside the truth of its task."""

    task: str
    seed: str
    pick: dict[str, Any]
    truths: dict[str, Truth]

    @property
    def lr(self) -> float | None:
        """The suggestion."""
        lr: float | None = self.pick["lr"]
        return lr

    def lr_for(self, schedule: str) -> float | None:
        """Return the suggestion for a schedule; a finder that knows no schedules means the same for all."""
        lr: float | None = self.pick.get("lrs", {}).get(schedule, self.lr)
        return lr

    def safe_range(self, schedule: str) -> tuple[float, float]:
        """Return the safe range of a suggestion of lrfind for a schedule."""
        low, high = self.pick["safe_range"]
        factor = (self.lr_for(schedule) or 1.0) / (self.lr or 1.0)
        return low * factor, high * factor

    def regret(self, schedule: str) -> float:
        """Return the regret under a schedule, 1 without a suggestion."""
        return self.truths[schedule].regret(self.lr_for(schedule))


def scored(picks: dict[str, dict[str, Any]], truths: Truths, role: str | None = None) -> list[Scored]:
    """Return the suggestions of one finder for the tasks of a role whose truth is known."""
    return [
        Scored(name, seed, pick, truths[name])
        for name, seeds in picks.items()
        if name in truths and role in (None, TASKS[name].role)
        for seed, pick in seeds.items()
    ]


def share(flags: Iterable[bool]) -> str:
    """Return the percentage that is true."""
    values = list(flags)
    return f"{100 * sum(values) / len(values):.0f} %" if values else "-"


def by_task(rows: Sequence[Scored], value: Callable[[Scored], float]) -> list[list[float]]:
    """Return a value of every suggestion, grouped by task."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(row.task, []).append(value(row))
    return list(groups.values())


def spread(rows: Sequence[Scored]) -> str:
    """Return the standard deviation over the seeds in decades, the median over the tasks."""
    given = [row for row in rows if row.lr]
    groups = [group for group in by_task(given, lambda row: math.log10(row.lr or math.nan)) if len(group) > 1]
    return f"{statistics.median(map(statistics.pstdev, groups)):.2f}" if groups else "-"


def schedule_cells(rows: Sequence[Scored], schedule: str) -> Iterator[str]:
    """Yield mean regret with its standard error over the tasks, 90th percentile, within 5 %, failed, distance."""
    regrets = sorted(row.regret(schedule) for row in rows)
    means = [statistics.mean(group) for group in by_task(rows, lambda row: row.regret(schedule))]
    error = statistics.stdev(means) / math.sqrt(len(means)) if len(means) > 1 else math.nan
    yield f"{statistics.mean(regrets):.3f} ± {error:.3f}"
    yield f"{regrets[min(len(regrets) - 1, int(0.9 * len(regrets)))]:.2f}"
    yield share(regret <= GOOD for regret in regrets)
    yield share(regret >= FAILED for regret in regrets)
    distances = [row.truths[schedule].distance(lr) for row in rows if (lr := row.lr_for(schedule))]
    yield f"{statistics.mean(distances):.2f}" if distances else "-"


def finders_table(picks: dict[str, Any], truths: Truths, role: str) -> list[str]:
    """Return the comparison of all finders, best first.

    The last column is the mean regret under each schedule on the runs that lrfind gave a suggestion for.
    """
    answered = {(row.task, row.seed) for row in scored(picks.get("lrfind", {}), truths, role) if row.lr}
    tables = {finder: scored(tasks, truths, role) for finder, tasks in picks.items()}
    tables = {finder: rows for finder, rows in tables.items() if rows}
    tables = dict(sorted(tables.items(), key=lambda item: sum(row.regret(s) for row in item[1] for s in SCHEDULES)))
    columns = ("regret", "90th", "≤ 5 %", "failed", "off")
    head = [
        "finder",
        *(f"{schedule}: {columns[0]}" if c == 0 else columns[c] for schedule in SCHEDULES for c in range(5)),
    ]
    lines = table_head([*head, "spread", "iterations", "none", "runs", "where lrfind answers"])
    for finder, rows in tables.items():
        cells = [cell for schedule in SCHEDULES for cell in schedule_cells(rows, schedule)]
        iterations = statistics.mean(row.pick["iterations"] for row in rows)
        cells += [spread(rows), f"{iterations:.0f}", str(sum(row.lr is None for row in rows)), str(len(rows))]
        common = [row for row in rows if (row.task, row.seed) in answered]
        cells.append(" / ".join(_mean(row.regret(schedule) for row in common) for schedule in SCHEDULES))
        lines.append(table_row([finder, *cells]))
    return lines


def summary() -> str:
    """Return the comparison on the reporting tasks with the figures that matter most, for the README."""
    truths = {name: truth for name in TASKS if (truth := read_truths(name)) is not None}
    rows = {finder: scored(tasks, truths, "reporting") for finder, tasks in read().items()}
    best_first = sorted(rows, key=lambda finder: sum(row.regret(s) for row in rows[finder] for s in SCHEDULES))
    heads = [f"{schedule}: {name}" for schedule in SCHEDULES for name in ("mean regret", "within 5 %", "failed")]
    lines = table_head(["finder", *heads, "iterations", "no answer"])
    for finder in best_first:
        cells = [finder]
        for schedule in SCHEDULES:
            mean, _, within, failed, _ = schedule_cells(rows[finder], schedule)
            cells += [mean, within, failed]
        cells.append(f"{statistics.mean(row.pick['iterations'] for row in rows[finder]):.0f}")
        cells.append(share(row.lr is None for row in rows[finder]))
        lines.append(table_row(cells))
    return "\n".join(lines)


def _mean(values: Iterable[float]) -> str:
    numbers = list(values)
    return f"{statistics.mean(numbers):.3f}" if numbers else "-"


def equal_budget(picks: dict[str, Any]) -> dict[str, Any]:
    """Return each peer's median over as many sweeps, from successive seeds, as cost what one run of lrfind does."""

    def cost(tasks: dict[str, Any]) -> float:
        return statistics.mean(float(pick["iterations"]) for seeds in tasks.values() for pick in seeds.values())

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
    given = [row for row in rows if row.lr]
    widths = [math.log10(row.pick["safe_range"][1] / row.pick["safe_range"][0]) for row in given]
    lines = [f"Safe range: median width {statistics.median(widths):.2f} decades." if widths else "No safe range."]
    for schedule in SCHEDULES:
        holds = share(_holds(row, schedule) for row in given)
        meets = share(_meets(row, schedule) for row in given)
        inside = [row.truths[schedule].regret(lr) <= TOLERABLE for row in given for lr in _inside(row, schedule)]
        lines.append(
            f"{schedule}: it holds the best LR {holds}, meets the good band {meets}; "
            f"of the LRs inside {share(inside)} have regret <= {TOLERABLE}."
        )
        lines.append(f"Calibration ({schedule}), suggestions with regret <= {GOOD}: {_calibration(given, schedule)}.")
    return lines


def _holds(row: Scored, schedule: str) -> bool:
    low, high = row.safe_range(schedule)
    return bool(low <= row.truths[schedule].best <= high)


def _meets(row: Scored, schedule: str) -> bool:
    low, high = row.safe_range(schedule)
    band_low, band_high = row.truths[schedule].band
    return bool(low <= band_high and band_low <= high)


def _inside(row: Scored, schedule: str) -> list[float]:
    low, high = row.safe_range(schedule)
    return [low * (high / low) ** (index / 20) for index in range(21)]


def _calibration(rows: Sequence[Scored], schedule: str) -> str:
    parts = []
    for low, high, title in ((SURE, 2.0, f">= {SURE}"), (0.5, SURE, f"0.5 to {SURE}"), (0.0, 0.5, "< 0.5")):
        bin_ = [row for row in rows if low <= row.pick["confidence"] < high]
        parts.append(f"confidence {title}: {share(row.regret(schedule) <= GOOD for row in bin_)} of {len(bin_)}")
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


def table_head(cells: Sequence[str]) -> list[str]:
    """Return the first two lines of a Markdown table."""
    return [table_row(cells), "|---" * len(cells) + "|"]


def table_row(cells: Iterable[str]) -> str:
    """Return a line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def report() -> str:
    """Return all tables."""
    picks = read()
    found = {name: read_truths(name) for name in TASKS}
    truths = {name: truth for name, truth in found.items() if truth is not None}
    lrfind = picks.get("lrfind", {})
    lines = []
    for role in ROLES:
        names = [name for name, task in TASKS.items() if task.role == role]
        missing = [name for name in names if name not in truths]
        lines += [f"## {role.capitalize()} tasks ({len(names)})", ""]
        lines += [f"No truth yet: {', '.join(missing)}.", ""] if missing else []
        lines += [*finders_table(picks | (equal_budget(picks) if lrfind else {}), truths, role), ""]
        lines += [*range_lines(scored(lrfind, truths, role)), "", *tasks_table(lrfind, truths, role), ""]
    lines += ["## Ten times longer", "", *horizon_table(lrfind)]
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    print(report())


if __name__ == "__main__":
    main()
