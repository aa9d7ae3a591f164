"""The page that an error names: the right one, and one that is there."""

from __future__ import annotations

import importlib.metadata
from email.message import Message

import pytest
from cli import Project
from documented import anchors
from helpers import ROOT

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
from lrfind.output.help_links import REFUSALS, help_line, page_for, pages


@pytest.mark.parametrize("page", sorted(pages()))
def test_every_page_and_section_is_there_once(page: str) -> None:
    file, _, anchor = page.partition("#")
    assert not anchor or anchors(file).count(anchor) == 1


def fault(key: str, source: str = "c.yaml") -> ConfigError:
    return ConfigError(
        source, [Fault(key, problem="expected 1, got 2"), Fault("train.checkpoint", problem="no such file")]
    )


@pytest.mark.parametrize(
    ("error", "page"),
    [
        (fault("train.checkpoint"), "fine-tuning.md"),
        (fault("train.world_size"), "several-gpus.md"),
        (fault("param_groups.0.match"), "config.md#parameter-groups"),
        (fault("precision"), "config.md#the-training-recipe"),
        (fault("loss"), "batches.md"),
        (fault("data.batch_size"), "config.md"),
        (fault("modle"), "config.md"),
        (fault(""), "config.md"),
        (fault("--tolerance"), "ci.md#lrfind-check"),
        (fault("--num-iter"), "command-line.md"),
        (fault("--scheduler", "lrfind schedule"), "command-line.md#lrfind-schedule"),
        (fault("", "-"), "record.md#read-a-curve-again"),
        (RecordError("expected rows", source="x.csv"), "record.md#read-a-curve-again"),
        (RecordError(Fault("--against", expected="a record")), "ci.md#lrfind-check"),
        (UserCodeError(Fault("loss", expected="a scalar")), "batches.md"),
        (UserCodeError(Fault(problem="training step failed: TypeError", docs="batches.md")), "batches.md"),
        (UserCodeError("training step failed: OutOfMemoryError: no"), ""),
        (DataError("the loader is empty"), "batches.md"),
        (OutputError("cannot write"), ""),
        (StoppedError(), ""),
    ],
    ids=str,
)
def test_the_first_fault_names_the_page(error: LrfindError, page: str) -> None:
    assert page_for(error) == page


def test_a_line_holds_the_address_and_the_path_in_a_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    urls = Message()
    urls["Project-URL"] = "Documentation, https://example.org/docs"
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: urls)
    page = help_line("config.md#parameter-groups")
    assert page.startswith("help: https://example.org/docs/config.md#parameter-groups")
    assert page.endswith(f" or {ROOT / 'docs' / 'config.md'}")


def test_one_line_below_the_error_links_it(project: Project) -> None:
    outcome = project.run("train.checkpoint=none.pt")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.endswith(f"\nlrfind: {help_line('fine-tuning.md')}\n")
    assert outcome.err.count("help:") == 1


def test_what_the_pages_do_not_help_with_has_no_link(project: Project) -> None:
    outcome = project.main("run", str(project.config), "--out", "/proc/none")
    outcome.says("cannot write")
    assert "help:" not in outcome.err


def test_a_refusal_is_explained_to_people_alone(project: Project) -> None:
    arguments = ("check", str(project.config), "probes.enabled=false", "--lr", "0.1", "sweep.end_lr=1e-4")
    asked = project.main(*arguments)
    assert asked.code == 3
    assert asked.err.endswith(f"lrfind: {help_line(REFUSALS)}\n")
    assert "help:" not in "".join((project.main(*arguments, "--json").err, project.main(*arguments, "--quiet").err))
