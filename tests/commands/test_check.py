"""`lrfind check` as CI drives it: exit codes, the baseline, and what is printed."""

from __future__ import annotations

import json
import re

import pytest
from cli import Project, strict_json
from helpers import refused_result

from lrfind.records.json_format import to_json

FAST = "probes.enabled=false"


@pytest.fixture
def suggested(project: Project) -> float:
    lr: float = project.run("--json", FAST).json["suggested_lr"]
    return lr


def test_the_rate_of_the_config_is_judged(project: Project, suggested: float) -> None:
    config = str(project.config)
    inside = project.main("check", config, FAST, f"optimizer.lr={suggested}")
    assert inside.code == 0
    assert "Passed: LR" in inside.out
    high = project.main("check", config, FAST, f"optimizer.lr={suggested * 1000}", "--json")
    assert (high.code, high.json["status"]) == (4, "too_high")
    assert high.json["suggested_lr"] == suggested
    low = project.main("check", config, FAST, f"optimizer.lr={suggested / 1000}", "--json")
    assert (low.code, low.json["status"], low.json["passes"]) == (0, "too_low", True)
    assert "only a warning" in low.json["message"]
    assert low.json["factor"] == pytest.approx(low.json["safe_range"][0] / low.json["lr"])


def test_a_flag_goes_before_the_config(project: Project, suggested: float) -> None:
    arguments = ("check", str(project.config), FAST, "optimizer.lr=100", "--lr", str(suggested), "--quiet")
    outcome = project.main(*arguments, "--format", "markdown")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("### Learning rate check: passed\n")


def test_a_suggestion_that_cannot_be_trusted_is_exit_code_3(project: Project) -> None:
    outcome = project.main("check", str(project.config), FAST, "--lr", "0.1", "sweep.end_lr=1e-4", "--json")
    assert (outcome.code, outcome.json["status"]) == (3, "no_suggestion")
    assert outcome.json["reason"]


def test_a_drift_from_the_baseline_is_exit_code_4(project: Project, suggested: float) -> None:
    same = project.main("check", str(project.config), FAST, "--against", str(project.record))
    assert same.code == 0
    assert "is that of the baseline" in same.out
    record = strict_json(project.record.read_text())
    moved = record | {"suggested_lr": suggested * 3, "suggested_lrs": {"constant": suggested * 3}}
    project.record.write_text(json.dumps(moved))
    arguments = ("check", str(project.config), FAST, "--against", str(project.record))
    assert project.main(*arguments, "--json").json["status"] == "drifted"
    assert project.main(*arguments).code == 4
    assert project.main(*arguments, "--tolerance", "4").code == 0


def test_a_summary_draws_both_curves_and_names_the_files(project: Project, suggested: float) -> None:
    arguments = ("--lr", str(suggested), "--against", str(project.record), "--out", str(project.folder / "kept"))
    outcome = project.main("check", str(project.config), FAST, *arguments, "--format", "markdown", "--quiet")
    assert (outcome.code, outcome.err) == (0, "")
    assert len(re.findall(r"```text\n *loss", outcome.out)) == 2
    assert "train.lrfind.json |\n" in outcome.out


def test_out_keeps_record_and_plot_and_nothing_else_is_written(project: Project, suggested: float) -> None:
    before = set(project.folder.rglob("*.json"))
    arguments = ("check", str(project.config), FAST, "--lr", str(suggested))
    assert project.main(*arguments).code == 0
    assert set(project.folder.rglob("*.json")) == before
    outcome = project.main(*arguments, "output.plot=png", "--out", str(project.folder / "kept"))
    assert sorted(path.name for path in (project.folder / "kept").iterdir()) == [
        "train.lrfind.json",
        "train.lrfind.png",
    ]
    outcome.says("wrote", "train.lrfind.png")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("optimizer.lr: expected the learning rate that is trained with", "--lr")),
        (("--lr", "0"), ("--lr: expected a finite number above 0, from 1e-50 to 1e+50, got 0",)),
        (("--lr", "nan"), ("--lr: expected a finite number above 0, from 1e-50 to 1e+50, got nan",)),
        (("--lr", "1", "--tolerance", "0.5"), ("--tolerance: expected a factor of at least 1, got 0.5",)),
        (("--lr", "1", "--json", "--format", "markdown"), ("--json", "--format markdown")),
        (("--against", "none.json"), ("none.json: no such file",)),
        (("--against", "REFUSED"), ("--against: expected a record that suggests a learning rate",)),
        (("--lr", "1", "modle=x"), ("modle",)),
    ],
)
def test_bad_usage_is_said_before_the_sweep(
    project: Project, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused = project.folder / "refused.json"
    refused.write_text(to_json(refused_result()))
    project.add("def model(): raise AssertionError('built')")
    given = [str(refused) if argument == "REFUSED" else argument for argument in arguments]
    outcome = project.main("check", str(project.config), "model._target_=own.model", *given)
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says(*words)


def test_a_run_that_fails_or_is_interrupted_is_not_judged(project: Project) -> None:
    project.add(
        """
        def stops(): return on_step(lambda step, value: signal.raise_signal(2) if step == 30 else value)
        def act(step, value):
            if step == 30: raise RuntimeError("no luck")
            return value
        def raises(): return on_step(act)
        """
    )
    raised = project.main("check", str(project.config), "loss._target_=own.raises", "--lr", "0.1", "--json")
    assert (raised.code, raised.json["status"]) == (1, "cut_short")
    summary = project.main(
        "check", str(project.config), "loss._target_=own.raises", "--lr", "0.1", "--format", "markdown"
    )
    assert summary.out.startswith("### Learning rate check: not done\n")
    assert "│" not in summary.out  # no suggestion is drawn
    stopped = project.main("check", str(project.config), "loss._target_=own.stops", "--lr", "0.1", "--json")
    assert (stopped.code, stopped.json["status"]) == (130, "cut_short")


def test_help_has_examples(project: Project) -> None:
    outcome = project.main("check", "--help")
    assert (outcome.code, outcome.err) == (0, "")
    for words in ("lrfind check configs/digits.yaml", "--against", "--tolerance", "GITHUB_STEP_SUMMARY"):
        assert words in outcome.out
