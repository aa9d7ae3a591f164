"""The picture of short trainings: legible and inside, whatever they did."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from explained import ALPHA, GOOD, SLOW, bouncing, decay, example_explanation, exploding, probe, still
from legible import check_legible

from lrfind.explain.plot import explanation_figure
from lrfind.explain.types import Explanation
from lrfind.output.picture import save_picture
from lrfind.records.types import Probe, StopReason

pytestmark = pytest.mark.slow

LOW, HIGH = ALPHA / 10, ALPHA * 10
STOPPED = probe(HIGH, exploding, 9, StopReason.DIVERGED)


def long(steps: int) -> Explanation:
    made = [replace(probe(lr, GOOD, steps), steps=steps) for lr in (LOW, ALPHA, HIGH)]
    return example_explanation(made[0], made[2], alpha=made[1])


NAN = Probe(HIGH, 100, (2.3, math.nan), StopReason.NON_FINITE)
NAN_AT_ONCE = Probe(HIGH, 100, (math.nan,), StopReason.NON_FINITE)
CASES = {
    "crawls, descends, diverges": example_explanation(),
    "overshoots": example_explanation(probe(LOW, SLOW), probe(HIGH, bouncing)),
    "the same thrice": example_explanation(probe(LOW, GOOD), probe(HIGH, GOOD)),
    "still": example_explanation(probe(LOW, still), probe(HIGH, still), alpha=probe(ALPHA, still)),
    "constant": example_explanation(probe(LOW, still, noise=0), alpha=probe(ALPHA, still, noise=0)),
    "all explode": example_explanation(replace(STOPPED, lr=LOW), STOPPED, alpha=replace(STOPPED, lr=ALPHA)),
    "not finite": example_explanation(probe(LOW, SLOW), NAN),
    "not finite at once": example_explanation(replace(NAN_AT_ONCE, lr=LOW), alpha=replace(NAN_AT_ONCE, lr=ALPHA)),
    "fails at once": example_explanation(probe(LOW, SLOW), Probe(HIGH, 100, (), StopReason.FAILED)),
    "interrupted": example_explanation(
        probe(LOW, SLOW, 20, StopReason.INTERRUPTED), Probe(HIGH, 100, (), StopReason.INTERRUPTED)
    ),
    "beyond floats": example_explanation(probe(LOW, SLOW), probe(HIGH, lambda step: 2.3 * 1e30**step, 9)),
    "below zero": example_explanation(probe(LOW, SLOW), STOPPED, alpha=probe(ALPHA, decay(0.1, floor=-2))),
    "long title": example_explanation(title="resnet_of_a_very_long_name_" * 8),
    "formula": example_explanation(title="a_$x^2$ & <b>"),
    "ten steps": long(10),
    "many steps": long(20_000),
    "tiny rates": example_explanation(probe(1.23e-17, SLOW), probe(1.23e5, SLOW)),
}


@pytest.mark.parametrize("said", CASES.values(), ids=CASES.keys())
def test_every_picture_is_legible(said: Explanation) -> None:
    picture = explanation_figure(said)
    check_legible(picture)
    shown = {run.role for run in said.runs if run.probe.losses}
    labels = [text.get_text() for text in picture.axes[0].texts]
    assert {role for role in shown if any(role in label for label in labels)} == shown


def test_labels_say_rate_role_outcome_and_end() -> None:
    said = CASES["crawls, descends, diverges"]
    labels = [text.get_text() for text in explanation_figure(said).axes[0].texts]
    ends = [f"{run.probe.end_loss:.3g}" for run in said.runs]
    assert labels == [
        f"0.01, a tenth\ncrawls: {ends[0]}",
        f"0.1, suggested\ndescends: {ends[1]}",
        "1, ten times\ndiverges at step 9",
    ]


def test_the_axis_is_logarithmic_where_losses_fall_far_and_can_be() -> None:
    assert explanation_figure(CASES["crawls, descends, diverges"]).axes[0].get_yscale() == "log"
    assert explanation_figure(CASES["below zero"]).axes[0].get_yscale() == "linear"
    assert explanation_figure(CASES["still"]).axes[0].get_yscale() == "linear"


@pytest.mark.parametrize("name", ["crawls, descends, diverges", "beyond floats", "below zero"])
def test_an_explosion_leaves_the_picture_and_is_marked(name: str) -> None:
    said = CASES[name]
    axes = explanation_figure(said).axes[0]
    low, high = axes.get_ylim()
    start = said.start.loss
    assert low < min(said.of_alpha.smoothed) < start < high < start + 3
    legend = {text.get_text() for text in axes.figure.legends[0].get_texts()}
    assert "leaves the picture" in legend


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_it_is_saved_the_same_every_time(suffix: str, tmp_path: Path) -> None:
    one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    for path in (one, two):
        save_picture(explanation_figure(example_explanation()), path)
    assert one.stat().st_size > 5000
    assert one.read_bytes() == two.read_bytes()
