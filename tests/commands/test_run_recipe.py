"""`lrfind run` with what real trainings set beside model, data and optimizer: of good and of bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cli import Outcome, Project
from torch import nn

from lrfind.records.types import Sweep
from lrfind.training.sweep import run_sweep
from lrfind.training.update import Recipe
from lrfind.workloads import model_workload

pytestmark = pytest.mark.slow

NET = "model={_target_: torch.nn.Sequential, _args_: [{_target_: own.net}, {_target_: own.net, width: 1}]}"
"""A network with two layers of names: 0.weight, 0.bias, 1.weight, 1.bias."""
RECIPE = ("train.accumulate=2", "train.clip_grad_norm=1", "data.batch_size=32")


def fails(project: Project, code: int, *arguments: str) -> str:
    """Run, and return what is told on stderr about why it failed."""
    outcome = project.run(*arguments)
    assert outcome.code == code, outcome
    assert outcome.out == ""
    return outcome.err


def losses(outcome: Outcome) -> list[float]:
    found: list[float] = outcome.json["sweeps"][0]["losses"]
    return found


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_recipe_is_swept_and_named(project: Project, precision: str) -> None:
    outcome = project.run("--json", *RECIPE, f"precision={precision}")
    assert outcome.code == 0, outcome
    suffix = "" if precision == "fp32" else f"{precision}, "
    assert outcome.json["title"] == f"Linear, SGD, batch 32 x 2, {suffix}cpu"
    assert outcome.json["config"]["train"]["accumulate"] == 2
    assert outcome.json["groups"] == [{"name": "default", "lr_scale": 1.0, "fixed_lr": None}]


def test_accumulation_is_the_larger_batch(project: Project) -> None:
    whole = losses(project.run("--json", "data.batch_size=64", "data.shuffle=false"))
    pieces = losses(project.run("--json", "data.batch_size=32", "data.shuffle=false", "train.accumulate=2"))
    assert pieces == pytest.approx(whole, rel=1e-4)


def test_probes_are_trained_by_the_same_recipe(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []

    def spied(*arguments: Any, **options: Any) -> Sweep:
        trained.append((options["recipe"], options["warmup"]))
        return run_sweep(*arguments, **options)

    monkeypatch.setattr(model_workload, "run_sweep", spied)
    document = project.run("--json", "--refine", *RECIPE, "precision=bf16", "sweep.warmup_steps=2").json
    assert len(trained) == len(document["sweeps"]) + len(document["probes"]) >= 6
    assert set(trained) == {(Recipe("bf16", accumulate=2, clip_grad_norm=1.0), (1e-5, 1e-5))}


def test_warm_up_steps_are_no_points(project: Project) -> None:
    plain = losses(project.run("--json"))
    warm = losses(project.run("--json", "sweep.warmup_steps=5", "sweep.start_lr=1e-3"))
    assert 55 < len(warm) <= len(plain)
    assert warm[0] < 0.999 * plain[0]


def test_groups_are_reported_in_text_and_json(project: Project) -> None:
    groups = (
        "param_groups=[{match: '^0', lr: 0.01, name: body}, {match: '1.bias', fixed_lr: 1e-3}]",
        "optimizer.lr=0.1",
        "no_decay_on_bias_and_norm=true",
        "optimizer.weight_decay=0.01",
    )
    document = project.run("--json", NET, *groups).json
    suggested = document["suggested_lr"]
    assert document["group_lrs"] == pytest.approx(
        {"default": suggested, "body": suggested / 10, "body (no decay)": suggested / 10, "1.bias (no decay)": 1e-3}
    )
    told = project.run(NET, *groups).out.replace("\n", " ")
    assert "LR of each parameter group: default" in told
    assert "1.bias (no decay) 0.001 (not swept)" in told


def test_an_optimizer_function_that_asks_for_the_model_is_given_it(project: Project) -> None:
    project.add("""
        def make(model, lr):
            first, second = {"params": [model.weight], "name": "w"}, {"params": [model.bias], "lr": lr / 2}
            return torch.optim.SGD([first, second], lr=lr)
    """)
    document = project.run("--json", "optimizer={_target_: own.make, lr: 0.5}").json
    assert [(group["name"], group["lr_scale"]) for group in document["groups"]] == [("w", 1), ("group 1", 0.5)]


def test_parameters_in_no_group_are_noted_once(project: Project) -> None:
    project.add("""
        def make(model):
            return torch.optim.SGD([model.weight], lr=1)
    """)
    outcome = project.run("optimizer={_target_: own.make}", "data.dataset.noise=3", "data.batch_size=4")
    assert outcome.err.count("No group of the optimizer holds these parameters, so they are not trained: bias") == 1


def test_a_scheduler_is_ignored_and_that_is_said(project: Project) -> None:
    outcome = project.run("scheduler={_target_: torch.optim.lr_scheduler.StepLR, step_size: 3}")
    assert outcome.code == 0
    assert "scheduler is ignored" in outcome.err


def save(project: Project, **changes: Any) -> None:
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    for _ in range(50):
        optimizer.zero_grad()
        (model(x) - x.sum(1, keepdim=True)).square().mean().backward()
        optimizer.step()
    content = {"state_dict": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(content | changes, project.folder / "trained.pt")


def test_it_starts_from_the_checkpoint_beside_the_config(project: Project) -> None:
    save(project)
    started = losses(project.run("--json", "train.checkpoint=trained.pt"))[0]
    assert started < 0.1 * losses(project.run("--json"))[0]
    resumed = losses(
        project.run("--json", "train.checkpoint=trained.pt", "train.optimizer_state=true", "optimizer.momentum=0.9")
    )
    fresh = losses(project.run("--json", "train.checkpoint=trained.pt", "optimizer.momentum=0.9"))
    assert resumed[0] == fresh[0] == started
    assert resumed[5] != fresh[5]


def test_a_checkpoint_in_the_working_directory_is_found(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    save(project)
    elsewhere = project.folder / "elsewhere"
    elsewhere.mkdir()
    (project.folder / "trained.pt").rename(elsewhere / "here.pt")
    monkeypatch.chdir(elsewhere)
    assert project.run("train.checkpoint=here.pt").code in (0, 3)


def test_weights_that_do_not_fit_are_an_error_or_a_note(project: Project) -> None:
    save(project, state_dict={"weight": torch.zeros(1, 3), "extra": torch.zeros(1)})
    told = fails(project, 2, "train.checkpoint=trained.pt")
    assert "train.checkpoint: expected the weights of the model" in told
    assert "lacks bias; has in excess extra; train.strict=false" in told
    outcome = project.run("train.checkpoint=trained.pt", "train.strict=false")
    assert outcome.code == 0
    assert "lacks bias; has in excess extra: parameters without a fitting value start untrained." in outcome.err


BAD = {
    ("train.checkpoint=nowhere.pt",): (2, "train.checkpoint: expected a file, got none at"),
    ("train.checkpoint=train.yaml",): (2, "is not a complete file of torch.save"),
    ("train.freeze=[conv]",): (2, "train.freeze: expected a pattern that matches the name of a parameter"),
    ("train.freeze=[.]",): (1, "are all layers frozen?"),
    ("param_groups=[{match: conv}]",): (2, "got 'conv'; not matched yet: weight, bias"),
    ("param_groups=[{match: bias, weight_decai: 0}]",): (2, "did you mean weight_decay?"),
    ("param_groups=[{match: bias, lr_scal: 0.1}]",): (2, "did you mean lr_scale?"),
    ("param_groups=[{match: '.', fixed_lr: 0.1}]",): (2, "every one has a fixed_lr; drop one"),
    ("optimizer._target_=torch.optim.LBFGS",): (2, "needs a closure"),
    ("optimizer={_target_: transformers.Adafactor}",): (2, "add relative_step: false"),
    ("optimizer={_target_: torch.optim.Rprop}", "no_decay_on_bias_and_norm=true"): (2, "no argument weight_decay"),
    ("optimizer={_target_: recipes.foreign}",): (1, "the model and no others, got 2 others"),
    ("optimizer={_target_: recipes.whole}", "param_groups=[{match: bias}]"): (
        2,
        "whole takes the model and makes its own",
    ),
    ("model={_target_: recipes.meta}",): (1, "on the meta device: weight, bias"),
    ("train.accumulate=8", "data.batch_size=16"): (1, "one update takes 8 mini-batches, but the data holds only 4"),
    ("loss={_target_: recipes.memory}",): (1, "raise train.accumulate by the same factor"),
    ("loss={_target_: recipes.overflow}", "precision=fp16"): (1, "use bf16 or fp32"),
    ("data.dataset={_target_: recipes.Dying}", "data.num_workers=1"): (1, "data.num_workers=0 shows its error"),
}


@pytest.mark.parametrize("overrides", BAD, ids=" ".join)
def test_bad_input_is_told_with_the_way_out(project: Project, overrides: tuple[str, ...]) -> None:
    project.bring("recipes")
    code, words = BAD[overrides]
    assert words in fails(project, code, *overrides)


def test_running_out_of_memory_later_keeps_the_curve(project: Project) -> None:
    project.bring("recipes")
    outcome = project.run("--json", "loss={_target_: recipes.memory, step: 40}")
    assert outcome.code == 1
    assert len(losses(outcome)) == 40
    assert "the batch was: list of 2 (a float32 tensor of shape (64, 3)" in outcome.json["error"]
    assert "lower data.batch_size" in outcome.json["error"]


def test_relative_step_off_makes_adafactor_an_optimizer_like_any_other(project: Project) -> None:
    node = "optimizer={_target_: transformers.Adafactor, relative_step: false, scale_parameter: false}"
    assert project.run("--json", node).code in (0, 3)


@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_workers_that_are_spawned_see_the_same_data(project: Project, context: str) -> None:
    workers = (
        "data.num_workers=1",
        f"data.multiprocessing_context={context}",
        "sweep.num_iter=10",
        "sweep.max_iter=10",
    )
    plain = project.run("--json", "sweep.num_iter=10", "sweep.max_iter=10", "data.dataset={_target_: own.data}")
    assert losses(project.process("--json", *workers)) == pytest.approx(losses(plain), rel=1e-5)


def test_compiled_it_is_the_same_sweep(project: Project) -> None:
    plain, compiled = (losses(project.run("--json", f"compile={flag}")) for flag in ("false", "true"))
    assert compiled == pytest.approx(plain, rel=1e-4)


def test_without_a_compiler_the_way_out_is_told(project: Project) -> None:
    environment = {"CXX": "/nowhere/c++", "TORCHINDUCTOR_CACHE_DIR": str(project.folder / "cache"), "PATH": "/nowhere"}
    outcome = project.process("compile=true", env=environment)
    assert outcome.code == 1
    assert (
        "torch.compile failed: correct the code it names (it needs a C++ compiler), or set compile=false" in outcome.err
    )


def test_channels_last_and_tf32_are_taken(project: Project) -> None:
    project.bring("recipes")
    outcome = project.run(
        "--json",
        "model={_target_: recipes.Net}",
        "data.dataset={_target_: recipes.images}",
        "channels_last=true",
        "tf32=false",
    )
    assert outcome.code in (0, 3), outcome
