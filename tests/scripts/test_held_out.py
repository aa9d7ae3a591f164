"""What a script's probes hold out of its data: no update is made of it, and its loss is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli import FIXTURES

import lrfind
from lrfind.analysis.probe_result import DOUBTFUL
from lrfind.analysis.recorded import reanalyze
from lrfind.observer import Observer
from lrfind.scripts.job import LOOK_UPDATES, Script
from lrfind.scripts.runner import LoneRunner
from lrfind.settings import Settings, SweepSettings
from lrfind.training.ladder import ladder
from lrfind.workloads.from_script import ScriptWorkload
from lrfind.workloads.script_looks import LOOKS

pytestmark = pytest.mark.slow

LRS = ladder(1e-4, 1e-2, 24)
STEPS = 30


class Silence:
    def write(self, data: bytes) -> None:
        """Take what a script prints."""


def swept(kind: str, notes: Path) -> ScriptWorkload:
    """Return a script that a sweep has told about."""
    sweep = SweepSettings(LRS[0], LRS[-1], len(LRS), stop_on_divergence=False)
    script = Script(str(FIXTURES / "scripts" / "noting.py"), (kind, str(notes)))
    made = ScriptWorkload(settings=Settings(sweep=sweep), script=script, runner=LoneRunner(Silence()))
    made.train(LRS, Observer())
    return made


@pytest.mark.parametrize(
    "kind", ["plain", "adam", "closure", "scaled", "accumulated", "ahead", "peeks", "workers", "in_order"]
)
def test_no_update_is_made_of_held_out_samples(tmp_path: Path, kind: str) -> None:
    notes = tmp_path / "notes.json"
    script = swept(kind, notes)
    whole = json.loads(notes.read_text())
    assert all(changed for _, _, changed in whole)
    assert len({index for batches, _, _ in whole for batch in batches for index in batch}) == 120

    looks = script.looks(STEPS)
    assert looks is not None
    sweep = script.train((0.01,) * STEPS, Observer(), held_out=looks)
    made: list[tuple[list[list[int]], float, bool]] = json.loads(notes.read_text())
    trained = [each for each in made if each[2]]
    looked = [each for each in made if not each[2]]
    assert list(sweep.losses) == pytest.approx([loss for _, loss, _ in trained][:STEPS])
    assert [loss for look in looks.losses for loss in look] == pytest.approx([loss for _, loss, _ in looked])
    assert len(looks.losses) == LOOKS + 1
    assert {len(look) for look in looks.losses} == {LOOK_UPDATES}

    held_out = [indices(each) for each in looked[:LOOK_UPDATES]]
    assert [indices(each) for each in looked] == held_out * (LOOKS + 1)
    assert not any(set(one) & set(two) for one in held_out for two in held_out if one is not two)
    assert not set().union(*held_out) & {index for each in trained for index in indices(each)}
    assert {len(batch) for batches, _, _ in made for batch in batches} == {12}
    assert looks.at == [sum(changed for _, _, changed in made[:place]) for place in starts(made)]


@pytest.mark.parametrize("kind", ["leaves", "weighted", "restless"])
def test_without_sure_knowledge_nothing_is_held_out(tmp_path: Path, kind: str) -> None:
    script = swept(kind, tmp_path / "notes.json")
    assert script.looks(STEPS) is None
    assert script.look_updates(STEPS) == 0


def test_a_script_that_does_not_bear_it_is_trained_on_all_its_data(tmp_path: Path) -> None:
    script = swept("checks", tmp_path / "notes.json")
    looks = script.looks(STEPS)
    assert looks is not None
    assert len(script.train((0.01,) * STEPS, Observer(), held_out=looks).losses) == STEPS
    assert (looks.at, looks.losses) == ([], [])
    assert script.looks(STEPS) is None  # not tried again


def test_within_an_epoch_each_loss_is_one_on_held_out_samples(tmp_path: Path) -> None:
    script = swept("plain", tmp_path / "notes.json")
    assert script.unseen_steps == 10
    assert script.looks(10) is None
    assert script.looks(11) is not None
    assert swept("weighted", tmp_path / "notes.json").unseen_steps is None


def test_a_script_that_learns_its_samples_by_heart_is_doubted() -> None:
    found = lrfind.run_script(FIXTURES / "scripts" / "overfits.py", quiet=True, probe_steps=200, budget=760)
    assert found.confidence == DOUBTFUL
    assert all(probe.held_out_steps == (0, 33, 67, 100, 133, 167, 200) for probe in found.probes)
    looks = sum(len(look) for probe in found.probes for look in probe.held_out)
    assert len(found.sweep.losses) + sum(len(probe.losses) for probe in found.probes) + looks <= 760
    blind = tuple(replace(probe, held_out_steps=(), held_out=()) for probe in found.probes)
    assert reanalyze(replace(found, probes=blind)).confidence > DOUBTFUL
    assert reanalyze(found).confidence == found.confidence


def indices(update: Any) -> list[int]:
    return [index for batch in update[0] for index in batch]


def starts(made: list[Any]) -> list[int]:
    """Return where the looks begin: their first update follows one that trains, or is the first."""
    return [place for place, each in enumerate(made) if not each[2] and (place == 0 or made[place - 1][2])]
