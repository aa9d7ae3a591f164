"""The picture of several sweeps: what it shows of each, and that all of it can be read."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import END_LR, example_landmarks, example_loss, example_result, example_sweep, refused_result
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from lrfind.commands.plot import MOST
from lrfind.output.compare import comparison
from lrfind.output.picture import save_picture
from lrfind.records.types import Result

pytestmark = pytest.mark.slow


def moved(factor: float) -> Result:
    """Return the example with every learning rate `factor` times as high."""
    sweep = example_sweep()
    result = example_result(
        replace(sweep, lrs=tuple(lr * factor for lr in sweep.lrs)),
        smooth=lambda lr: example_loss(lr / factor),
        suggested_lr=END_LR * factor,
        safe_range=(2e-3 * factor, 4e-2 * factor),
    )
    landmarks = replace(example_landmarks(), divergence_lr=0.5 * factor, minimum_lr=0.032 * factor)
    return replace(result, analysis=replace(result.analysis, landmarks=landmarks))


def of(*results: Result, name: str = "run") -> dict[str, Result]:
    return {f"{name} {index}": result for index, result in enumerate(results)}


CASES = {
    "two": of(example_result(), moved(10)),
    "six": of(*(moved(10**k) for k in range(-3, 3))),
    "most": of(*(moved(2**k) for k in range(MOST))),
    "with a refusal": of(example_result(), refused_result(), name="a_very_long_name_of_an_experiment_" * 2),
    "mathematics and controls": of(example_result(), moved(2), name="$_{ \x1b \n"),
    "nothing measured": of(
        example_result(),
        refused_result(landmarks=None, smooth=None, sweep=example_sweep(lambda lr: float("nan"), noise=0)),
    ),
    "far apart": of(example_result(), moved(1e-9)),
    "close together": of(example_result(), example_result()),
    "huge losses": of(example_result(), example_result(example_sweep(lambda lr: 1e290 * example_loss(lr)))),
}


def texts_of(picture: Figure) -> list[tuple[str, object]]:
    above, below = picture.axes
    parts = [*picture.texts, *below.texts, below.xaxis.label, above.yaxis.label]
    parts += [*below.get_xticklabels(), *below.get_yticklabels(), *above.get_yticklabels()]
    return [(part.get_text(), part) for part in parts if part.get_text().strip()]


@pytest.mark.parametrize("named", CASES.values(), ids=CASES)
def test_all_text_is_inside_and_apart(named: dict[str, Result]) -> None:
    picture = comparison(named)
    canvas = FigureCanvasAgg(picture)
    canvas.draw()
    boxes = [(text, part.get_window_extent(canvas.get_renderer())) for text, part in texts_of(picture)]  # type: ignore[attr-defined]
    page = picture.bbox
    for text, box in boxes:
        assert page.x0 <= box.x0 < box.x1 <= page.x1, text
        assert page.y0 <= box.y0 < box.y1 <= page.y1, text
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        assert not a.overlaps(b), (one, other)


def test_each_row_says_what_was_found() -> None:
    below = comparison(of(example_result(), refused_result())).axes[1]
    assert [label.get_text() for label in below.get_yticklabels()] == ["run 0", "run 1"]
    assert [text.get_text() for text in below.texts] == ["0.0063 (87%)", "none: noise"]
    bars = [list(line.get_xdata()) for line in below.lines if line.get_linewidth() == 7]
    assert bars == [[2e-3, 4e-2]]
    assert [line.get_xdata()[0] for line in below.lines if line.get_marker() == "o"] == [END_LR]


def test_a_peak_is_told_from_a_constant_learning_rate() -> None:
    peak = example_result(suggested_lr=2 * END_LR)
    below = comparison(of(example_result(), replace(peak, config={"train": {"schedule": "cosine"}}))).axes[1]
    assert [text.get_text() for text in below.texts] == ["0.0063 (87%)", "0.0126 peak of cosine (87%)"]


def test_every_curve_falls_from_1_to_0_and_has_its_mark_on_it() -> None:
    axes = comparison(of(example_result(), moved(10))).axes[0]
    curves = [line for line in axes.lines if len(line.get_xdata()) > 1]
    for curve in curves:
        assert curve.get_ydata()[0] == pytest.approx(1, abs=0.02)
        assert min(curve.get_ydata()) == pytest.approx(0, abs=0.1)
    marks = {line.get_marker(): line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 1}
    assert marks == {"o": END_LR, "s": pytest.approx(10 * END_LR)}


def test_no_two_curves_look_the_same() -> None:
    axes = comparison(CASES["most"]).axes[0]
    looks = [(line.get_color(), line.get_linestyle()) for line in axes.lines if len(line.get_xdata()) > 1]
    assert len(set(looks)) == MOST


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_it_is_saved_the_same_each_time(suffix: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_picture(comparison(CASES["two"]), tmp_path / f"{name}.{suffix}")
    assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
    if suffix == "png":
        with Image.open(tmp_path / "one.png") as image:
            assert image.width == 1200
