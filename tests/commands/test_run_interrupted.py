"""Signals at any moment of a run: what was measured is saved and reported, as interrupted."""

from __future__ import annotations

import functools
import importlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cli import Project, command, eventually, gone, saved, strict_json

import lrfind
from lrfind.errors import interrupts

pytestmark = pytest.mark.slow

LOSS = "loss._target_=own.loss"
ENDS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where nohup runs the tests
    interrupts.install()
    yield
    interrupts.uninstall()
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what sends signals to this process just before a function of lrfind is called for the n-th time."""

    def at(place: str, *, call: int = 1, numbers: tuple[int, ...] = (signal.SIGINT,)) -> None:
        module, _, name = place.rpartition(".")
        function, calls = getattr(importlib.import_module(module), name), [0]

        @functools.wraps(function)
        def interrupted(*arguments: Any, **named: Any) -> Any:
            calls[0] += 1
            if calls[0] == call:
                for number in numbers:
                    signal.raise_signal(number)
            return function(*arguments, **named)

        monkeypatch.setattr(place, interrupted)

    return at


def updates(document: dict[str, Any]) -> int:
    return sum(len(each["losses"]) for kind in ("sweeps", "probes") for each in document[kind])


MOMENTS = {
    "the curve is read": ("lrfind.search.analyze", 1, 60),
    "the record is kept": ("lrfind.output.run_files.to_json", 1, 60),
    "the next probe is chosen": ("lrfind.search.next_probe", 2, 100),
    "a probe is read": ("lrfind.search.analysis_of_probes", 1, 100),
}
"""The function that is about to be called, which call of it, and the updates that were made before."""


@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize(("place", "call", "made"), MOMENTS.values(), ids=MOMENTS)
def test_a_signal_outside_a_step_loses_nothing(
    project: Project, signals: Callable[..., None], place: str, call: int, made: int, number: int
) -> None:
    signals(place, call=call, numbers=(number,))
    outcome = project.run("probes.steps=40", "--json")
    assert outcome.code == 130
    assert outcome.json == saved(project)
    assert outcome.json["interrupted"]
    assert updates(outcome.json) >= made - 5
    outcome.says("lrfind: interrupted after", "what was measured is kept")


@pytest.mark.parametrize("place", ["lrfind.output.formats.drawn", "lrfind.commands.run.show"], ids=["plot", "report"])
def test_a_signal_after_the_measurement_ends_with_all_of_it(
    project: Project, signals: Callable[..., None], place: str
) -> None:
    signals(place)
    outcome = project.run("--json", "--plot", "png")
    assert (outcome.code, outcome.json["status"], outcome.json["interrupted"]) == (130, "ok", False)
    assert outcome.json == saved(project)
    assert project.plot().exists()
    outcome.says("interrupted after the measurement")


def test_a_record_is_kept_from_the_first_sweep_on(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[dict[str, Any]] = []
    looked = importlib.import_module("lrfind.search").next_probe

    def look(*arguments: Any) -> Any:
        kept.append(saved(project))
        return looked(*arguments)

    monkeypatch.setattr("lrfind.search.next_probe", look)
    document = project.run("--json").json
    assert [len(each["probes"]) for each in kept] == list(range(len(document["probes"]) + 1))
    assert all(each["interrupted"] for each in kept)
    assert kept[0]["sweeps"] == document["sweeps"]
    assert not document["interrupted"]


def test_the_record_of_a_whole_run_is_not_replaced_by_a_part_of_another(
    project: Project, signals: Callable[..., None]
) -> None:
    whole = project.run("--json").json
    signals("lrfind.search.next_probe")
    outcome = project.run("--json", "--seed", "1")
    part = project.out / "train.partial.lrfind.json"
    assert saved(project) == whole
    assert strict_json(part.read_text()) == outcome.json
    outcome.says(f"{project.record} is of a run that was not cut short, and stays as it is", f"wrote {part}")


def test_a_whole_run_replaces_what_was_kept_of_it(project: Project) -> None:
    project.run()
    assert project.run("--json", "--seed", "1").json == saved(project)
    assert [file.name for file in project.out.iterdir()] == ["train.lrfind.json"]


def test_run_config_keeps_the_record_of_what_was_interrupted(project: Project, signals: Callable[..., None]) -> None:
    signals("lrfind.search.next_probe", call=2)
    with pytest.raises(KeyboardInterrupt):
        lrfind.run_config(project.config, out=project.out)
    assert saved(project)["interrupted"]
    assert len(saved(project)["probes"]) == 1


SWALLOWS = """
def act(step, value):
    if step in (40, 41):
        try:
            signal.raise_signal(signal.SIGINT)
        except:
            pass
    return value
def loss(): return on_step(act)
"""


def test_a_signal_that_the_training_swallows_ends_it_after_the_step(project: Project) -> None:
    project.add(SWALLOWS)
    outcome = project.run(LOSS, "--json")
    assert (outcome.code, outcome.json["stop_reason"]) == (130, "interrupted")
    assert len(outcome.json["sweeps"][0]["losses"]) == 41


def test_a_second_signal_raises_again_in_a_step_that_has_swallowed_the_first(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interrupts, "SAME_SECONDS", 0.0)
    project.add(
        """
        def act(step, value):
            if step == 40:
                try: signal.raise_signal(signal.SIGINT)
                except KeyboardInterrupt: signal.raise_signal(signal.SIGINT)
            return value
        def loss(): return on_step(act)
        """
    )
    outcome = project.run(LOSS, "--json")
    assert (outcome.code, len(outcome.json["sweeps"][0]["losses"])) == (130, 40)


def test_two_signals_at_once_are_one(project: Project) -> None:
    project.add(
        """
        def act(step, value):
            if step == 40:
                try: signal.raise_signal(signal.SIGINT)
                finally: signal.raise_signal(signal.SIGTERM)
            return value
        def loss(): return on_step(act)
        """
    )
    outcome = project.run(LOSS, "--json")
    assert (outcome.code, len(outcome.json["sweeps"][0]["losses"])) == (130, 40)
    outcome.says("interrupted after 40 steps")


def test_a_third_signal_gives_up_and_takes_the_workers_along(project: Project) -> None:
    project.add(
        """
        from pathlib import Path
        class Stuck(Dataset):
            def __len__(self): return 64
            def __getitem__(self, index):
                Path(__file__).with_name(f"{os.getpid()}.worker").touch()
                while True:
                    try: signal.pause()
                    except: pass
        """
    )
    arguments = ("data.dataset._target_=own.Stuck", "data.batch_size=32", "data.num_workers=2", "probes.enabled=false")
    with subprocess.Popen(
        command("run", str(project.config), *arguments), cwd=project.folder, stderr=subprocess.PIPE, text=True
    ) as started:
        eventually(lambda: len(list(project.folder.glob("*.worker"))) == 2)
        for _ in range(3):
            started.send_signal(signal.SIGTERM)
            time.sleep(0.02)
        _, err = started.communicate(timeout=60)
    assert started.returncode == 130, err
    for file in project.folder.glob("*.worker"):
        assert gone(int(file.stem))


def test_a_signal_that_nohup_lets_the_run_ignore_stays_ignored() -> None:
    interrupts.uninstall()
    kept = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        interrupts.install()
        signal.raise_signal(signal.SIGHUP)
        assert not interrupts.stopped()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    finally:
        interrupts.uninstall()
        signal.signal(signal.SIGHUP, kept)
