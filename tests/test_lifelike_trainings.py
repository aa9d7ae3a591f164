"""Real trainings that mislead a short sweep: what lrfind suggests, against training at every learning rate.

The trainings are tuning tasks of the accuracy benchmark, whose truth was taken by brute force. Each stands for a kind:
a target far from zero, an optimizer whose update is a sign, capped, or warms itself up, few samples, a long plateau.
"""

from __future__ import annotations

import pytest
from accuracy.regret import read_truths
from accuracy.tasks import TASKS

from lrfind.analysis.probe_result import DOUBTFUL
from lrfind.config.schema import Config
from lrfind.pipeline import run
from lrfind.records.types import Result

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


def test_few_samples_with_wrong_labels_are_answered_with_doubt() -> None:
    """Overfitting begins only after the probes; their held-out loss, clearly above the training loss, announces it."""
    assert searched("few_mislabelled_momentum").analysis.confidence <= DOUBTFUL
