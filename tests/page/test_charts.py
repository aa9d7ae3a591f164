"""The charts of a page show what the record holds, at the learning rates that did it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from helpers import (
    DIVERGENCE_LR,
    END_LR,
    MINIMUM,
    PLATEAU,
    example_loss,
    example_result,
    example_sweep,
    refused_result,
)

from lrfind.page.charts import Band, Series, charts, curve_chart, held_out_chart, probe_chart
from lrfind.records.types import Probe, StopReason
from lrfind.schedule.kinds import KINDS

SLOW = Probe(0.01, 4, (2.0, 1.5, 1.0, 0.5), StopReason.COMPLETED, (0, 4), ((2.0, 4.0), (1.0, 2.0)))
FAST = Probe(0.1, 4, (2.0, 1.0, 0.5, 0.25), StopReason.COMPLETED, (0, 4), ((2.0, 4.0), (0.5, 1.0)))
BLOWN = Probe(1.0, 4, (2.0, 90.0, math.nan), StopReason.NON_FINITE)


def test_the_curve_shows_what_each_learning_rate_did_to_the_loss() -> None:
    sweep = example_sweep(noise=0.0)
    chart = curve_chart(example_result(sweep))
    raw, smooth = chart.series
    assert raw.x == pytest.approx(sweep.lrs[:-1], rel=1e-4)
    assert raw.y == pytest.approx(sweep.losses[1:], rel=1e-4)
    assert smooth.y == pytest.approx([example_result(sweep).analysis.smoothed[i] for i in range(100)], rel=1e-4)
    assert chart.bands == (
        Band(2e-3, 4e-2, "safe range 0.002 to 0.04", "green"),
        Band(DIVERGENCE_LR, chart.x.high, f"diverged from {DIVERGENCE_LR}", "grey"),
        Band(END_LR, END_LR, f"LR {END_LR}", "red"),
    )
    assert (chart.x.log, chart.y.log) == (True, False)
    assert chart.y.low < MINIMUM < PLATEAU < chart.y.high < 5


def test_the_ends_of_the_probes_and_their_held_out_losses_stand_at_their_learning_rates() -> None:
    chart = curve_chart(replace(example_result(), probes=(FAST, SLOW, BLOWN)))
    assert chart.series[2:] == (
        Series("probes of 4 steps, at end", (0.01, 0.1), (0.5, 0.25), "marked", "ink"),
        Series("the same on held-out samples", (0.01, 0.1), (1.5, 0.75), "marked", "purple"),
    )


def test_losses_over_decades_have_a_logarithmic_axis() -> None:
    far = replace(SLOW, losses=(2.0, 0.2, 0.01, 0.001))
    chart = curve_chart(replace(example_result(), probes=(far,)))
    assert chart.y.log
    assert 0 < chart.y.low < 0.001
    over_steps = probe_chart(replace(example_result(), probes=(far,)))
    assert over_steps is not None
    assert over_steps.y.log


def test_each_probe_is_a_line_over_its_steps_and_an_explosion_leaves_the_picture() -> None:
    result = replace(example_result(), probes=(BLOWN, FAST, SLOW))
    chart = probe_chart(result)
    assert chart is not None
    assert [line.label for line in chart.series] == ["LR 0.01", "LR 0.1", "LR 1"]
    assert [line.colour for line in chart.series] == [0, 0.5, 1]
    assert chart.series[0] == Series("LR 0.01", (0, 1, 2, 3), SLOW.losses, "line", 0.0)
    assert chart.series[2].y[:2] == (2.0, 90.0)
    assert 2.0 < chart.y.high < 4.0
    held_out = held_out_chart(result)
    assert held_out is not None
    assert [(line.x, line.y) for line in held_out.series] == [((0, 4), (3.0, 1.5)), ((0, 4), (3.0, 0.75))]


def test_probes_of_several_lengths_say_theirs() -> None:
    chart = probe_chart(replace(example_result(), probes=(SLOW, replace(SLOW, steps=8))))
    assert chart is not None
    assert [line.label for line in chart.series] == ["LR 0.01, 4 steps", "LR 0.01, 8 steps"]


def test_every_schedule_is_drawn_up_to_its_learning_rate() -> None:
    drawn = charts(example_result())["schedules"]
    assert list(drawn) == list(KINDS)
    assert max(drawn["constant"].series[0].y) == END_LR
    assert max(drawn["cosine"].series[0].y) == 2 * END_LR
    assert drawn["cosine"].series[0].y[-1] < 0.001 * END_LR


def test_a_refusal_without_probes_has_its_curve_alone() -> None:
    found = charts(refused_result())
    assert [name for name, chart in found.items() if chart is not None] == ["curve"]
    assert [band.colour for band in found["curve"].bands] == ["grey"]


def test_a_learning_rate_of_the_user_is_marked() -> None:
    assert curve_chart(refused_result(), mark=0.02).bands[-1] == Band(0.02, 0.02, "your LR 0.02", "ink")


def test_a_probe_without_a_finite_loss_is_no_fault() -> None:
    dead = Probe(1.0, 4, (math.nan,), StopReason.NON_FINITE)
    assert probe_chart(replace(example_result(), probes=(dead,))) is None
    chart = probe_chart(replace(example_result(), probes=(dead, FAST)))
    assert chart is not None
    assert [line.label for line in chart.series] == ["LR 0.1"]
    late = replace(FAST, losses=(math.nan, 2.0, 1.0, 0.5))
    unmeasured = Probe(2.0, 4, (), StopReason.INTERRUPTED)
    chart = probe_chart(replace(example_result(), probes=(late, unmeasured)))
    assert chart is not None
    assert 2.0 < chart.y.high < 3.0


def test_a_small_descent_on_a_large_loss_keeps_its_digits() -> None:
    sweep = example_sweep(lambda lr: 1000 + 0.01 * example_loss(lr), noise=0.0)
    raw = curve_chart(example_result(sweep)).series[0]
    assert len(set(raw.y)) > 50
