from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accuracy import (
    baseline,
    data,
    finders,
    measures,
    peers,
    picture,
    refusals,
    regret,
    reliability,
    score,
    summary,
    task,
    tasks,
    truth,
    unchanged,
)
from accuracy.models import Lion
from accuracy.reporting_tasks import REPORTING

from lrfind.config.schema import Config
from lrfind.config.validate import check_targets
from lrfind.pipeline import try_out
from lrfind.records.types import Refusal

pytestmark = pytest.mark.slow

UNTRAINED = 3.0
NAMES = [name for name, each in tasks.TASKS.items() if each.role == "reporting"]


def parabola(best: float, exponents: range = range(-16, 5)) -> Any:
    """Losses that rise from 1 with the square of the distance to `best` in decades, from every seed alike."""
    return {exponent: [1 + (exponent / 4 - best) ** 2] * 3 for exponent in exponents}


@pytest.fixture
def curve() -> Any:
    return regret.Truth.of(parabola(-2.0), UNTRAINED)


def test_regret_of_a_parabola(curve: Any) -> None:
    assert curve.best == pytest.approx(1e-2)
    assert curve.regret(1e-2) == 0
    assert curve.regret(1e-1) == pytest.approx(1 / 2)
    assert curve.regret(10**-2.125) == pytest.approx(0.25**2 / 2 / 2)  # half-way between two points of the grid
    assert curve.regret(1e3) == 1
    assert curve.regret(None) == 1


def test_regret_below_the_grid_approaches_one() -> None:
    curve = regret.Truth.of(parabola(-2.0, range(-10, 0)), UNTRAINED)
    at_the_edge = curve.regret(10**-2.5)
    assert at_the_edge == pytest.approx(1 / 8)
    assert curve.regret(10**-3.5) == pytest.approx(1 - (1 - at_the_edge) / 10)


def test_band_ends_where_the_regret_crosses_five_percent(curve: Any) -> None:
    low, high = curve.band
    crossing = 0.25 + 0.25 * (0.05 - 1 / 32) / (1 / 8 - 1 / 32)
    assert math.log10(high) == pytest.approx(-2 + crossing)
    assert math.log10(low) == pytest.approx(-2 - crossing)
    assert curve.distance(1e-2) == 0
    assert curve.distance(10 * high) == pytest.approx(1)


def test_a_diverged_seed_counts_as_the_constant() -> None:
    assert truth.level([1.0, None, 1e9], 4.0) == pytest.approx(3.0)


def made_of(y: Any, val_y: Any, loss: str, outputs: int = 1, **more: Any) -> Any:
    """A task with the given targets, and nothing to learn them from."""
    x, val_x = torch.zeros(len(y), 1), torch.zeros(len(val_y), 1)
    split = data.Split(x, torch.as_tensor(y), val_x, torch.as_tensor(val_y))
    node = {"_target_": "torch.nn.Linear", "in_features": 1, "out_features": outputs}
    made = task.Task("made", "made", "made", node, {"_target_": "torch.optim.SGD"}, 1, 1, 0, {"_target_": loss, **more})
    return made, split


def constant_of(monkeypatch: pytest.MonkeyPatch, *made: Any, **more: Any) -> float:
    trained, split = made_of(*made, **more)
    monkeypatch.setattr(baseline, "load", lambda name: split)
    return baseline.constant_loss(trained)


COLUMN, OTHERS = [[0.0], [0.0], [1.0], [1.0], [8.0]], [[1.0], [3.0]]


def test_best_constant_of_a_squared_error_is_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    assert constant_of(monkeypatch, COLUMN, OTHERS, "torch.nn.MSELoss") == pytest.approx(1)  # from 2 to 1 and 3
    assert constant_of(monkeypatch, COLUMN, OTHERS, "torch.nn.MSELoss", reduction="sum") == pytest.approx(2)


def test_best_constant_of_an_absolute_error_is_the_median(monkeypatch: pytest.MonkeyPatch) -> None:
    assert constant_of(monkeypatch, COLUMN, OTHERS, "torch.nn.L1Loss") == pytest.approx(1)  # from 1 to 1 and 3


