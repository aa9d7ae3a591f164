"""Reading losses late: the same losses, in order, at steps that all processes agree on."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from late_device import FakeEvent, let_device_work

from lrfind.training.loss_readers import HostReader, LateReader, SteadyReader, loss_reader

CPU = torch.device("cpu")


def test_on_the_host_a_loss_is_read_at_once() -> None:
    reader = loss_reader(CPU, 3, alone=True)
    assert isinstance(reader, HostReader)
    assert (reader.push(torch.tensor(0.5)), reader.drain()) == ([0.5], [])


@pytest.mark.parametrize(("alone", "kind"), [(True, LateReader), (False, SteadyReader)])
def test_on_an_accelerator_the_reader_depends_on_whether_it_trains_alone(alone: bool, kind: type[LateReader]) -> None:
    assert type(loss_reader(torch.device("meta"), 3, alone=alone)) is kind


def test_a_late_reader_never_waits_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEvent, "recorded", 0)
    reader = LateReader(CPU, 9, FakeEvent, sleep=lambda seconds: pytest.fail("waits"))
    arrived = [reader.push(torch.tensor(float(step))) for step in range(9)]
    assert arrived == [[]] * FakeEvent.LAG + [[step] for step in range(9 - FakeEvent.LAG)]
    assert reader.drain() == list(range(9 - FakeEvent.LAG, 9))


def test_processes_read_the_same_losses_at_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = []
    for device_lag in (0, 3, 1000):  # of a fast process and a slow one
        monkeypatch.setattr(FakeEvent, "LAG", device_lag)
        monkeypatch.setattr(FakeEvent, "recorded", 0)
        reader = SteadyReader(CPU, 20, FakeEvent, sleep=partial(let_device_work, steps=2000))
        arrived.append([reader.push(torch.tensor(float(step))) for step in range(20)] + [reader.drain()])
    lag = SteadyReader.LAG
    assert arrived[0] == arrived[1] == arrived[2]
    assert arrived[0] == [[]] * lag + [[step] for step in range(20 - lag)] + [[12, 13, 14, 15, 16, 17, 18, 19]]


def test_losses_that_never_come_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEvent, "recorded", 0)
    reader = SteadyReader(CPU, 9, FakeEvent)
    for step in range(6):
        reader.push(torch.tensor(float(step)))
    assert reader.drain(0.01) == [0, 1]
