"""The pictures of schedules: the right curve, and all text inside and apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from legible import check_legible

from lrfind.output.picture import save_picture
from lrfind.schedule.kinds import KINDS, set_up
from lrfind.schedule.learning_rates import LearningRates
from lrfind.schedule.plot import schedule_figure, schedules_figure
from lrfind.schedule.scheduler import Length

pytestmark = pytest.mark.slow

RATES = LearningRates({"constant": 0.04, "cosine": 0.08, "linear": 0.08, "onecycle": 0.079}, low=0.008, high=0.2)
TINY = LearningRates({key: lr * 3.456e-5 for key, lr in RATES.suggested.items()}, low=1.23e-7, high=1.23e-5)
LENGTHS = [Length(1, 1), Length(3, 2), Length(90, 5004), Length(1000, 10)]


@pytest.mark.parametrize("rates", [RATES, TINY], ids=["common", "tiny"])
@pytest.mark.parametrize("length", LENGTHS, ids=lambda length: f"{length.epochs}x{length.steps}")
def test_all_schedules_are_legible_together(rates: LearningRates, length: Length) -> None:
    picture = schedules_figure(rates, length)
    assert [axes.get_title(loc="left") for axes in picture.axes] == list(KINDS)
    check_legible(picture)


@pytest.mark.parametrize("rates", [RATES, TINY], ids=["common", "tiny"])
@pytest.mark.parametrize("name", KINDS)
def test_each_schedule_is_legible_alone(name: str, rates: LearningRates) -> None:
    check_legible(schedule_figure(name, set_up(name, rates, Length(90, 5004)), Length(90, 5004)))


def test_the_curve_is_the_plan() -> None:
    length = Length(3, 4)
    scheduler = set_up("cosine", RATES, length)
    (line,) = schedule_figure("cosine", scheduler, length).axes[0].lines
    assert list(line.get_xdata()) == pytest.approx([step / 4 for step in range(13)])
    assert list(line.get_ydata())[:12] == [scheduler.at(step) for step in range(12)]


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_they_are_saved(suffix: str, tmp_path: Path) -> None:
    length = Length(3, 4)
    save_picture(schedule_figure("step", set_up("step", RATES, length), length), tmp_path / f"one.{suffix}")
    save_picture(schedules_figure(RATES, length), tmp_path / f"all.{suffix}")
    assert all(path.stat().st_size > 5000 for path in tmp_path.iterdir())