def test_best_constant_of_a_cross_entropy_is_the_frequencies(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [0] * 29 + [1] * 9 + [2] * 0  # counted as 30, 10 and 1
    found = constant_of(monkeypatch, labels, [0, 1, 2], "torch.nn.CrossEntropyLoss", outputs=3)
    assert found == pytest.approx(-sum(math.log(count / 41) for count in (30, 10, 1)) / 3)
    smooth = constant_of(monkeypatch, labels, [0], "torch.nn.CrossEntropyLoss", outputs=3, label_smoothing=0.3)
    shares = [0.7 * count / 41 + 0.1 for count in (30, 10, 1)]
    wanted = [0.8, 0.1, 0.1]
    assert smooth == pytest.approx(-sum(w * math.log(p) for w, p in zip(wanted, shares, strict=True)))


def test_best_constant_of_another_loss_is_found_by_minimizing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [[2.0], [4.0], [6.0]]
    found = constant_of(monkeypatch, counts, counts, "torch.nn.PoissonNLLLoss")
    assert found == pytest.approx(4 - 4 * math.log(4))
    rare = [[1.0]] + [[0.0]] * 4
    found = constant_of(monkeypatch, rare, rare, "torch.nn.BCEWithLogitsLoss")
    assert found == pytest.approx(-(0.2 * math.log(0.2) + 0.8 * math.log(0.8)))


def test_constant_of_an_embedding_is_one_place_for_all() -> None:
    assert baseline.constant_loss(tasks.TASKS["triplet_adam"]) == pytest.approx(0.2)  # the margin
    pairs = len(data.load("digit_pairs").val_x)
    assert baseline.constant_loss(tasks.TASKS["contrastive_momentum"]) == pytest.approx(math.log(pairs))


def test_regret_is_from_the_untrained_loss_where_that_is_lower() -> None:
    assert baseline.baseline(0.5, 64.0) == 0.5
    assert baseline.baseline(2.3, 0.7) == 0.7


def test_regret_does_not_depend_on_how_far_off_the_untrained_model_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    losses = {str(exponent): [abs(exponent) / 4 + 1.0] * 3 for exponent in range(-8, 9)}
    for name, untrained in (("near", 2.0), ("far", 1e6)):
        document = {"untrained": [untrained] * 3, "constant": 2.0, "finished": True}
        document["losses"] = dict.fromkeys(truth.SCHEDULES, losses)
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    monkeypatch.setattr(truth, "FOLDER", tmp_path)
    near, far = (regret.read_truths(name) for name in ("near", "far"))
    assert near == far
    assert near is not None
    assert near["constant"].regret(10**0.5) == pytest.approx(0.5)


def test_a_file_without_a_constant_is_given_it_and_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = json.loads(truth.path_of("softmax_sgd", 1).read_text())
    monkeypatch.setattr(truth, "FOLDER", tmp_path)
    truth.path_of("softmax_sgd", 1).write_text(json.dumps({key: kept[key] for key in kept if key != "constant"}))
    truth.add_constant("softmax_sgd", 1)
    truth.add_constant("mlp_sgd", 1)
    assert json.loads(truth.path_of("softmax_sgd", 1).read_text()) == kept
    assert not truth.path_of("mlp_sgd", 1).exists()


def test_a_training_clips_its_gradients_as_the_task_says() -> None:
    clipped = tasks.TASKS["clipped_gru_sgd"]
    assert clipped.document()["train"] == {"clip_grad_norm": 0.25, "steps": 400}
    assert clipped.document(told=False)["train"] == {"clip_grad_norm": 0.25}
    assert tasks.TASKS["softmax_sgd"].document()["train"] == {"steps": 300}
    free = truth.train(replace(clipped, clip_grad_norm=None), 1.0, "constant", 0, 3)
    assert truth.train(clipped, 1.0, "constant", 0, 3) != free
    assert truth.train(replace(clipped, clip_grad_norm=1e9), 1.0, "constant", 0, 3) == pytest.approx(free)


def test_lion_steps_along_the_sign_of_its_momentum() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    optimizer = Lion([weight], lr=0.1, betas=(0.9, 0.99), weight_decay=0.5)
    value, momentum = weight.detach().clone(), torch.zeros(3)
    for gradient in (torch.tensor([1.0, -1.0, 0.0]), torch.tensor([-5.0, 0.01, 2.0])):
        weight.grad = gradient
        optimizer.step()
        value = value - 0.1 * ((0.9 * momentum + 0.1 * gradient).sign() + 0.5 * value)
        momentum = 0.99 * momentum + 0.01 * gradient
        assert torch.allclose(weight.detach(), value)


def test_defaults_of_an_optimizer_that_is_not_of_torch() -> None:
    found = finders.find_with_defaults(tasks.TASKS["patch_places_lion"], 0)
    assert found["folk defaults"]["lr"] == 1e-3
    assert found["PyTorch defaults"]["lr"] == 1e-4
    assert finders.find_with_defaults(tasks.TASKS["softmax_sgd"], 0)["folk defaults"]["lr"] == 0.1


def test_only_what_differs_from_a_kept_suggestion_is_told() -> None:
    kept = {"lr": 0.1, "iterations": 100, "confidence": 0.9}
    assert unchanged.differences(kept, {**kept, "confidence": 0.8}) == []
    assert unchanged.differences(kept, {**kept, "lr": 0.2}) == ["lr 0.1 -> 0.2"]


def grid(loss: Any, centre: int, reference: float = UNTRAINED) -> list[int]:
    points: Any = {}
    while (exponent := truth.next_exponent(points, centre, UNTRAINED, reference)) is not None:
        assert exponent not in points
        points[exponent] = loss(exponent)
    return sorted(points)


@pytest.mark.parametrize("centre", [-20, -8, 0])
def test_grid_grows_until_both_edges_are_bad(centre: int) -> None:
    found = grid(lambda exponent: [min(1 + (exponent / 4 + 2) ** 2, 2.9)] * 3, centre)
    assert found[0] <= -8 - 4
    assert found[-1] >= -8 + 4
    assert found == list(range(found[0], found[-1] + 1))


def test_grid_grows_on_while_nothing_beats_the_constant() -> None:
    found = grid(lambda exponent: [min(1 + (exponent / 4 - 2) ** 2, 2.9)] * 3, -12, reference=1.5)
    assert found[-1] >= 8 + 4


def test_grid_stops_above_two_diverged_learning_rates() -> None:
    found = grid(lambda exponent: [None] * 3 if exponent > -8 else [1 + (exponent / 4 + 2) ** 2] * 3, -9)
    assert found[-1] == -6


def seeds_of(points: Any) -> dict[int, list[int]]:
    return truth.next_seeds(points, reference=2.0)


def test_no_more_seeds_where_three_tell_the_regret() -> None:
    shared = (0.1, 0.0, -0.1)  # what the seeds have in common says nothing about the learning rates
    points: Any = {exponent: [1 + 0.01 * exponent + each for each in shared] for exponent in range(5)}
    assert seeds_of(points) == {}


def test_more_seeds_for_all_near_the_best_until_they_tell_enough() -> None:
    points: Any = {0: [1.0, 1.0, 1.0], 1: [1.0, 1.02, 1.04], 2: [1.2, 1.3, 1.4]}
    assert seeds_of(points) == {0: [3, 4, 5], 1: [3, 4, 5]}
    assert seeds_of({**points, 2: [1.0, 1.05, 1.2]}) == {key: [3, 4, 5] for key in range(3)}  # 2 may be
    points[0] = [1.0] * 6
    assert seeds_of(points) == {1: [3, 4, 5]}  # an interrupted run first makes up for what is missing
    points[1] += [1.02] * 3
    assert seeds_of(points) == {0: [6, 7, 8], 1: [6, 7, 8]}
    points = {0: [1.0] * truth.MOST_SEEDS, 1: [1.0, 1.04] * 4 + [1.02], 2: [1.2, 1.3, 1.4]}
    assert seeds_of(points) == {}


def test_no_more_seeds_where_nothing_is_learned() -> None:
    assert seeds_of({0: [3.0, None, 2.0], 1: [None, None, 2.5]}) == {}


def test_grid_comes_before_more_seeds() -> None:
    points = {exponent: [1.0, 1.02, 1.04] for exponent in range(-4, 5)}
    assert list(truth.next_trainings(points, 0, 3.0, 2.0)) == [5]


def test_one_cycle_rises_from_a_25th_to_one_and_falls_to_zero() -> None:
    factors = [truth.one_cycle(step, 100) for step in range(101)]
    assert factors[0] == pytest.approx(1 / 25)
    assert factors[30] == pytest.approx(1)
    assert factors[100] == pytest.approx(0, abs=1e-12)
    assert max(factors) == factors[30]


def test_roles_are_split_by_family() -> None:
    assert [each for each in tasks.TASKS.values() if each.role == "reporting"] == list(REPORTING)
    assert {each.family for each in REPORTING} == task.REPORTING_FAMILIES
    assert not task.REPORTING_FAMILIES & {each.family for each in tasks.TASKS.values() if each.role == "tuning"}
    assert len({each.data for each in REPORTING}) == len(REPORTING) == len(task.REPORTING_FAMILIES)
    assert len(REPORTING) >= 24
    assert sum(each.steps >= 2000 for each in REPORTING) >= 10
    assert set(tasks.LONG) <= set(tasks.TASKS)


def of_this_torch(name: str) -> Any:
    """A task, skipped where torch is too old for its optimizer."""
    module, _, optimizer = tasks.TASKS[name].optimizer["_target_"].rpartition(".")
    missing = module == "torch.optim" and not hasattr(torch.optim, optimizer)
    return pytest.param(name, marks=pytest.mark.skipif(missing, reason=f"torch {torch.__version__} has no {optimizer}"))


@pytest.mark.parametrize("name", [of_this_torch(name) for name in tasks.TASKS])
def test_task_trains_a_step_from_a_config_that_passes_the_check(name: str) -> None:
    trained = tasks.TASKS[name]
    config = check_targets(Config.model_validate(trained.document(3)), name)
    model, optimizer, loss = trained.start(3)
    x, y = next(trained.batches(3))
    first = loss(model(x), y)
    first.backward()
    if trained.clip_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), trained.clip_grad_norm)
    optimizer.step()
    assert torch.isfinite(first)
    assert math.isfinite(truth.validation_loss(trained, model, loss))

    assert try_out(config, name)[1] == pytest.approx(first.item())  # lrfind starts where the truth does


