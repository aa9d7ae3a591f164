from __future__ import annotations

import math
from dataclasses import replace

import pytest
from helpers import example_landmarks, example_loss, example_result, example_sweep, refused_result

from lrfind.output.terminal_plot import sketch
from lrfind.records.types import Probe, Result, StopReason, Sweep

GOLDEN_ASCII = """\
loss                       v 0.0063
 2.6 |                     |       *::::
     | ***************     |       *::::
     |               **    |       *::::
     |                **   |      *:::::
     |                 *   |      *:::::
     |                  *  |      *:::::
     |                   * |     * :::::
     |                    ******** :::::
0.18 |                     |       :::::
     +-+-------+-------+-======-+-------
  LR  1e-7   1e-5    1e-3     1e-1
v suggested   = safe range 0.002 to 0.04
: diverged from 0.5"""


def probe_at(lr: float, end: float) -> Probe:
    return Probe(lr, 4, (2.3, 2.0, 1.8, end), StopReason.COMPLETED)


def lines(result: Result, width: int = 80, height: int = 14, ascii_only: bool = False) -> list[str]:
    return sketch(result, width, height, ascii_only).plain.split("\n")


def test_the_whole_sketch_in_ascii() -> None:
    assert lines(example_result(), 40, 14, ascii_only=True) == GOLDEN_ASCII.split("\n")


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize(("width", "height"), [(80, 14), (40, 12), (120, 20), (5, 1), (200, 60)])
def test_it_fills_the_given_room_and_no_more(width: int, height: int, ascii_only: bool) -> None:
    drawn = lines(example_result(), width, height, ascii_only)
    assert len(drawn) == max(height, 8)
    assert max(map(len, drawn)) <= max(width, 32)
    assert max(map(len, drawn)) >= max(width, 32) - 2


def test_probes_and_the_users_learning_rate_are_marked_and_named() -> None:
    probes = (probe_at(0.01, 0.5), probe_at(0.1, 1.5))
    drawn = sketch(replace(example_result(), probes=probes), 80, 16, mark=1e-4).plain.split("\n")
    marks = [(line.index("x"), row) for row, line in enumerate(drawn[:-5]) if "x" in line]
    assert [column for column, _ in marks] == pytest.approx([column_of(drawn, 0.1), column_of(drawn, 0.01)], abs=1)
    assert all(line[round(column_of(drawn, 1e-4))] == "╎" for line in drawn[5:8])
    assert "╎ your LR 0.0001   x probes, at end" in " ".join(drawn[-2:])


def test_ascii_only_keeps_to_ascii() -> None:
    assert "\n".join(lines(example_result(), ascii_only=True)).isascii()
    assert not "\n".join(lines(example_result())).isascii()


def braille_dots(drawn: list[str]) -> dict[int, list[int]]:
    """Return the heights of the dots (from the bottom) in each column that has any."""
    plane = [line[line.index("┤") + 1 :] for line in drawn if "┤" in line]
    rows = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
    dots: dict[int, list[int]] = {}
    for row, line in enumerate(plane):
        for column, char in enumerate(line):
            bits = ord(char) - 0x2800 if 0x2800 <= ord(char) <= 0x28FF else 0
            for down, pair in enumerate(rows):
                for right, bit in enumerate(pair):
                    if bits & bit:
                        dots.setdefault(2 * column + right, []).append(4 * (len(plane) - row) - 1 - down)
    return dots


def test_the_curve_follows_the_loss_without_a_gap() -> None:
    dots = braille_dots(lines(example_result()))
    assert sorted(dots) == list(range(min(dots), max(dots) + 1))
    plateau, bottom = max(dots[min(dots)]), min(min(heights) for heights in dots.values())
    assert plateau - bottom > 20  # of 40 dots, as the plane has 10 lines
    lowest = [column for column, heights in dots.items() if min(heights) == bottom]
    assert max(dots) * 0.6 < sum(lowest) / len(lowest) < max(dots) * 0.95
    assert max(dots[max(dots)]) == 39  # the explosion leaves through the top


