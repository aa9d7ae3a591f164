from __future__ import annotations

import itertools
import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from helpers import (
    DIVERGENCE_LR,
    END_LR,
    MINIMUM,
    PLATEAU,
    REFUSAL_MESSAGE,
    ROOT,
    STEEPEST_LR,
    example_landmarks,
    example_loss,
    example_result,
    example_sweep,
    refused_result,
)
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from lrfind.errors import OutputError
from lrfind.output.curve import lr_ticks, tick_labels
from lrfind.output.look import Look
from lrfind.output.picture import FORMATS, VERMILLION, save_picture
from lrfind.output.plot import figure
from lrfind.records.types import Candidate, Probe, Result, StopReason, Sweep

pytestmark = pytest.mark.slow


def artist(picture: Figure, label: str) -> Any:
    """Return the one artist that the legend explains with a text that starts with `label`."""
    handles, labels = picture.axes[0].get_legend_handles_labels()
    found = [handle for handle, text in zip(handles, labels, strict=True) if text.startswith(label)]
    assert len(found) == 1, f"{label}: {len(found)} in {labels}"
    return found[0]


def legend_labels(picture: Figure) -> list[str]:
    return [text.get_text() for legend in picture.legends for text in legend.get_texts()]


def heading(picture: Figure) -> tuple[str, str]:
    title, subtitle = (" ".join(text.get_text().split("\n")) for text in picture.texts)
    return title, subtitle


# --- what is drawn


def test_each_mini_batch_loss_stands_at_the_rate_of_the_update_before_it() -> None:
    result = example_result()
    points = next(line for line in figure(result).axes[0].lines if line.get_marker() == ".")
    assert list(points.get_xdata()) == list(result.sweep.lrs[:-1])
    assert list(points.get_ydata()) == list(result.sweep.losses[1:])
    assert points.get_linestyle() == "None"


def test_the_smoothed_curve_is_bold_and_leaves_out_what_is_not_known() -> None:
    result = example_result(smooth=lambda lr: math.nan if lr < 1e-6 else example_loss(lr))
    curve = artist(figure(result), "smoothed loss")
    known = [lr for lr in result.sweep.lrs if lr >= 1e-6]
    assert list(curve.get_xdata()) == known
    assert list(curve.get_ydata()) == [example_loss(lr) for lr in known]
    assert curve.get_linewidth() >= 2


def test_the_suggestion_is_a_line_over_the_whole_height_with_its_value() -> None:
    picture = figure(example_result())
    line = next(line for line in picture.axes[0].lines if to_hex(line.get_color()).upper() == VERMILLION)
    assert list(line.get_xdata()) == [END_LR, END_LR]
    assert list(line.get_ydata()) == [0, 1]
    assert [text.get_text() for text in picture.axes[0].texts] == ["LR 0.0063"]


def test_the_safe_range_is_shaded() -> None:
    box = artist(figure(example_result()), "safe range 0.002 to 0.04")
    assert (box.get_x(), box.get_x() + box.get_width()) == pytest.approx((2e-3, 4e-2))
    assert box.get_hatch() is None


def test_the_diverged_zone_is_hatched_up_to_the_right_edge() -> None:
    picture = figure(example_result())
    box = artist(picture, "diverged from 0.5")
    right = picture.axes[0].get_xlim()[1]
    assert (box.get_x(), box.get_x() + box.get_width()) == pytest.approx((DIVERGENCE_LR, right))
    assert box.get_hatch()


def test_no_diverged_zone_where_the_sweep_did_not_diverge() -> None:
    picture = figure(example_result(landmarks=replace(example_landmarks(), divergence_lr=None)))
    assert not [label for label in legend_labels(picture) if label.startswith("diverged")]


def test_the_tangent_touches_the_curve_with_the_slope_per_decade() -> None:
    line = artist(figure(example_result()), "steepest descent 0.001")
    (left, right), (high, low) = line.get_xdata(), line.get_ydata()
    assert (low - high) / math.log10(right / left) == pytest.approx(-1.9)
    assert math.sqrt(left * right) == pytest.approx(STEEPEST_LR)
    assert (high + low) / 2 == pytest.approx(example_loss(STEEPEST_LR), abs=0.01)


