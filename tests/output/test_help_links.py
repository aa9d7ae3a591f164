"""The section of the README that an error names: the right one, and one that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli import Project

from lrfind.errors import (
    ConfigError,
    DataError,
    Fault,
    LrfindError,
    OutputError,
    RecordError,
    StoppedError,
    UserCodeError,
)
from lrfind.output.help_links import anchor, headings, help_line, section

README = Path(__file__).parents[2] / "README.md"


def of_readme() -> list[str]:
    text = re.sub(r"^```.*?^```", "", README.read_text(), flags=re.MULTILINE | re.DOTALL)  # a comment is no heading
    return re.findall(r"^#+ (.+)$", text, re.MULTILINE)


@pytest.mark.parametrize("heading", sorted(headings()))
def test_every_section_is_in_the_readme_once(heading: str) -> None:
    assert [anchor(other) for other in of_readme()].count(anchor(heading)) == 1
    assert heading in of_readme()


def test_links_within_the_readme_lead_to_a_heading() -> None:
    anchors = {anchor(heading) for heading in of_readme()}
    assert set(re.findall(r"\]\(#([^)]+)\)", README.read_text())) <= anchors


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("Fine-tuning", "fine-tuning"),
        ("Several GPUs or machines", "several-gpus-or-machines"),
        ("A gate for CI: `lrfind check`", "a-gate-for-ci-lrfind-check"),
    ],
)
def test_an_anchor_is_that_of_github(heading: str, name: str) -> None:
    assert anchor(heading) == name


def fault(key: str, source: str = "c.yaml") -> ConfigError:
    return ConfigError(
        source, [Fault(key, problem="expected 1, got 2"), Fault("train.checkpoint", problem="no such file")]
    )


@pytest.mark.parametrize(
    ("error", "heading"),
    [
        (fault("train.checkpoint"), "Fine-tuning"),
        (fault("train.world_size"), "Several GPUs or machines"),
        (fault("param_groups.0.match"), "Parameter groups"),
        (fault("precision"), "The recipe"),
        (fault("loss"), "Batches and models"),
        (fault("model.width"), "The config"),
        (fault("modle"), "The config"),
        (fault(""), "The config"),
        (fault("--tolerance"), "A gate for CI: `lrfind check`"),
        (fault("--num-iter"), "The command"),
        (fault("--scheduler", "lrfind schedule"), "From the learning rate to a schedule: `lrfind schedule`"),
        (fault("", "-"), "Read a curve again: `lrfind analyze`"),
        (RecordError("x.csv: expected rows"), "Read a curve again: `lrfind analyze`"),
        (RecordError("--against: expected a record"), "A gate for CI: `lrfind check`"),
        (UserCodeError("loss: expected a scalar"), "Batches and models"),
        (UserCodeError("training step failed: TypeError: forward() got"), "Batches and models"),
        (UserCodeError("training step failed: OutOfMemoryError: no"), None),
        (UserCodeError("step 3: loading a mini-batch failed: OSError: no"), None),
        (DataError("the loader is empty"), "Batches and models"),
        (OutputError("cannot write"), None),
        (StoppedError(), None),
    ],
    ids=str,
)
def test_the_first_fault_names_the_section(error: LrfindError, heading: str | None) -> None:
    assert section(error) == heading


def test_one_line_below_the_error_links_it(project: Project) -> None:
    outcome = project.run("train.checkpoint=none.pt")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.endswith('\nlrfind: help: README, "Fine-tuning": README.md#fine-tuning\n')
    assert outcome.err.count("help:") == 1


def test_what_the_readme_does_not_help_with_has_no_link(project: Project) -> None:
    outcome = project.main("run", str(project.config), "--out", "/proc/none")
    outcome.says("cannot write")
    assert "help:" not in outcome.err


def test_a_refusal_is_explained_to_people_alone(project: Project) -> None:
    arguments = ("check", str(project.config), "probes.enabled=false", "--lr", "0.1", "sweep.end_lr=1e-4")
    asked = project.main(*arguments)
    assert asked.code == 3
    assert asked.err.endswith(f"lrfind: {help_line('How the learning rate is chosen')}\n")
    assert "help:" not in "".join((project.main(*arguments, "--json").err, project.main(*arguments, "--quiet").err))
