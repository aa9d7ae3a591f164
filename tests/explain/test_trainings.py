"""Trainings at constant learning rates."""

from __future__ import annotations

import pytest
from cli import Project

from lrfind.errors import LrfindError
from lrfind.explain.trainings import Training, train_at
from lrfind.observer import Observer
from lrfind.pipeline import build, read_config
from lrfind.records.types import StopReason

LRS = (0.1, 0.01, 1.0)


def made(project: Project, *overrides: str, steps: int = 20, observer: Observer | None = None) -> list[Training]:
    overrides = ("device=cpu", *overrides)
    config = read_config(project.config, overrides)
    trainings, device = train_at(lambda: build(config, str(project.config)), LRS, steps, observer)
    assert device == "cpu"
    return trainings


def test_trainings_share_weights_and_batches(project: Project) -> None:
    trials = made(project, "data.dataset.noise=1", "data.batch_size=8")
    assert [probe.lr for probe, _ in trials] == list(LRS)
    assert len({probe.losses[0] for probe, _ in trials}) == 1
    good, slow, fast = (probe for probe, _ in trials)
    assert good.end_loss < slow.end_loss
    assert {probe.stop_reason for probe in (good, slow)} == {StopReason.COMPLETED}
    assert [error for _, error in trials] == [None] * 3
    assert fast.steps == 20
    assert made(project, "data.dataset.noise=1", "data.batch_size=8") == trials


def test_one_that_blows_up_is_stopped(project: Project) -> None:
    probe = made(project, "model.width=3", steps=60)[2][0]
    assert probe.stop_reason is StopReason.DIVERGED
    assert len(probe.losses) < 60


FAULT = "def loss(): return on_step(lambda step, value: {})"


def test_a_fault_at_one_rate_keeps_the_others(project: Project) -> None:
    project.add("def fail(value): raise ValueError('no')\n" + FAULT.format("fail(value) if value > 10 else value"))
    told: list[LrfindError] = []
    trials = made(project, "loss._target_=own.loss", observer=Observer(on_error=told.append))
    (good, none), (_, also_none), (bad, error) = trials
    assert (good.stop_reason, none, also_none) == (StopReason.COMPLETED, None, None)
    assert bad.stop_reason is StopReason.FAILED
    assert bad.losses
    assert error
    assert "ValueError: no" in error
    assert [str(fault) for fault in told] == [error]


def test_a_fault_before_anything_was_measured_is_raised(project: Project) -> None:
    project.add("def fail(): raise ValueError('no')\n" + FAULT.format("fail()"))
    with pytest.raises(LrfindError, match="ValueError: no"):
        made(project, "loss._target_=own.loss")


def test_an_interrupt_ends_all_and_keeps_what_was_made(project: Project) -> None:
    seen: list[float] = []

    def on_step(index: int, lr: float, loss: float) -> None:
        seen.append(loss)
        if len(seen) == 27:
            raise KeyboardInterrupt

    trials = made(project, observer=Observer(on_step=on_step))
    assert [len(probe.losses) for probe, _ in trials] == [20, 6, 0]
    assert [probe.stop_reason.value for probe, _ in trials] == ["completed", "interrupted", "interrupted"]


def test_an_interrupt_before_anything_was_measured_is_raised(project: Project) -> None:
    def on_step(index: int, lr: float, loss: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(project, observer=Observer(on_step=on_step))


def test_data_that_can_be_read_but_once_ends_all(project: Project) -> None:
    project.add("def loader(): return iter([(torch.ones(4, 3), torch.ones(4, 1))] * 20)")
    project.config.write_text(
        project.config.read_text().replace(
            "{dataset: {_target_: own.data}, batch_size: 64}", "{loader: {_target_: own.loader}}"
        )
    )
    trials = made(project)
    assert [len(probe.losses) for probe, _ in trials] == [20, 0, 0]
    assert [probe.stop_reason.value for probe, _ in trials] == ["completed", "data_ended", "data_ended"]