def test_one_dot_for_one_point() -> None:
    sweep = Sweep(0, (1e-3,), (2.3,), StopReason.INTERRUPTED)
    one = example_result(sweep, lambda _: 2.2, suggested_lr=None, safe_range=None, landmarks=None)
    assert sum(map(len, braille_dots(lines(one)).values())) == 1


def test_the_raw_losses_are_drawn_where_nothing_is_smoothed() -> None:
    assert len(braille_dots(lines(example_result(smooth=None)))) > 100


def column_of(drawn: list[str], lr: float) -> float:
    """Where `lr` should be, from the labels of the decades 1e-7 and 0.1."""
    axis = next(line for line in drawn if line.lstrip().startswith("└"))
    ticks = [index for index, char in enumerate(axis) if char == "┴"]
    left, right = ticks[0], ticks[-2]  # the last is 1; those inside the safe range are covered by it
    return left + (right - left) * (math.log10(lr) + 7) / 6


def test_the_suggestion_stands_at_its_rate() -> None:
    drawn = lines(example_result())
    pointer = drawn[0].index("▼ 0.0063")
    assert pointer == pytest.approx(column_of(drawn, 0.0063), abs=1)
    assert drawn[1][pointer] == "│"


def test_the_safe_range_is_heavier_on_the_axis_and_named() -> None:
    drawn = lines(example_result())
    axis = next(line for line in drawn if "└" in line)
    assert axis.index("━") == pytest.approx(column_of(drawn, 2e-3), abs=1)
    assert axis.rindex("━") == pytest.approx(column_of(drawn, 4e-2), abs=1)
    assert "━ safe range 0.002 to 0.04" in drawn[-1]


def test_the_diverged_zone_is_filled_to_the_right_edge() -> None:
    drawn = lines(example_result())
    bottom = next(line for line in drawn if line.startswith("0.18"))
    assert bottom.index("░") == pytest.approx(column_of(drawn, 0.5), abs=1)
    assert set(bottom[bottom.index("░") :]) == {"░"}
    assert len(bottom) == 80


def test_losses_and_decades_are_labelled() -> None:
    drawn = lines(example_result())
    assert drawn[1].split()[0] == "2.6"
    assert "LR 1e-7 1e-6 1e-5 1e-4 1e-3 1e-2 1e-1 1e0" in [" ".join(line.split()) for line in drawn]


def test_the_last_label_stays_inside() -> None:
    rates = [6.2e-3 + 5e-6 * i for i in range(41)]
    drawn = lines(example_result(example_sweep(lrs=rates), landmarks=None))
    assert "0.00635 0.0064" in [" ".join(line.split()[-2:]) for line in drawn]
    assert max(map(len, drawn)) <= 80


def test_labels_tell_close_losses_apart() -> None:
    landmarks = replace(example_landmarks(), plateau_loss=2.3 - 1234, minimum_loss=0.4 - 1234)
    sunk = example_result(example_sweep(lambda lr: example_loss(lr) - 1234), None, landmarks=landmarks)
    labels = [line.split()[0] for line in lines(sunk) if line.lstrip().startswith("-")]
    assert labels == ["-1231", "-1234"]


@pytest.mark.parametrize(("lr", "label"), [(3.9, "3.9 ▼"), (1e-7, "▼ 1e-07"), (50.0, "50 ▼")])
def test_a_suggestion_at_an_edge_keeps_its_label_inside(lr: float, label: str) -> None:
    drawn = lines(example_result(suggested_lr=lr))
    assert label in drawn[0]
    assert len(drawn[0]) <= 80


def test_a_refusal_shows_the_curve_without_a_suggestion() -> None:
    drawn = "\n".join(lines(refused_result()))
    assert braille_dots(drawn.split("\n"))
    assert not {"▼", "│", "━"} & set(drawn)
    assert "suggested" not in drawn


def test_a_sweep_without_a_finite_loss_says_so() -> None:
    sweep = Sweep(0, (1e-3, 1e-2), (math.nan, math.nan), StopReason.NON_FINITE)
    drawn = "\n".join(lines(refused_result(sweep=sweep, smooth=None, landmarks=None)))
    assert "no finite loss was measured" in drawn
    assert len(drawn.split("\n")) == 14