def test_validation_part_is_not_trained_on() -> None:
    split = data.load("digits")
    assert len(split.x) == 1437
    assert len(split.val_x) == 360
    seen = {tuple(row) for row in split.x.tolist()}
    assert not seen & {tuple(row) for row in split.val_x.tolist()}


def test_tables_of_a_finder_and_of_lrfind(curve: Any) -> None:
    truths = {NAMES[0]: {"onecycle": curve, "constant": curve}}
    good = {"lr": 0.01, "iterations": 100, "confidence": 0.95, "safe_range": [0.001, 0.02]}
    picks = {
        "lrfind": {NAMES[0]: {"0": good, "1": {"lr": None, "iterations": 300, "reason": "noise"}}},
        "peer": {NAMES[0]: {"0": {"lr": 1.0, "iterations": 100}}},
    }
    table = score.finders_table(picks, truths, "reporting")
    lines = [line for line in table if line.startswith(("| lrfind", "| peer"))]
    assert "0.500 ±" in lines[0]
    assert "50 %" in lines[0]
    assert score.finders_table(picks, truths, "tuning")[2:] == []
    rows = measures.scored(picks["lrfind"], truths)
    assert "confidence >= 0.9: 100 % of 1" in "\n".join(score.range_lines(rows))
    assert "noise" in score.tasks_table(picks["lrfind"], truths, "reporting")[-1]


