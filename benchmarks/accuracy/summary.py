"""The block of README.md: the finders on the reporting tasks, and what lrfind says beside its learning rate."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from accuracy import refusals
from accuracy.finders import FINDERS, FOUR, OPTUNA, REFINED, SEEDS, UNTOLD, Picks, read
from accuracy.markdown import pair, percent, share, table_head, table_row
from accuracy.measures import (
    SURE,
    TOLERABLE,
    Scored,
    Truths,
    answered,
    distances,
    horizon_shifts,
    known_truths,
    regrets,
    reliability,
    scored,
    spread,
    widths,
)
from accuracy.peers import PEERS
from accuracy.refusals import CASES, Answers, is_right
from accuracy.tasks import LONG, TASKS
from accuracy.truth import LONGER, SCHEDULES

TITLES = {"onecycle": "one-cycle", "constant": "constant"}
"""What people call the schedules, in the order of `SCHEDULES`."""


def summary() -> str:
    """Return the block for the README from the results that are there."""
    truths = known_truths()
    picks = read()
    parts = (
        [introduction(truths)],
        finders_lines(picks, truths),
        targets_table(scored(picks.get("lrfind", {}), truths, "reporting"), refusals.read()),
        [horizon_line()],
    )
    return "\n\n".join("\n".join(part) for part in parts)


def introduction(truths: Truths) -> str:
    """Return what was scored, in a sentence."""
    tasks = [task for task in TASKS.values() if task.role == "reporting" and task.name in truths]
    tuning = sum(task.role == "tuning" for task in TASKS.values())
    steps = sorted(task.steps for task in tasks)
    length = f"{steps[0]} to {steps[-1]} steps" if steps else "no steps"
    families = len({task.family for task in tasks})
    return (
        f"{len(tasks)} reporting tasks of {families} families, trainings of {length}, {SEEDS} seeds; "
        f"{tuning} other tasks are for tuning. Regret is the share of the best LR's gain over the best constant "
        f"prediction that an LR throws away. Pairs of figures are {pair(TITLES.values())}."
    )


def finders_lines(picks: Picks, truths: Truths) -> list[str]:
    """Return the comparison of the finders, best first, and who is missing from it."""
    total = sum(TASKS[name].role == "reporting" for name in truths)
    rows = {finder: scored(tasks, truths, "reporting") for finder, tasks in picks.items()}
    rows = {finder: found for finder, found in rows.items() if found}
    shown = sorted(_shown(rows), key=lambda finder: mean_regret(rows[finder]))
    lines = table_head(["finder", "mean regret", "90th percentile", "within 5 %", "failed", "iterations: mean, median"])
    lines += [table_row(finder_cells(finder, rows[finder], total)) for finder in shown]
    missing = [finder for finder, names in FINDERS.items() if not set(names) & set(rows)]
    return [*lines, "", f"Not asked yet on these tasks: {'; '.join(missing)}."] if missing else lines


def _shown(rows: dict[str, list[Scored]]) -> list[str]:
    """Return lrfind, the defaults, and of each existing finder the suggestion function that did best here."""
    best = []
    for _, names in PEERS.values():
        there = [name for name in names if name in rows]
        best += [min(there, key=lambda name: mean_regret(rows[name]))] if there else []
    own = [
        name for name in ("lrfind", REFINED, UNTOLD, FOUR, OPTUNA, "folk defaults", "PyTorch defaults") if name in rows
    ]
    return own + best


def mean_regret(rows: Sequence[Scored]) -> float:
    """Return the mean regret under all schedules, by which finders are ranked."""
    return statistics.mean(row.regret(schedule) for row in rows for schedule in SCHEDULES)


def finder_cells(finder: str, rows: Sequence[Scored], total: int) -> list[str]:
    """Return the line of a finder that was scored on at least one of `total` tasks."""
    lost = [regrets(rows, schedule) for schedule in SCHEDULES]
    tasks = len({row.task for row in rows})
    iterations = [row.pick["iterations"] for row in rows]
    return [
        finder if tasks == total else f"{finder} ({tasks} of {total} tasks)",
        pair(f"{each.mean:.3f} ± {each.error:.3f}" for each in lost),
        pair(f"{each.high:.2f}" for each in lost),
        pair(percent(each.within) for each in lost),
        pair(percent(each.failed) for each in lost),
        f"{statistics.mean(iterations):.0f}, {statistics.median(iterations):.0f}",
    ]


def targets_table(rows: Sequence[Scored], answers: Answers) -> list[str]:
    """Return what lrfind aims at, beside what was measured on its suggestions `rows`, and on the refusal cases."""
    given = answered(rows)
    sure = next(iter(reliability(rows, (SURE, 2.0), tuple(SCHEDULES))), None)
    reliable = pair(percent(sure.within[schedule]) for schedule in SCHEDULES) if sure else "-"
    holds = pair(share(row.holds_best(schedule) for row in given) for schedule in SCHEDULES)
    inside = pair(share(flag for row in given for flag in row.tolerable(schedule)) for schedule in SCHEDULES)
    outside = pair(median_of(distances(rows, schedule)) for schedule in SCHEDULES)
    seeds = spread(rows)
    refused = share(row.lr is None for row in rows)
    right = refused_rightly(answers)
    runs = [flag for flags in right.values() for flag in flags]
    wrong = [case for case, flags in right.items() if not all(flags)]
    cells = (
        *_headline_targets(rows),
        (f"confidence ≥ {SURE}: within 5 %", "≥ 95 %", f"{reliable} of {sure.count if sure else 0} runs"),
        ("safe range: holds the best LR", "≥ 90 %", holds),
        (f"safe range: share of its LRs with regret ≤ {TOLERABLE}", "≥ 95 %", inside),
        ("safe range: median width in decades", "≤ 1.5", median_of(widths(rows))),
        ("decades outside the 5 % band, median", "0", outside),
        ("spread over seeds: sd of log10(LR), median task", "≤ 0.12", "-" if seeds is None else f"{seeds:.2f}"),
        ("refused, though there is something to learn", "≤ 1 %", f"{refused} of {len(rows)} runs"),
        ("refused for the right reason, where no LR can be read", "100 %", f"{share(runs)} of {len(runs)} runs"),
    )
    lines = [*table_head(["lrfind", "target", "measured"]), *map(table_row, cells)]
    return [*lines, "", f"Not always refused for the right reason: {'; '.join(wrong)}."] if wrong else lines


def _headline_targets(rows: Sequence[Scored]) -> list[tuple[str, str, str]]:
    if not rows:
        return []
    lost = [regrets(rows, schedule) for schedule in SCHEDULES]
    return [
        ("mean regret", "≤ 0.012", pair(f"{each.mean:.3f}" for each in lost)),
        ("within 5 %", "≥ 96 %", pair(percent(each.within) for each in lost)),
        ("failed", "0 %", pair(percent(each.failed) for each in lost)),
        ("mean iterations", "≤ 250", f"{statistics.mean(row.pick['iterations'] for row in rows):.0f}"),
    ]


def refused_rightly(answers: Answers) -> dict[str, list[bool]]:
    """Return for each refusal case that was asked, and each seed, whether it was refused for a right reason."""
    return {
        case.title: [is_right(case, answer) for answer in answers[case.title].values()]
        for case in CASES
        if case.title in answers
    }


def horizon_line() -> str:
    """Return how the best learning rate moves when trainings are made longer."""
    parts = []
    for schedule in SCHEDULES:
        shifts = sorted(horizon_shifts(schedule))
        if shifts:
            parts.append(f"{statistics.median(shifts):+.2f} ({shifts[0]:+.2f} to {shifts[-1]:+.2f}) {TITLES[schedule]}")
    return (
        f"In trainings {LONGER} times as long ({len(LONG)} tasks, reporting or tuning) the best LR moved, in decades, "
        f"by a median (range) of "
        f"{', '.join(parts) or '-'}."
    )


def median_of(values: Sequence[float]) -> str:
    """Return the median in two digits."""
    return f"{statistics.median(values):.2f}" if values else "-"