def test_candidates_are_marked_on_the_curve_with_different_markers() -> None:
    picture = figure(example_result())
    markers = [artist(picture, "valley 0.0034"), artist(picture, "tenth of the minimum 0.0032")]
    for marker in markers:
        assert marker.get_ydata()[0] == pytest.approx(example_loss(marker.get_xdata()[0]), abs=0.01)
    assert len({marker.get_marker() for marker in markers}) == 2


def test_a_candidate_equal_to_the_suggestion_or_the_steepest_descent_is_not_marked_twice() -> None:
    labels = legend_labels(figure(example_result()))
    assert not [label for label in labels if "0.0063" in label]  # it stands above the line
    assert [label for label in labels if "0.001" in label.split()] == ["steepest descent 0.001"]
    assert not [label for label in labels if "knee" in label]  # it has found nothing


def test_candidates_at_one_rate_share_a_marker() -> None:
    both = (Candidate("valley", 3e-3, ""), Candidate("minimum", 3.0001e-3, ""))
    assert "valley, tenth of the minimum 0.003" in legend_labels(figure(example_result(candidates=both)))


def test_other_sweeps_are_faint_and_named_once() -> None:
    result = example_result()
    curve = result.smoothed[0]
    three = replace(result, sweeps=result.sweeps * 3, smoothed=(curve, curve, curve), used=1)
    picture = figure(three)
    other = artist(picture, "other sweeps")
    assert other.get_linewidth() < artist(picture, "smoothed loss").get_linewidth()
    faint = [line for line in picture.axes[0].lines if to_hex(line.get_color()) == to_hex(other.get_color())]
    assert len(faint) == 2


def test_title_and_finding_stand_above() -> None:
    title, finding = heading(figure(example_result()))
    assert title == "resnet18 on CIFAR10, SGD, batch 128, cuda"
    assert finding == "suggested LR 0.0063, safe range 0.002 to 0.04, confidence 87%"


def test_a_refusal_draws_the_curve_with_the_reason_and_marks_nothing() -> None:
    candidates = (Candidate("minimum", 1e-3, "by luck"),)
    picture = figure(refused_result(candidates=candidates))
    assert heading(picture)[1] == f"No learning rate suggested: {REFUSAL_MESSAGE}"
    assert legend_labels(picture) == ["smoothed loss, dots: raw", "diverged from 0.5"]
    assert not picture.axes[0].texts


# --- the limits


def exploding(lr: float) -> float:
    return example_loss(lr) if lr < DIVERGENCE_LR else 1e30


@pytest.mark.parametrize("smooth", [exploding, None], ids=["smoothed", "raw only"])
@pytest.mark.parametrize("landmarks", [example_landmarks(), None], ids=["landmarks", "no landmarks"])
def test_the_explosion_does_not_rule_the_loss_axis(smooth: Any, landmarks: Any) -> None:
    result = example_result(example_sweep(exploding), smooth, landmarks=landmarks)
    low, high = figure(result).axes[0].get_ylim()
    assert MINIMUM - 1 < low < MINIMUM
    assert PLATEAU < high < PLATEAU + 5


def test_the_loss_axis_ends_a_bit_above_the_plateau() -> None:
    low, high = figure(example_result(example_sweep(noise=0))).axes[0].get_ylim()
    assert PLATEAU < high < PLATEAU + 0.3 * (PLATEAU - MINIMUM)
    assert MINIMUM - 0.3 * (PLATEAU - MINIMUM) < low < MINIMUM


def test_one_wild_batch_does_not_rule_the_loss_axis() -> None:
    sweep = example_sweep()
    wild = replace(sweep, losses=(*sweep.losses[:20], 400.0, *sweep.losses[21:]))
    assert figure(example_result(wild)).axes[0].get_ylim()[1] < 4


