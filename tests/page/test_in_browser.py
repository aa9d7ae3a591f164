"""The page in a real browser: charts are drawn, zoomed and read with the pointer, in light and in dark."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from helpers import refused_result
from page_results import HOSTILE, rich

from lrfind.page.render import page
from lrfind.records.types import Probe, Result, StopReason, Sweep

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium")]

CURVE = "document.querySelector('.chart[data-chart=curve]')"
LEGEND = f"{CURVE}.querySelector('.u-legend').innerText.replace(/\\s+/g, ' ')"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


def shown_lrs(browser: Browser) -> tuple[float, float]:
    low, high = browser.value(f"[{CURVE}.plot.scales.x.min, {CURVE}.plot.scales.x.max]")
    return low, high


def place(browser: Browser, lr: float, up: float) -> tuple[float, float]:
    """Return the pixel of a learning rate in the curve's chart, so far up as a share of its height."""
    left, top, height = browser.value(
        f"(() => {{ const r = {CURVE}.plot.over.getBoundingClientRect(); return [r.left, r.top, r.height] }})()"
    )
    return left + browser.value(f"{CURVE}.plot.valToPos({lr}, 'x')"), top + height * (1 - up)


def test_charts_are_drawn_zoomed_and_read_with_the_pointer(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "train.html"
    file.write_text(page({"train": rich()}))
    browser.show(file)
    assert browser.value("document.querySelectorAll('.chart .uplot canvas').length") == 4
    assert browser.value("document.querySelectorAll('.chart img').length") == 0

    whole = shown_lrs(browser)
    browser.pointer((5, 5), place(browser, 0.01, 0.5))
    legend = browser.value(LEGEND)
    assert legend.startswith("learning rate0.01mini-batch loss0.")
    assert legend.endswith("probes of 2 steps, at end0.5the same on held-out samples0.75")

    browser.pointer(place(browser, 1e-3, 0.2), place(browser, 0.03, 0.6), place(browser, 0.1, 0.8), drag=True)
    assert shown_lrs(browser) == pytest.approx((1e-3, 0.1), rel=0.1)
    browser.value(f"{CURVE}.querySelector('button').click()")
    assert shown_lrs(browser) == whole

    browser.value("(s => { s.value = 'onecycle'; s.onchange() })(document.querySelector('select'))")
    schedule = "document.querySelector('.chart[data-chart=schedules]')"
    assert "onecycle: up and down once" in browser.value(f"{schedule}.innerText")
    assert browser.errors == []


def test_colours_follow_the_reader(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "train.html"
    file.write_text(page({"train": rich()}))
    browser.show(file, width=400, scheme="light")
    light = browser.value("getComputedStyle(document.body).backgroundColor")
    stroke = f"{CURVE}.plot.series[2].stroke()"
    light_line = browser.value(stroke)
    browser.prefer("dark")
    browser.value("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    assert light == "rgb(255, 255, 255)"
    assert browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    assert browser.value(stroke) != light_line
    assert browser.value("document.documentElement.scrollWidth") <= 400
    assert browser.errors == []


def odd(losses: Sequence[float], **analysis: object) -> Result:
    """Return a refusal after a sweep with these losses, from which nothing could be read."""
    sweep = Sweep(0, tuple(10.0 ** (k - 7) for k in range(len(losses))), tuple(losses), StopReason.INTERRUPTED)
    return refused_result(sweep=sweep, smooth=None, landmarks=None, **analysis)


def test_what_can_hardly_be_drawn_is_no_fault(browser: Browser, tmp_path: Path) -> None:
    unmeasured = Probe(0.1, 5, (), StopReason.INTERRUPTED)
    results = {
        "nothing": odd([]),
        "one": odd([2.0]),
        "flat": odd([1.0] * 9),
        "not finite": odd([math.nan, math.inf, math.nan]),
        "large": odd([1e12 + k for k in range(9)]),
        "one step": replace(odd([2.0, 1.0]), probes=(Probe(0.1, 1, (2.0,), StopReason.COMPLETED), unmeasured)),
    }
    file = tmp_path / "odd.html"
    file.write_text(page(results))
    browser.show(file)
    assert browser.value("document.querySelectorAll('.chart canvas').length") == 7
    assert browser.errors == []


def test_a_small_descent_on_a_large_loss_is_read_with_its_digits(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "train.html"
    file.write_text(page({"train": odd([1000 - 0.01 * k for k in range(9)])}))
    browser.show(file)
    browser.pointer((5, 5), place(browser, 1e-5, 0.5))
    assert "mini-batch loss999.97" in browser.value(LEGEND)


def test_texts_of_a_user_run_no_script(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "train.html"
    result = replace(rich(), title=HOSTILE, config={"a": HOSTILE})
    file.write_text(page({HOSTILE: result, "other": result}))
    browser.show(file)
    assert browser.value("document.querySelectorAll('.chart canvas').length") == 8
    assert browser.errors == []
