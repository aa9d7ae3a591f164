"""What the tasks of the benchmark are made of, against known answers."""

from __future__ import annotations

import math
import re
from pydoc_data.topics import topics

import pytest
import torch
from accuracy import data, models, tasks
from torch.nn import functional

pytestmark = pytest.mark.slow


def test_noughts_and_crosses_end_as_everyone_knows() -> None:
    x, y = data.SOURCES["boards"]()
    assert len(x) == 4520  # boards that can be met and are not over
    outcome = {tuple(row): int(end) for row, end in zip(x.view(-1, 9, 3).argmax(2).sub(1).tolist(), y, strict=True)}
    assert outcome[(0,) * 9] == 1  # drawn
    assert outcome[(1, 1, 0, -1, -1, 0, 0, 0, 0)] == 2  # the one to move has two in a row
    assert outcome[(-1, 0, -1, 0, 1, 0, -1, 0, 1)] == 0  # the other one threatens two lines


def test_kinds_of_graphs_have_as_many_links_and_no_node_linked_to_itself() -> None:
    links, kinds = data.SOURCES["graphs"]()
    assert torch.equal(links, links.transpose(1, 2))
    assert not links.diagonal(dim1=1, dim2=2).any()
    counts = links.sum((1, 2)) / 2
    means = torch.stack([counts[kinds == kind].mean() for kind in range(4)])
    assert float(means.max() - means.min()) < 3


def test_boundaries_of_words_are_where_the_spaces_were() -> None:
    letters, ends = data.SOURCES["unspaced"]()
    text = "".join(chr(96 + int(letter)) + " " * int(end) for letter, end in zip(letters[0], ends[0], strict=True))
    assert text.split()[:3] == re.findall(r"[a-z]+", "".join(topics.values())[100_000:].lower())[:3]


def test_source_of_a_field_is_that_of_its_derivatives() -> None:
    torch.manual_seed(0)
    model = models.SourceOfField().double()
    place = torch.rand(20, 1, dtype=torch.float64, requires_grad=True)
    field = place * (1 - place) * model.body(2 * place - 1)
    (slope,) = torch.autograd.grad(field.sum(), place, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), place)
    assert torch.allclose(50 * model(place), -bend + field**3)


def test_cox_loss_of_three_patients() -> None:
    risk = torch.tensor([[0.5], [-1.0], [2.0]])
    target = torch.tensor([[3.0, 1.0], [1.0, 1.0], [2.0, 0.0]])  # the third left alive
    first = -1.0 - math.log(math.exp(0.5) + math.exp(-1.0) + math.exp(2.0))
    assert float(models.CoxLoss()(risk, target)) == pytest.approx(-(first + 0.0) / 2)


def test_best_constant_of_the_pinball_loss_is_a_quantile() -> None:
    y = torch.arange(101.0)[:, None]
    losses = {value: float(models.PinballLoss((0.9,))(torch.full((101, 1), value), y)) for value in (80.0, 90.0, 95.0)}
    assert min(losses, key=lambda value: losses[value]) == 90


def test_gamma_loss_is_least_at_the_mean() -> None:
    y = torch.tensor([[1.0], [5.0]])
    mean = torch.full((2, 1), 3.0).log().requires_grad_()
    models.GammaLoss()(mean, y).backward()
    assert mean.grad is not None
    assert float(mean.grad.sum()) == pytest.approx(0, abs=1e-6)


def test_focal_loss_without_focus_is_the_cross_entropy() -> None:
    logit, label = torch.tensor([[0.3], [-2.0]]), torch.tensor([[1.0], [0.0]])
    plain = functional.binary_cross_entropy_with_logits(logit, label)
    assert models.FocalLoss(gamma=0.0, alpha=0.5)(logit, label) == pytest.approx(plain / 2)
    assert models.FocalLoss(gamma=2.0, alpha=0.5)(logit, label) < plain / 2


def test_logged_policy_is_worth_its_rewards_by_how_likely_they_were() -> None:
    target = torch.tensor([[0.0, 1.0, 0.5], [1.0, 1.0, 0.25], [1.0, 0.0, 0.25]])
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0], [0.0, 9.0]])
    rewards = (0.5 / 0.5 + 0.25 / 0.25) / 3
    assert float(models.LoggedPolicyLoss(openness=0.0)(logits, target)) == pytest.approx(-rewards)
    even = models.LoggedPolicyLoss(openness=0.1)(torch.zeros(3, 2), target)
    assert float(even) == pytest.approx(-(0.5 / 0.5 + 0.5 / 0.25) / 3 - 0.1 * math.log(2))


def test_other_views_of_two_samples() -> None:
    views = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])  # alike, and unlike the others
    wanted = math.log(math.exp(2) + 2) - 2
    assert float(models.NTXentLoss(temperature=0.5)(views, torch.zeros(2))) == pytest.approx(wanted)


def test_weighted_tasks_are_their_losses_where_the_weights_are_one() -> None:
    output, target = torch.zeros(2, 6), torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    assert float(models.WeightedTasksLoss()(output, target)) == pytest.approx(math.log(2) + 2 + 0.5)
    heavier = output.clone()
    heavier[:, 4] = math.log(2)
    assert float(models.WeightedTasksLoss()(heavier, target)) == pytest.approx(math.log(2) + 1 + math.log(2) + 0.5)


@pytest.mark.parametrize("name", ["lorenz_adapter_adamw", "tone_transfer_adamw"])
def test_pretrained_networks_start_alike_but_for_what_is_new(name: str) -> None:
    task = tasks.TASKS[name]
    (first, _, _), (second, _, _) = task.start(0), task.start(1)
    same = [torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)]
    assert 0 < sum(same) < len(same)


def test_adapted_network_knows_the_usual_lorenz_system_from_the_start() -> None:
    model, _, loss = tasks.TASKS["lorenz_adapter_adamw"].start(0)
    usual, stronger = data.load("lorenz"), data.load("stronger_lorenz")
    with torch.no_grad():
        assert float(loss(model(usual.val_x), usual.val_y)) < 0.05
        assert float(loss(model(stronger.val_x), stronger.val_y)) > 0.2