def test_the_lr_axis_is_logarithmic_and_holds_all_rates() -> None:
    result = example_result()
    axes = figure(result).axes[0]
    low, high = axes.get_xlim()
    assert axes.get_xscale() == "log"
    assert low < result.sweep.lrs[0] < result.sweep.lrs[-1] < high
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["1e-7", "1e-6", "1e-5", "1e-4", "1e-3", "1e-2", "1e-1", "1e0"]


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (9e-8, 11, ["1e-7", "1e-6", "1e-5", "1e-4", "1e-3", "1e-2", "1e-1", "1e0", "1e1"]),
        (9e-13, 2, ["1e-12", "1e-10", "1e-8", "1e-6", "1e-4", "1e-2", "1e0"]),
        (0.9e-3, 0.03, ["0.001", "0.002", "0.005", "0.01", "0.02"]),
        (0.0101, 0.0199, ["0.012", "0.014", "0.016", "0.018"]),
        (0.00619, 0.00641, ["0.0062", "0.00625", "0.0063", "0.00635", "0.0064"]),
    ],
)
def test_lr_ticks_are_round_and_few(low: float, high: float, labels: list[str]) -> None:
    assert tick_labels(lr_ticks(low, high, 10)) == labels


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ([0.0, 0.5, 1.0], ["0", "0.5", "1"]),
        ([1200.0, 1400.0], ["1200", "1400"]),
        ([-1233.5, -1233.0], ["-1233.5", "-1233"]),
        ([2e30, 4e30], ["2e30", "4e30"]),
        ([1e-3], ["0.001"]),
        ([], []),
    ],
)
def test_tick_labels_tell_neighbours_apart(ticks: list[float], labels: list[str]) -> None:
    assert tick_labels(ticks) == labels


# --- whatever the shape: drawn, legible, inside


def bare(lrs: list[float], losses: list[float], smoothed: list[float] | None = None) -> Result:
    curve = tuple(smoothed or [math.nan] * len(lrs))
    sweep = Sweep(0, tuple(lrs), tuple(losses), StopReason.COMPLETED)
    refused = refused_result(landmarks=None, candidates=())
    analysis = replace(refused.analysis, smoothed=curve)
    return replace(refused, sweeps=(sweep,), smoothed=(curve,), analysis=analysis)


def even(low: float, high: float, count: int) -> list[float]:
    return [low + (high - low) * i / (count - 1) for i in range(count)]


DECADES = [10.0**k for k in range(-7, 3)]
MANY = tuple(Candidate(f"method_{i}", END_LR * 1.02**i, "") for i in range(1, 10))
SHAPES = {
    "example": example_result(),
    "refusal": refused_result(),
    "long refusal": refused_result(message=REFUSAL_MESSAGE * 6),
    "noisy": example_result(example_sweep(noise=0.5)),
    "linear ladder": example_result(example_sweep(lrs=even(1e-4, 0.5, 60))),
    "short linear ladder": example_result(example_sweep(lrs=even(4e-3, 2e-2, 60))),
    "tiny range": example_result(example_sweep(lrs=even(6.29e-3, 6.31e-3, 60))),
    "many candidates": example_result(candidates=MANY),
    "long names": example_result(candidates=(Candidate("a_long_name_" * 12, 1e-2, ""),)),
    "suggestion at the left edge": example_result(suggested_lr=1e-7),
    "suggestion at the right edge": example_result(suggested_lr=3.98),
    "suggestion beyond the sweep": example_result(suggested_lr=1e3),
    "long title": example_result(title="MyNet on MyData, " * 20),
    "one long word": example_result(title="/a/path" * 40),
    "mathematics and controls": example_result(title="$_{ $ {oc.env:X} \x00\x1b[1m\ttab\nline <&>"),
    "no glyphs": example_result(title="模型 on データ"),
    "no title": example_result(title=""),
    "nothing": bare([], []),
    "one step": bare([1e-3], [2.3]),
    "two steps": bare([1e-3, 1e-2], [2.3, 2.2], [2.2, math.nan]),
    "all NaN": bare(DECADES, [math.nan] * 10),
    "constant": bare(DECADES, [1.5] * 10, [1.5] * 10),
    "zero": bare(DECADES, [0.0] * 10, [0.0] * 10),
    "next to zero": bare(DECADES, [5e-324 * k for k in range(10)]),
    "negative": bare(DECADES, [-1234 - 0.1 * k for k in range(10)]),
    "huge": bare(DECADES, [2.3e30, 2.2e30, 2.1e30, 1e30, 1e30, 1e31, 1e35, 1e100, 1e308, math.inf]),
    "almost constant": bare(DECADES, [1000 + 1e-9 * k for k in range(10)]),
    "diverged at once": bare([0.1, 0.2, 0.4, 0.8], [2.3, 50, 1e5, 1e30]),
    "rate of zero": bare([0.0, 0.1, 1.0], [2.0, 1.9, 1.8], [2.0, 1.9, 1.8]),
    "diverged from the start": example_result(landmarks=replace(example_landmarks(), divergence_lr=1e-7)),
}