def picked(lr: float | None, iterations: int = 100, **more: Any) -> Any:
    return {"lr": lr, "iterations": iterations, **more}


def sure_of(lr: float, confidence: float, iterations: int = 100) -> Any:
    return picked(lr, iterations, confidence=confidence, safe_range=[lr / 10**0.5, lr * 10**0.5])


def rows_of(curve: Any, *picks: Any, task: str = NAMES[0]) -> Any:
    seeds = {str(seed): pick for seed, pick in enumerate(picks)}
    return measures.scored({task: seeds}, {task: {"onecycle": curve, "constant": curve}})


def test_regrets_of_known_suggestions(curve: Any) -> None:
    rows = [*rows_of(curve, picked(1e-2), picked(None)), *rows_of(curve, picked(1e-1), picked(1e-2), task=NAMES[1])]
    found = measures.regrets(rows, "constant")
    assert found.mean == pytest.approx((0 + 1 + 0.5 + 0) / 4)
    assert found.error == pytest.approx(0.125)  # of the tasks' means 0.5 and 0.25
    assert found.high == 1
    assert found.within == 0.5
    assert found.failed == 0.5
    assert math.isnan(measures.regrets(rows[:2], "constant").error)


def test_spread_is_that_of_the_median_task(curve: Any) -> None:
    steady = rows_of(curve, picked(1e-2), picked(1e-2))
    apart = rows_of(curve, picked(1e-3), picked(1e-2), picked(None), task=NAMES[1])
    assert measures.spread([*steady, *apart]) == pytest.approx(0.25)
    assert measures.spread(steady[:1]) is None


