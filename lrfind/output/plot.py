"""The loss-vs-LR picture, drawn without a display or pyplot; the same result gives the same bytes."""

from __future__ import annotations

import itertools
from typing import Any

from matplotlib import rcParams
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
    held_out_points,
    loss_at,
    lr_ticks,
    probe_points,
    raw_points,
    smooth_points,
    tick_labels,
)
from lrfind.output.look import PLAIN, Look
from lrfind.output.names import printable
from lrfind.output.picture import BLUE, GREEN, ORANGE, SKY, VERMILLION, lr_axis, own_settings
from lrfind.records.types import Candidate, Landmarks, Result

_HEIGHT = 2.5
"""Of the axes and what is written at them, in inches."""
_MARKERS = "sD^vPXph"
_NAMES = {"minimum": "tenth of the minimum", "descent_end": "end of the descent"}
"""Methods of which a reader of the picture needs more than the name: a mark far from the minimum is not "minimum"."""


def figure(result: Result, look: Look = PLAIN) -> Figure:
    """Return the picture of `result`: raw and smoothed loss over LR, and what decided.

    What decided are the ends of the probes, or, without probes, what was read from the curve.
    """
    with own_settings(look.theme):
        picture = layout.new_picture(_HEIGHT)
        picture.set_label(printable(look.title or result.title))
        axes = picture.add_subplot(xlabel="learning rate", ylabel="loss")
        _draw(axes, result, look.mark)
        layout.add_legend(picture)
        if look.theme not in ("paper", "notebook"):  # where the text around it says all that
            layout.add_heading(picture, look.title or result.title, _finding(result))
        elif look.title:
            layout.add_heading(picture, look.title, "")
        return picture


def _draw(axes: Axes, result: Result, mark: float | None) -> None:
    """Draw all parts in the order of the legend; zorder decides what lies on top."""
    frame, analysis = frame_of(result), result.analysis
    _ruled(axes, frame)
    if analysis.suggested_lr is not None:
        _suggestion(axes, frame, analysis.suggested_lr, analysis.safe_range)
    if mark is not None:
        axes.axvline(mark, color=_ink(), linestyle="--", linewidth=1.6, zorder=3, label=f"your LR {format_lr(mark)}")
    smooth = smooth_points(result.sweep, analysis.smoothed)
    _curve(axes, raw_points(result.sweep), smooth)
    if analysis.suggested_lr is not None and not analysis.by_probes:  # after a refusal these readings mean nothing
        _readings(axes, frame, smooth, result)
    if (start := divergence_in(result, frame)) is not None:
        style: dict[str, Any] = {"facecolor": "none", "edgecolor": rcParams["hatch.color"], "hatch": "//"}
        axes.axvspan(start, frame.lr_high, label=f"diverged from {format_lr(start)}", linewidth=0, **style)
    _probes(axes, result)
    _other_sweeps(axes, result)


def _ink() -> str:
    return str(rcParams["text.color"])


def _ruled(axes: Axes, frame: Frame) -> None:
    lr_axis(axes, frame.lr_low, frame.lr_high)
    if frame.log:
        axes.set_yscale("log")
    axes.set_ylim(frame.loss_low, frame.loss_high)
    losses = (lr_ticks if frame.log else even_ticks)(frame.loss_low, frame.loss_high, 8 if frame.log else 5)
    axes.set_yticks(losses, tick_labels(losses))
    axes.set_yticks([], minor=True)


def _curve(axes: Axes, raw: list[Point], smooth: list[Point]) -> None:
    if raw:
        label = "_" if smooth else "mini-batch loss"
        axes.plot(*_columns(raw), ".", color=SKY, markersize=6, markeredgewidth=0, label=label)
    if smooth:
        marker, label = ("o" if len(smooth) == 1 else None), "smoothed loss" + ", dots: raw" * bool(raw)
        axes.plot(*_columns(smooth), marker=marker, color=BLUE, linewidth=2.6, label=label)
    if not raw and not smooth:
        style: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "fontsize": 12}
        axes.text(0.5, 0.5, "no finite loss was measured after an update", **style)


def _probes(axes: Axes, result: Result) -> None:
    """Draw how the longest probes ended: on the mini-batches, and on held-out data."""
    if points := probe_points(result):
        steps = max(probe.steps for probe in result.probes)
        label = f"probes of {steps} steps, at end"
        axes.plot(*_columns(points), color=_ink(), linestyle=":", marker="x", label=label)
    if points := held_out_points(result):
        style: dict[str, Any] = {"linestyle": ":", "marker": "o", "markerfacecolor": "none"}
        axes.plot(*_columns(points), color=_ink(), label="the same on held-out data", **style)


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
            style: dict[str, Any] = {"color": rcParams["axes.facecolor"], "markeredgecolor": _ink(), "markersize": 8}
            label = f"{', '.join(names)} {format_lr(lr)}"
            axes.plot([lr], [loss], marker, label=label, markeredgewidth=1.4, zorder=4, **style)


def _tangent(axes: Axes, frame: Frame, curve: list[Point], landmarks: Landmarks) -> None:
    """Draw a piece of the tangent at the steepest descent, that stays within a part of the picture."""
    loss = loss_at(curve, landmarks.steepest_lr)
    if loss is None or not landmarks.steepest_slope < 0:
        return
    fall = -landmarks.steepest_slope / (frame.loss_high - frame.loss_low)  # pictures per decade
    decades = min(0.5, 0.16 / fall)
    if frame.log:
        decades = min(decades, 0.5 * loss / -landmarks.steepest_slope)  # there, half of the loss is left
    lrs = [landmarks.steepest_lr * 10**side for side in (-decades, decades)]
    losses = [loss + landmarks.steepest_slope * side for side in (-decades, decades)]
    label = f"steepest descent {format_lr(landmarks.steepest_lr)}"
    axes.plot(lrs, losses, color=ORANGE, linewidth=5, solid_capstyle="round", zorder=2.5, label=label)


def _suggestion(axes: Axes, frame: Frame, lr: float, safe_range: tuple[float, float] | None) -> None:
    axes.axvline(lr, color=VERMILLION, linewidth=2.4, zorder=3)  # its label stands above it
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
