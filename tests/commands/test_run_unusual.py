"""Data and losses of unusual form: what works, and what is refused with exit code 3."""

from __future__ import annotations

import pytest
from cli import OWN_LOADER, Outcome, Project

LOSS = "loss._target_=own.loss"
MODEL = "model._target_=own.model"
DATASET = "data.dataset._target_=own.dataset"


# Data of unusual form that works


@pytest.mark.parametrize("size", [1, 5, 64])
def test_data_set_of_one_batch(project: Project, size: int) -> None:
    assert project.run(f"data.dataset.size={size}").code == 0


def test_iterable_data_set(project: Project) -> None:
    project.add("class dataset(IterableDataset):\n    def __iter__(self): return iter(data())")
    outcome = project.run(DATASET, "--json")
    assert outcome.code == 0
    assert outcome.json["stop_reason"] in ("completed", "diverged")
    outcome.says("data ran out; starting over")


def test_mapping_batches_of_a_model_with_its_own_loss(project: Project) -> None:
    project.config.write_text(OWN_LOADER)
    project.add(
        """
        from types import SimpleNamespace
        class model(nn.Module):
            def __init__(self): super().__init__(); self.layer = net()
            def forward(self, image, label):
                return SimpleNamespace(loss=nn.functional.mse_loss(self.layer(image), label))
        def loader(): return [dict(zip(("image", "label"), data().tensors))]
        """
    )
    assert project.run(MODEL, "loss=null").code == 0


def one_shot(project: Project, batches: int, noise: float = 0.0) -> Outcome:
    """Run on a generator, which can be read once."""
    project.config.write_text(OWN_LOADER)
    project.add(
        f"""
        def loader():
            x, y = data(64 * {batches}, {noise}).tensors
            return zip(x.split(64), y.split(64))
        """
    )
    return project.run("--json")


def test_generator_that_is_long_enough(project: Project) -> None:
    assert one_shot(project, 60).code == 0


def test_generator_that_ends_early(project: Project) -> None:
    outcome = one_shot(project, 30)
    assert outcome.code == 3
    assert outcome.json["stop_reason"] == "data_ended"
    assert len(outcome.json["sweeps"][0]["losses"]) == 30


def test_generator_of_too_few_batches(project: Project) -> None:
    outcome = one_shot(project, 5)
    assert outcome.code == 3
    assert outcome.json["reason"] == "too_few_points"


@pytest.mark.parametrize("batches", [60, 90])
def test_generator_that_a_longer_sweep_cannot_read_again(project: Project, batches: int) -> None:
    outcome = one_shot(project, batches, noise=30.0)
    assert outcome.code in (0, 3)
    assert outcome.json["error"] is None
    assert len(outcome.json["sweeps"][0]["losses"]) > 30
    assert "got none" not in outcome.err


# Losses of unusual course


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_loss_not_finite_at_the_start(project: Project, value: str) -> None:
    project.add(f"def loss(): return on_step(lambda step, value: value * float('{value}'))")
    outcome = project.run(LOSS, "--json")
    assert outcome.code == 3
    assert outcome.json["reason"] == "non_finite_at_start"
    assert outcome.json["sweeps"][0]["losses"] == [None]


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_loss_not_finite_in_mid_sweep(project: Project, value: str) -> None:
    project.add(f"def loss(): return on_step(lambda step, value: value * float('{value}') if step == 40 else value)")
    outcome = project.run(LOSS, "--json", "sweep.max_iter=60")
    assert outcome.code in (0, 3)
    assert outcome.json["stop_reason"] == "non_finite"
    assert len(outcome.json["sweeps"][0]["losses"]) == 41
    assert outcome.json["sweeps"][0]["losses"][-1] is None


def test_constant_loss_is_refused(project: Project) -> None:
    project.add("def loss(): return on_step(lambda step, value: value * 0 + 1)")
    outcome = project.run(LOSS)
    assert outcome.code == 3
    assert "No learning rate suggested" in outcome.out
    assert "sweep.end_lr" in outcome.out


def test_negative_losses_give_the_same_rate_as_positive_ones(project: Project) -> None:
    project.add("def loss(): return on_step(lambda step, value: value - 100)")
    assert float(project.run(LOSS, "--format", "lr").out) == pytest.approx(
        float(project.run("--format", "lr").out), rel=0.05
    )
