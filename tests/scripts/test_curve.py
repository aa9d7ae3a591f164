"""The losses of a script's updates: judged, and told in order, whenever they become known."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from lrfind.records.types import StopReason
from lrfind.scripts import curve
from lrfind.scripts.curve import Curve
from lrfind.scripts.job import Job, Script
from lrfind.scripts.report import Report, read_losses

LRS = tuple(10.0 ** (step / 4 - 5) for step in range(20))


@dataclass
class Told:
    """What is told to the process that has started a script."""

    file: Path
    report: Report

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    @property
    def losses(self) -> list[float]:
        return [loss for line in self.lines for loss in read_losses(line.get("losses", []))]


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    file = tmp_path / "told"
    report = Report(os.open(file, os.O_WRONLY | os.O_CREAT))
    yield Told(file, report)
    report.close()


def made(told: Told, **job: Any) -> Curve:
    return Curve(Job(Script("train.py"), lrs=LRS, **job), told.report)


@pytest.mark.parametrize("kind", [float, torch.tensor])
def test_every_loss_is_told_once_and_in_order(told: Told, kind: Callable[[float], Any]) -> None:
    losses = [1.0 / (1 + step) for step in range(20)]
    kept = made(told)
    for loss in losses:
        kept.add(kind(loss))
    kept.finish()
    assert told.losses == pytest.approx(losses)
    assert kept.stopped is None


def test_losses_wait_for_each_other_and_come_before_what_is_told_after_them(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve, "EVERY_SECONDS", math.inf)
    kept = made(told)
    for loss in (3.0, 2.0, 1.0):
        kept.add(loss)
    assert told.losses == [3.0]
    kept.tell(plan={})
    assert [list(line) for line in told.lines] == [["losses"], ["losses"], ["plan"]]
    assert told.losses == [3.0, 2.0, 1.0]


@pytest.mark.parametrize(("end", "reason"), [((math.nan,), StopReason.NON_FINITE), ((1e3,) * 5, StopReason.DIVERGED)])
def test_losses_after_the_one_that_ends_a_sweep_are_not_told(
    told: Told, end: tuple[float, ...], reason: StopReason, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve, "EVERY_SECONDS", math.inf)
    kept = made(told)
    for loss in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, *end, 0.1, 0.2):
        kept.add(loss)
    assert kept.stopped is None  # nobody has looked yet
    kept.finish()
    assert kept.stopped is reason
    assert 0.5 in told.losses
    assert 0.1 not in told.losses


def test_where_another_process_decides_all_losses_are_told(told: Told) -> None:
    kept = made(told, decides=False)
    for loss in (1.0, math.inf, 2.0):
        kept.add(loss)
    kept.finish()
    assert told.losses == [1.0, math.inf, 2.0]
    assert kept.stopped is None