def drawn_texts(picture: Figure) -> list[Text]:
    axes = picture.axes[0]
    texts = [*picture.texts, *axes.texts, axes.xaxis.label, axes.yaxis.label]
    texts += [*axes.get_xticklabels(), *axes.get_yticklabels()]
    texts += [text for legend in picture.legends for text in legend.get_texts()]
    return [text for text in texts if text.get_text().strip()]


@pytest.mark.filterwarnings("ignore:Glyph .* missing:UserWarning")
@pytest.mark.parametrize("result", SHAPES.values(), ids=SHAPES)
def test_no_text_is_clipped_small_or_on_top_of_another(result: Result) -> None:
    picture = figure(result)
    canvas = FigureCanvasAgg(picture)
    canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in drawn_texts(picture)]
    page = picture.bbox
    for text, box in boxes:
        assert page.x0 <= box.x0 < box.x1 <= page.x1, text
        assert page.y0 <= box.y0 < box.y1 <= page.y1, text
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        assert not a.overlaps(b), (one, other)
    assert min(text.get_fontsize() for text in drawn_texts(picture)) >= 10


@pytest.mark.filterwarnings("ignore:Glyph .* missing:UserWarning")
@pytest.mark.parametrize("result", SHAPES.values(), ids=SHAPES)
def test_legend_heading_and_axes_keep_apart(result: Result) -> None:
    picture = figure(result)
    canvas = FigureCanvasAgg(picture)
    canvas.draw()
    renderer = canvas.get_renderer()
    axes = picture.axes[0].get_window_extent(renderer)
    assert axes.height >= 1.6 * picture.dpi
    for part in [*picture.legends, *(text for text in picture.texts if text.get_text())]:
        box = part.get_window_extent(renderer)
        assert not axes.overlaps(box)
        assert picture.bbox.x0 <= box.x0 < box.x1 <= picture.bbox.x1
        assert picture.bbox.y0 <= box.y0 < box.y1 <= picture.bbox.y1


@pytest.mark.parametrize("result", SHAPES.values(), ids=SHAPES)
def test_every_shape_is_saved(result: Result, tmp_path: Path) -> None:
    save_picture(figure(result), tmp_path / "curve.svg")
    ET.parse(tmp_path / "curve.svg")


def test_a_sweep_without_a_finite_loss_says_so() -> None:
    texts = [text.get_text() for text in figure(SHAPES["all NaN"]).axes[0].texts]
    assert texts == ["no finite loss was measured after an update"]


# --- the files


def test_the_png_is_large_enough_for_a_page(tmp_path: Path) -> None:
    save_picture(figure(example_result()), tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as image:
        image.load()
        assert (image.format, image.width) == ("PNG", 1200)
        assert image.height > 500
        assert len(image.convert("RGB").getcolors(1 << 20)) > 50


def test_the_svg_is_xml(tmp_path: Path) -> None:
    save_picture(figure(example_result()), tmp_path / "curve.SVG")
    assert ET.parse(tmp_path / "curve.SVG").getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_the_pdf_is_whole(tmp_path: Path) -> None:
    save_picture(figure(example_result()), tmp_path / "curve.pdf")
    data = (tmp_path / "curve.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_result_gives_the_same_bytes_whatever_the_settings(form: str, tmp_path: Path) -> None:
    save_picture(figure(example_result()), tmp_path / f"one.{form}")
    theirs = {"figure.facecolor": "black", "lines.linewidth": 9, "font.size": 20, "svg.hashsalt": None}
    with matplotlib.rc_context(theirs):
        save_picture(figure(example_result()), tmp_path / f"two.{form}")
        assert matplotlib.rcParams["font.size"] == 20
    data = (tmp_path / f"one.{form}").read_bytes()
    assert data == (tmp_path / f"two.{form}").read_bytes()
    assert b"CreationDate" not in data
    assert b"dc:date" not in data


@pytest.mark.parametrize("name", ["curve.jpg", "curve", ".png"])
def test_an_unknown_suffix_names_the_known_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"ends in \.png, \.svg, \.pdf or \.html"):
        save_picture(figure(example_result()), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"output\.dir"):
        save_picture(figure(example_result()), tmp_path / "gone" / "curve.png")


def test_neither_pyplot_nor_torch_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys, helpers, pathlib; from lrfind.output import picture, plot;"
        f"picture.save_picture(plot.figure(helpers.example_result()), pathlib.Path({str(tmp_path / 'curve.png')!r}));"
        "sys.exit(' '.join({'torch', 'matplotlib.pyplot', 'tkinter'} & set(sys.modules)) or 0)"
    )
    path = f"import sys; sys.path[:0] = {[str(ROOT / 'tests' / 'support'), str(ROOT)]!r};"
    done = subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_probes_are_drawn_where_they_ended() -> None:
    probes = tuple(
        Probe(lr, 40, (2.3,) * 30 + (level,) * 10, StopReason.COMPLETED) for lr, level in ((1e-2, 0.2), (1e-3, 0.9))
    )
    shorter = Probe(0.1, 20, (2.3,) * 20, StopReason.COMPLETED)
    diverged = Probe(1.0, 40, (2.3, math.nan), StopReason.NON_FINITE)
    axes = figure(replace(example_result(), probes=(shorter, *probes, diverged))).axes[0]
    drawn = next(line for line in axes.lines if "probes of 40 steps" in str(line.get_label()))
    assert drawn.get_xydata() == pytest.approx(np.array([[1e-3, 0.9], [1e-2, 0.2]]))
    assert axes.get_ylim()[0] < 0.2


