"""Draw the benchmark: the regret of every finder, and what lrfind suggests against the truth of every task.

python -m accuracy.picture FILE.png
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from accuracy.finders import read
from accuracy.measures import Truths, known_truths, scored
from accuracy.peers import PACKAGES, at_equal_budget
from accuracy.regret import Truth
from accuracy.summary import TITLES
from accuracy.tasks import TASKS

COLOURS = {"onecycle": "#0072B2", "constant": "#D55E00"}


def draw(path: Path) -> None:
    """Write the picture of all reporting tasks to `path`."""
    truths = known_truths()
    picture = Figure(figsize=(10, 6.2), dpi=120, layout="constrained")
    left, right = picture.subplots(1, 2, width_ratios=(1, 1.25))
    _finders(left, truths)
    _tasks(right, truths)
    picture.savefig(path, metadata={"Software": None})


def _finders(axes: Axes, truths: Truths) -> None:
    """Draw the mean regret of every finder with its own number of iterations, the best at the top."""
    longer = {at_equal_budget(name) for _, names in PACKAGES.values() for name in names}
    picks = {finder: tasks for finder, tasks in read().items() if finder not in longer}
    rows = {finder: scored(tasks, truths, "reporting") for finder, tasks in picks.items()}
    means = {
        finder: {schedule: statistics.mean(row.regret(schedule) for row in found) for schedule in COLOURS}
        for finder, found in rows.items()
        if found
    }
    order = sorted(means, key=lambda finder: -sum(means[finder].values()))
    for offset, (schedule, colour) in zip((0.2, -0.2), COLOURS.items(), strict=True):
        places = [index + offset for index in range(len(order))]
        axes.barh(places, [means[finder][schedule] for finder in order], 0.38, color=colour, label=TITLES[schedule])
    axes.set_yticks(range(len(order)), order)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text().startswith("lrfind") else "normal")
    axes.set_xlabel("mean regret, reporting tasks (less is better)")
    axes.legend(loc="upper right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _tasks(axes: Axes, truths: Truths) -> None:
    """Draw the good band of every task, its best learning rate, and what lrfind suggests from five seeds."""
    names = sorted(
        (name for name in truths if TASKS[name].role == "reporting"), key=lambda n: truths[n]["constant"].best
    )
    lrfind = read().get("lrfind", {})
    for place, name in enumerate(names):
        _task(axes, place, truths[name]["constant"], lrfind.get(name, {}))
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("learning rate, constant schedule")
    axes.plot([], [], color="#009E73", linewidth=7, alpha=0.3, label="regret at most 5 %")
    axes.plot([], [], "|", color="black", markersize=10, label="best")
    axes.plot([], [], "o", color=COLOURS["constant"], markersize=4, label="lrfind, 5 seeds")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd")


def _task(axes: Axes, place: int, truth: Truth, picks: dict[str, Any]) -> None:
    axes.plot(truth.band, [place, place], color="#009E73", linewidth=7, alpha=0.3, solid_capstyle="butt")
    axes.plot([truth.best], [place], "|", color="black", markersize=10)
    lrs = [pick["lr"] for pick in picks.values() if pick["lr"]]
    axes.plot(lrs, [place] * len(lrs), "o", color=COLOURS["constant"], markersize=4)
    if missing := len(picks) - len(lrs):
        text = f"no answer: {missing}"
        axes.annotate(text, (1.01, place), xycoords=("axes fraction", "data"), va="center", annotation_clip=False)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
