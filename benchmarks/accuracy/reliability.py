"""Draw what the confidence of lrfind is worth: how sure it said to be, against how often it was right.

python -m accuracy.reliability FILE.png
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from accuracy.finders import read
from accuracy.measures import Bin, known_truths, reliability, scored
from accuracy.picture import COLOURS
from accuracy.regret import GOOD
from accuracy.summary import TITLES

EDGES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 1.01)
"""Bins that are narrow where most suggestions lie."""
FAINT = "#aaaaaa"


def draw(path: Path) -> None:
    """Write the picture of all tasks to `path`."""
    truths, picks = known_truths(), read().get("lrfind", {})
    bins = {role: reliability(scored(picks, truths, role), EDGES, tuple(COLOURS)) for role in ("reporting", "tuning")}
    lowest = min([0.5, *(each.stated for found in bins.values() for each in found)]) - 0.06  # for names of the counts
    picture = Figure(figsize=(10, 4.6), dpi=120, layout="constrained")
    plots = picture.subplots(1, 2, sharey=True)
    for axes, schedule in zip(plots, COLOURS, strict=True):
        axes.plot([0, 1], [0, 1], ":", color="black", linewidth=1, label="as often right as stated")
        _line(axes, bins["tuning"], schedule, "tuning tasks", 1.09, color=FAINT, marker="s", markersize=4)
        _line(axes, bins["reporting"], schedule, "reporting tasks", 1.17, color=COLOURS[schedule], marker="o")
        axes.set_xlim(lowest, 1.02)
        _dress(axes)
        axes.set_title(TITLES[schedule])
    plots[0].set_ylabel(f"share of suggestions with at most {GOOD:.0%} regret")
    picture.savefig(path, metadata={"Software": None})


def _line(axes: Axes, bins: Sequence[Bin], schedule: str, name: str, height: float, **style: Any) -> None:
    """Draw the shares of the bins, and how many suggestions each holds in a row above them."""
    shares = [each.within[schedule] for each in bins]
    axes.plot([each.stated for each in bins], shares, label=name, **style)
    place: dict[str, Any] = {"color": style["color"], "va": "center", "fontsize": "small"}
    for each in bins:
        axes.text(each.stated, height, str(each.count), ha="center", **place)
    axes.text(0.01, height, f"n, {name.split()[0]}", transform=axes.get_yaxis_transform(), **place)


def _dress(axes: Axes) -> None:
    axes.set_xlabel("stated confidence, mean of the bin")
    axes.set_ylim(-0.02, 1.22)
    axes.set_yticks([index / 5 for index in range(6)])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(color="#eeeeee")
    axes.legend(loc="lower right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