def test_safe_range_around_the_best_and_around_another(curve: Any) -> None:
    best, high = rows_of(curve, sure_of(1e-2, 0.9), sure_of(1.0, 0.9))
    assert best.holds_best("constant")
    assert not high.holds_best("constant")
    assert measures.widths([best, high]) == pytest.approx([1, 1])
    assert 0 < sum(best.tolerable("constant")) < len(best.tolerable("constant"))
    assert not any(high.tolerable("constant"))


def test_reliability_bins_hold_their_lower_edge_and_leave_out_what_is_empty(curve: Any) -> None:
    rows = rows_of(curve, sure_of(1e-2, 0.9), sure_of(1.0, 1.0), sure_of(1e-2, 0.6), picked(None))
    low, high = measures.reliability(rows, (0.0, 0.5, 0.9, 1.01), ("constant",))
    assert (low.low, low.stated, low.within, low.count, low.tasks) == (0.5, 0.6, {"constant": 1.0}, 1, 1)
    assert (high.count, high.within) == (2, {"constant": 0.5})
    assert high.stated == pytest.approx(0.95)


def test_horizon_shift_is_the_way_of_the_best(monkeypatch: pytest.MonkeyPatch, curve: Any) -> None:
    lower = regret.Truth.of(parabola(-2.5), UNTRAINED)
    monkeypatch.setattr(measures, "read_truths", lambda name, longer=1: {"constant": lower if longer > 1 else curve})
    assert measures.horizon_shifts("constant") == pytest.approx([-0.5] * len(tasks.LONG))
    monkeypatch.setattr(summary, "SCHEDULES", {"constant": None})
    assert "-0.50 (-0.50 to -0.50) constant" in summary.horizon_line()


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch, curve: Any) -> Any:
    """Picks of three finders on two of the reporting tasks; one finder was asked for one of them only."""
    names = NAMES[:2]
    truths = {name: {"onecycle": curve, "constant": curve} for name in names}
    picks = {
        "lrfind": {name: {"0": sure_of(1e-2, 0.95, 150), "1": sure_of(1e-2, 0.6, 250)} for name in names},
        "fastai valley": {name: {"0": picked(1e-1)} for name in names},
        "fastai minimum": {name: {"0": picked(10**-1.5)} for name in names},
        "ignite, 200 steps": {names[0]: {"0": picked(None, 200)}},
        "Lightning": {},
    }
    for module in (summary, score, picture, reliability):
        monkeypatch.setattr(module, "known_truths", lambda: truths)
        monkeypatch.setattr(module, "read", lambda: picks)
    return picks


