"""Configs and records that a stranger has broken: a few of those that `make fuzz` makes by the thousand."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fuzz.fuzzer import Fuzzer
from helpers import ROOT, example_result, refused_result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrfind.records.json_format import to_json
from lrfind.records.types import Group, Probe, StopReason

pytestmark = pytest.mark.slow

SHIPPED = ROOT / "configs"
chance = given(rng=st.randoms(use_true_random=False))
few = settings(max_examples=40, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzer]:
    folder = tmp_path_factory.mktemp("fuzz")
    here, path = Path.cwd(), list(sys.path)
    os.chdir(folder)  # what a broken config names is looked for, and made, here
    for name in ("digits.py", "digits.yaml", "digits_mlp.yaml", "recipe.yaml"):
        (folder / name).write_text((SHIPPED / name).read_text())
    probes = tuple(
        Probe(lr, 4, (2.0, 1.5, 1.0, end), StopReason.COMPLETED, (0, 4), ((2.0, 2.1), (end, end)), (2.0, 2.0))
        for lr, end in ((1e-3, 0.9), (1e-2, 0.5))
    )
    groups = (Group("body", 1.0, None), Group("head", None, 0.1))
    results = {"ok": replace(example_result(), probes=probes, groups=groups), "refused": refused_result()}
    for name, result in results.items():
        (folder / f"{name}.lrfind.json").write_text(to_json(result))
    yield Fuzzer(folder, sorted(folder.glob("*.yaml")), sorted(folder.glob("*.json")), folder / "digits_mlp.yaml")
    os.chdir(here)
    sys.path[:] = path


@few
@chance
def test_a_broken_config_is_told_in_a_line(fuzzer: Fuzzer, rng: random.Random) -> None:
    how, problem, _ = fuzzer.config(rng)
    assert not problem, how


@few
@chance
def test_a_broken_record_is_told_in_a_line(fuzzer: Fuzzer, rng: random.Random) -> None:
    how, problem, _ = fuzzer.record(rng)
    assert not problem, how


def test_what_is_wrong_is_seen(fuzzer: Fuzzer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fuzzer that finds nothing is no proof unless it would."""

    def broken(text: str) -> None:
        raise ValueError(text)

    monkeypatch.setattr("lrfind.config.document.checked_nodes", broken)
    _, problem, _ = fuzzer.config(random.Random(0))
    assert problem.startswith("traceback: ")
