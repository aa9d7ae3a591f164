"""Real trainings that mislead a short sweep: what lrfind suggests, against training at every learning rate.

The trainings are tuning tasks of the accuracy benchmark, whose truth was taken by brute force. Each stands for a kind:
a target far from zero, an optimizer whose update is a sign, capped, or warms itself up, few samples, a long plateau.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from accuracy import truth
from accuracy.baseline import constant_loss
from accuracy.nodes import mlp
from accuracy.regret import read_truths
from accuracy.tasks import TASKS

from lrfind.analysis.probe_result import DOUBTFUL
from lrfind.check.verdict import judge
from lrfind.config.schema import Config
from lrfind.errors import ExitCode
from lrfind.explain.interpretation import interpret
from lrfind.explain.trainings import train_at
from lrfind.explain.types import Outcome
from lrfind.pipeline import build, run
from lrfind.records.types import Result
from lrfind.training.ladder import ladder

pytestmark = pytest.mark.slow

GOOD = 0.1
"""Share of what the best learning rate gains that a suggestion may throw away."""

KINDS = {
    "offset_area_adamw": "a target of mean 8 and deviation 0.7",
    "offset_area_sgd": "the same, with SGD",
    "diabetes_raw_adam": "a target in raw units, and few samples",
    "digits_adafactor": "steps that are capped",
    "digits_radam": "an optimizer that warms itself up",
    "arcface_adamw": "a margin loss",
    "lora_text_adamw": "an adapter of a trained model",
    "outliers_l1_rmsprop": "3 % wild targets",
    "modular_sums_adamw": "samples learned by heart first",
    "first_words_adagrad": "updates that shrink by themselves",
    "deep_sigmoid_sgd_b512": "a plateau many times longer than the probes",
    "rotations_rmsprop": "batch norm, whose running averages lag behind",
    "unscaled_inputs_momentum": "inputs that kill the network at usual learning rates",
}


def searched(name: str, **settings: object) -> Result:
    return run(Config.model_validate({**TASKS[name].document(0), **settings}), name)


def regret(name: str, result: Result) -> float:
    """Return the regret of a training at the constant learning rate that is suggested."""
    truths = read_truths(name)
    assert truths is not None
    return truths["constant"].regret(result.analysis.suggested_lr)


@pytest.mark.parametrize("name", KINDS, ids=KINDS.values())
def test_the_suggestion_trains_nearly_as_well_as_the_best(name: str) -> None:
    assert regret(name, searched(name)) <= GOOD


@pytest.mark.parametrize("name", ["digits_lion", "mlp_deep_sgd"], ids=["steps along a sign", "a long plateau"])
def test_longer_probes_find_what_short_ones_cannot_see(name: str) -> None:
    assert regret(name, searched(name, refine=True)) <= GOOD


def test_one_sample_per_update_takes_the_budget_that_a_refusal_asks_for() -> None:
    usual = searched("digits_sgd_b1")
    assert usual.analysis.suggested_lr is None
    assert "raise budget" in usual.analysis.message
    assert regret("digits_sgd_b1", searched("digits_sgd_b1", budget=600)) <= GOOD


def test_a_linear_model_on_few_samples_trains_nearly_as_well_as_the_best() -> None:
    task = replace(TASKS["cancer_adam"], model=mlp(30, 2), batch_size=8, steps=600)
    suggested = run(Config.model_validate(task.document(0)), "linear").analysis.suggested_lr
    assert suggested is not None
    losses = {
        lr: truth.train(task, lr, "constant", 0, task.steps) or math.inf for lr in (suggested, *ladder(1e-3, 1, 9))
    }
    best, constant = min(losses.values()), constant_loss(task)
    assert constant is not None
    assert (losses[suggested] - best) / (constant - best) <= GOOD


@pytest.mark.parametrize("name", ["few_mislabelled_momentum", "diabetes_gaussian_adam"])
def test_few_samples_that_are_noisy_are_answered_with_doubt(name: str) -> None:
    """Overfitting begins only after the probes; their held-out loss, clearly above the training loss, announces it."""
    assert searched(name).analysis.confidence <= DOUBTFUL


def test_ten_times_the_loss_is_not_about_as_good_where_the_target_is_far_from_zero() -> None:
    """Both end at a hundredth of the first loss, which says how far the target is from zero, and no more."""
    config = Config.model_validate(TASKS["offset_area_adamw"].document(0))
    trained, _ = train_at(lambda: build(config, "offset"), (0.002, 0.0158), 100)
    explained = interpret(None, 0.0158, trained, "offset", given=True)
    low, high = explained.runs
    assert high.probe.end_loss < low.probe.end_loss / 5 < explained.start.loss / 50
    assert (low.outcome, high.outcome) == (Outcome.CRAWLS, Outcome.DESCENDS)


@pytest.mark.parametrize("steps", [281, 9380])
def test_a_usual_learning_rate_of_adam_passes_the_check(steps: int) -> None:
    result = searched("mlp_adam_long", train={"steps": steps})
    assert judge(result, 1e-3, None, tolerance=3.0).exit_code is ExitCode.OK