def line_of(text: str, start: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_summary_says_on_how_many_tasks_a_finder_was_scored(made_up: Any) -> None:
    text = summary.summary()
    assert line_of(text, "lrfind | 0")[1:] == [
        "0.000 ± 0.000 / 0.000 ± 0.000",
        "0.00 / 0.00",
        "100 % / 100 %",
        "0 % / 0 %",
        "200, 200",
    ]
    assert "| fastai minimum |" in text
    assert "| fastai valley |" not in text  # of one package the best is shown
    assert line_of(text, "ignite, 200 steps")[0] == "ignite, 200 steps (1 of 2 tasks)"
    (missing,) = [line for line in text.splitlines() if line.startswith("Not asked yet")]
    assert "lightning;" in missing
    assert "ignite;" in missing
    assert "fastai;" not in missing


def test_summary_holds_targets_against_what_was_measured(made_up: Any) -> None:
    text = summary.summary()
    assert line_of(text, "confidence")[2] == "100 % / 100 % of 2 runs"
    assert line_of(text, "safe range: holds")[2] == "100 % / 100 %"
    assert line_of(text, "safe range: median width")[2] == "1.00"
    assert line_of(text, "spread")[2] == "0.00"
    assert line_of(text, "refused, though")[2] == "0 % of 4 runs"


def test_summary_and_report_do_without_any_pick(monkeypatch: pytest.MonkeyPatch, made_up: Any) -> None:
    made_up.clear()
    assert line_of(summary.summary(), "confidence")[2] == "- of 0 runs"
    assert "## Nothing to find" in score.report()


def test_report_of_picks_that_lack_tasks(made_up: Any) -> None:
    assert "| ignite, 200 steps |" in score.report()


def test_pictures_of_picks_that_lack_tasks(made_up: Any, tmp_path: Path) -> None:
    for drawn in (picture, reliability):
        drawn.draw(tmp_path / "drawn.png")
        assert (tmp_path / "drawn.png").stat().st_size > 10_000


def test_refusal_counts_only_with_a_right_reason() -> None:
    case = refusals.Case("a case", (Refusal.FLAT, Refusal.NOISE), {})
    assert refusals.is_right(case, {"lr": None, "reason": "noise"})
    assert not refusals.is_right(case, {"lr": None, "reason": "unsure"})
    assert not refusals.is_right(case, {"lr": 0.1, "reason": None})


def test_refusals_are_counted_by_case() -> None:
    first, second = (case.title for case in refusals.CASES[:2])
    right = {"lr": None, "reason": refusals.CASES[0].reasons[0].value}
    answers = {first: {"0": right, "1": {"lr": 0.5, "reason": None}}, second: {"0": {"lr": None, "reason": "unsure"}}}
    assert summary.refused_rightly(answers) == {first: [True, False], second: [False]}
    table = refusals.table(answers)
    assert table[2].startswith(f"| {first} | 50 % | 50 % |")
    assert "suggested 0.5" in table[2]
    assert table[3].startswith(f"| {second} | 100 % | 0 % |")
    assert len(table) == 4


def test_refusal_cases_are_configs_of_a_run_that_is_not_refused() -> None:
    assert len({case.title for case in refusals.CASES}) == len(refusals.CASES)
    for case in refusals.CASES:
        check_targets(Config.model_validate(refusals.USUAL | case.config), case.title)
    assert refusals.ask(refusals.Case("usual", (), {}), seeds=1)["0"]["lr"] is not None


@pytest.mark.parametrize("title", ["NaN from the start", "constant loss, SGD", "data that end after 8 batches"])
def test_refusal_case_is_refused(title: str) -> None:
    (case,) = [case for case in refusals.CASES if case.title == title]
    assert refusals.is_right(case, refusals.ask(case, seeds=1)["0"])


def test_refusals_that_are_kept_are_those_of_the_cases() -> None:
    assert set(refusals.read()) == {case.title for case in refusals.CASES}


def test_peers_go_by_another_name_at_an_equal_budget() -> None:
    asked: list[int] = []

    def function(task: Any, seed: int, iterations: int) -> Any:
        asked.append(iterations)
        return {"peer": 0.1}, iterations

    find = peers.asked(function, 200, peers.at_equal_budget)
    assert find(tasks.TASKS[NAMES[0]], 0) == ({"peer, 200 steps": 0.1}, 200)
    assert asked == [200]
    assert finders.FINDERS["ignite, 200 steps"] == ("ignite, 200 steps",)
    names = [name for names in finders.FINDERS.values() for name in names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("package", list(peers.PACKAGES))
def test_peers_take_the_iterations_that_they_are_given(package: str) -> None:
    pytest.importorskip({"torch-lr-finder": "torch_lr_finder"}.get(package, package))
    function, names = peers.PACKAGES[package]
    with peers.quiet():
        found, iterations = function(tasks.TASKS["softmax_sgd"], 0, 30)
    assert set(found) == set(names)
    assert 25 <= iterations <= 31


@pytest.mark.parametrize("name", tasks.TASKS)
def test_task_is_learned_better_than_a_constant(name: str) -> None:
    document = json.loads(truth.path_of(name, 1).read_text())
    assert document["finished"]
    assert document["constant"] is not None
    _, reference = truth.references(document)
    for losses in document["losses"].values():
        best = min(truth.level(of_seeds, reference) for of_seeds in losses.values())
        assert reference - best > 0.03 * abs(reference)


def test_results_are_of_known_tasks_and_small() -> None:
    folder = Path(truth.FOLDER).parent
    files = [path for path in folder.rglob("*.json") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 5e6
    for path in (folder / "truth").glob("*.json"):
        document = json.loads(path.read_text())
        assert document["task"] in tasks.TASKS
        assert path == truth.path_of(document["task"], document["steps"] // tasks.TASKS[document["task"]].steps)
