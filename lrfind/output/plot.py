"""The loss-vs-LR picture, drawn without a display or pyplot; the same result gives the same bytes."""

from __future__ import annotations

import itertools
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrfind.output import layout
from lrfind.output.curve import (
    Frame,
    Point,
    divergence_in,
    even_ticks,
    findings,
    format_lr,
    format_range,
    frame_of,
    loss_at,
    probe_points,
    raw_points,
    smooth_points,
    tick_labels,
)
from lrfind.output.picture import BLUE, GREEN, ORANGE, SKY, VERMILLION, lr_axis, own_settings
from lrfind.records.types import Candidate, Landmarks, Result

_MARKERS = "sD^vPXph"
_NAMES = {"minimum": "tenth of the minimum", "descent_end": "end of the descent"}
"""Methods of which a reader of the picture needs more than the name: a mark far from the minimum is not "minimum"."""


@own_settings()
def figure(result: Result) -> Figure:
    """Return the picture of `result`: raw and smoothed loss over LR, and what was read from them."""
    picture = layout.new_picture()
    axes = picture.add_subplot(xlabel="learning rate", ylabel="loss")
    frame = frame_of(result)
    _ruled(axes, frame)
    # In the order of the legend; zorder decides what lies on top.
    analysis = result.analysis
    if analysis.suggested_lr is not None:
        _suggestion(axes, frame, analysis.suggested_lr, analysis.safe_range)
    smooth = smooth_points(result.sweep, analysis.smoothed)
    _curve(axes, raw_points(result.sweep), smooth)
    if analysis.suggested_lr is not None:  # after a refusal these readings mean nothing
        _readings(axes, frame, smooth, result)
    if (start := divergence_in(result, frame)) is not None:
        style: dict[str, Any] = {"facecolor": "#EEEEEE", "edgecolor": "#BBBBBB", "hatch": "//", "linewidth": 0}
        axes.axvspan(start, frame.lr_high, label=f"diverged from {format_lr(start)}", **style)
    _probes(axes, result)
    _other_sweeps(axes, result)
    layout.add_legend(picture)
    layout.add_heading(picture, result.title, _finding(result))
    return picture


def _ruled(axes: Axes, frame: Frame) -> None:
    lr_axis(axes, frame.lr_low, frame.lr_high)
    axes.set_ylim(frame.loss_low, frame.loss_high)
    losses = even_ticks(frame.loss_low, frame.loss_high, 7)
    axes.set_yticks(losses, tick_labels(losses))


def _curve(axes: Axes, raw: list[Point], smooth: list[Point]) -> None:
    if raw:
        axes.plot(*_columns(raw), ".", color=SKY, markersize=6, markeredgewidth=0, label="mini-batch loss")
    if smooth:
        marker = "o" if len(smooth) == 1 else None
        axes.plot(*_columns(smooth), marker=marker, color=BLUE, linewidth=2.6, label="smoothed loss")
    if not raw and not smooth:
        style: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "fontsize": 12}
        axes.text(0.5, 0.5, "no finite loss was measured after an update", **style)


def _probes(axes: Axes, result: Result) -> None:
    if points := probe_points(result):
        steps = max(probe.steps for probe in result.probes)
        axes.plot(*_columns(points), color="black", linestyle=":", marker="x", label=f"probes of {steps} steps, at end")


def _other_sweeps(axes: Axes, result: Result) -> None:
    """Draw the smoothed loss of the sweeps that were not used, faintly, as they show how far it moves."""
    label = "other sweeps, smoothed"
    for index, sweep in enumerate(result.sweeps):
        points = smooth_points(sweep, result.smoothed[index])
        if index != result.used and points:
            axes.plot(*_columns(points), "--", color="#999999", linewidth=1, zorder=1.5, label=label)
            label = "_"  # said once in the legend


def _columns(points: list[Point]) -> tuple[list[float], list[float]]:
    return [lr for lr, _ in points], [loss for _, loss in points]


def _readings(axes: Axes, frame: Frame, curve: list[Point], result: Result) -> None:
    """Mark what was read from the smoothed curve: the steepest descent, and the candidates not suggested."""
    if result.analysis.landmarks:
        _tangent(axes, frame, curve, result.analysis.landmarks)
    for (lr, names), marker in zip(_alternatives(result).items(), itertools.cycle(_MARKERS), strict=False):
        loss = loss_at(curve, lr)
        if loss is not None:
            label = f"{', '.join(names)} {format_lr(lr)}"
            style: dict[str, Any] = {"color": "white", "markeredgecolor": "black", "markersize": 8}
            axes.plot([lr], [loss], marker, label=label, markeredgewidth=1.4, zorder=4, **style)


def _tangent(axes: Axes, frame: Frame, curve: list[Point], landmarks: Landmarks) -> None:
    """Draw a piece of the tangent at the steepest descent, that stays within a part of the picture."""
    loss = loss_at(curve, landmarks.steepest_lr)
    if loss is None or not landmarks.steepest_slope < 0:
        return
    fall = -landmarks.steepest_slope / (frame.loss_high - frame.loss_low)  # pictures per decade
    decades = min(0.5, 0.16 / fall)
    lrs = [landmarks.steepest_lr * 10**side for side in (-decades, decades)]
    losses = [loss + landmarks.steepest_slope * side for side in (-decades, decades)]
    label = f"steepest descent {format_lr(landmarks.steepest_lr)}"
    axes.plot(lrs, losses, color=ORANGE, linewidth=5, solid_capstyle="round", zorder=2.5, label=label)


def _suggestion(axes: Axes, frame: Frame, lr: float, safe_range: tuple[float, float] | None) -> None:
    axes.axvline(lr, color=VERMILLION, linewidth=2.4, zorder=3, label=f"suggested LR {format_lr(lr)}")
    if safe_range:
        label = f"safe range {format_range(*safe_range)}"
        axes.axvspan(*safe_range, color=GREEN, alpha=0.18, linewidth=0, label=label)
    across = frame.across(lr)
    side = "left" if across < 0.1 else "right" if across > 0.9 else "center"
    place: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "ha": side, "va": "bottom"}
    axes.text(lr, 1.015, f"LR {format_lr(lr)}", color=VERMILLION, weight="bold", fontsize=11, **place)


def _alternatives(result: Result) -> dict[float, list[str]]:
    """Return the candidates by rate, without what is marked already: suggestion and steepest descent."""
    analysis = result.analysis
    marked = [lr for lr in (analysis.suggested_lr, analysis.landmarks and analysis.landmarks.steepest_lr) if lr]
    taken = {format_lr(lr) for lr in marked}
    groups: dict[str, list[Candidate]] = {}
    for candidate in analysis.candidates:
        if candidate.lr is not None and format_lr(candidate.lr) not in taken:
            groups.setdefault(format_lr(candidate.lr), []).append(candidate)
    return {
        group[0].lr or 0.0: [_NAMES.get(candidate.method, candidate.method) for candidate in group]
        for group in groups.values()
    }


def _finding(result: Result) -> str:
    parts = [f"{name} {value}" for name, value in findings(result)]
    return ", ".join(parts) or f"No learning rate suggested: {result.analysis.message}"