def probed(*ends: tuple[float, float, float], **analysis: Any) -> Result:
    """Return a result whose probes decided: the learning rate of each, its loss, and that on held-out data."""
    probes = tuple(
        Probe(lr, 4, (2.3, 2.0, 1.0, end), StopReason.COMPLETED, (0, 4), ((2.3,), (held_out,)))
        for lr, end, held_out in ends
    )
    return replace(example_result(method="probes", **analysis), probes=probes)


def test_held_out_losses_are_drawn_and_readings_that_did_not_decide_are_not() -> None:
    picture = figure(probed((1e-3, 0.9, 1.0), (1e-2, 0.5, 0.7)))
    assert artist(picture, "the same on held-out data").get_xydata().tolist() == [[1e-3, 1.0], [1e-2, 0.7]]
    assert not [label for label in legend_labels(picture) if "valley" in label or "steepest" in label]


def test_six_entries_explain_a_picture() -> None:
    assert len(legend_labels(figure(probed((1e-3, 0.9, 1.0), (1e-2, 0.5, 0.7)), Look(mark=0.1)))) <= 6


def test_losses_over_decades_have_a_logarithmic_scale() -> None:
    axes = figure(probed((1e-3, 0.9, 1.0), (1e-2, 0.01, 0.02))).axes[0]
    assert axes.get_yscale() == "log"
    assert 0 < axes.get_ylim()[0] < 0.01
    assert len(axes.get_yticklabels()) >= 3


def test_no_loss_that_cannot_be_negative_has_an_axis_below_zero() -> None:
    axes = figure(probed((1e-3, 0.9, 1.0), (1e-2, 0.12, 0.12))).axes[0]
    assert axes.get_yscale() == "linear"
    assert axes.get_ylim()[0] >= 0


def test_the_look_is_the_users() -> None:
    dark = figure(example_result(), Look(title="Mine", mark=0.1, theme="dark"))
    assert heading(dark)[0] == "Mine"
    assert artist(dark, "your LR 0.1").get_xdata() == [0.1, 0.1]
    assert to_hex(dark.get_facecolor()) != to_hex(figure(example_result()).get_facecolor())
    paper = figure(example_result(), Look(theme="paper"))
    assert (paper.texts, paper.axes[0].xaxis.label.get_family()) == ([], ["serif"])
    assert figure(example_result(), Look(theme="notebook")).get_facecolor()[3] == 0


def test_the_subtitle_names_the_schedule_of_a_peak() -> None:
    result = example_result()
    lrs = {"constant": 0.0063, "cosine": 0.0126}
    result = replace(result, analysis=replace(result.analysis, suggested_lr=0.0126, suggested_lrs=lrs))
    result = replace(result, config={**result.config, "train": {"schedule": "cosine"}})
    said = " ".join(text.get_text() for text in figure(result).findobj(Text))
    assert "suggested LR 0.0126 as the peak of cosine (0.0063 if constant)" in said
