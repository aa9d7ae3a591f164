"""The page as text: whole without anything else, everything escaped, and all that was measured in it."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, example_result, example_sweep, refused_result
from page_results import HOSTILE, rich

from lrfind.output.look import Look
from lrfind.page.render import page
from lrfind.records.facts import ScriptFacts
from lrfind.records.json_format import to_result
from lrfind.records.read import only, parse, read_text
from lrfind.records.types import Group, Probe, Result, StopReason

pytestmark = pytest.mark.slow

VOID = {"meta", "img", "br", "input", "link"}
RECORDS = sorted(path for path in (ROOT / "tests/fixtures/records").glob("*.json") if path.name != "analyses.json")


class Page(HTMLParser):
    """What a page holds: its tags with their attributes, the text of each kind of tag, and scripts by type."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.handle_data(" ")
        self.texts.setdefault(tag, []).append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:  # cells and rows end with the next one
            pass

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self.texts[tag][-1] += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def charts(self) -> list[Any]:
        places = zip(self.of("script"), self.texts["script"], strict=True)
        return [json.loads(text) for attributes, text in places if attributes.get("type") == "application/json"]

    @property
    def words(self) -> str:
        return " ".join(self.texts["body"][0].split())


def test_it_says_what_was_found_and_measured() -> None:
    shown = Page(page({"train": rich()}))
    assert shown.texts["title"] == ["resnet18 on CIFAR10, SGD, batch 128, cuda"]
    for words in (
        "configs/train.yaml",
        "suggested LR 0.0063",
        "safe range 0.002 to 0.04",
        "confidence 87%",
        "The loss falls steadily up to 0.0063 and blows up from 0.5.",
        "Next: train with optimizer.lr=0.0063",
        "0.01 2 of 2 0.5 0.75 completed",
        "descent_end (chosen) 0.0063 90 % of the drop is made",
        "head 0.063",
        "1 none 0%",
        "momentum: 0.9",
        "device: cpu",
        "Sweep of 100 steps, diverged; 2 probes; 7.2 s.",
    ):
        assert words in shown.words
    assert [name for tag, name in ((tag, a.get("data-chart")) for tag, a in shown.tags) if name] == [
        *("curve", "probes", "held_out", "schedules")
    ]
    chosen = [attributes for attributes in shown.of("option") if "selected" in attributes]
    assert len(chosen) == 1
    (charts,) = shown.charts()
    assert charts["curve"]["series"][2]["y"] == [0.5, 0.25]


def test_a_refusal_says_why_and_offers_no_reading() -> None:
    shown = Page(page({"train": refused_result()}))
    for words in ("No learning rate suggested (noise)", "no descent can be told from noise", "Next: change what"):
        assert words in shown.words
    assert "Readings" not in shown.words
    assert "Schedule" not in shown.words


@pytest.mark.parametrize(
    ("changes", "words"), [({"interrupted": True}, "Interrupted"), ({"error": "CUDA: out"}, "CUDA")]
)
def test_a_run_that_was_cut_short_says_so_first(changes: dict[str, Any], words: str) -> None:
    shown = Page(page({"train": replace(example_result(), **changes)}))
    assert words in shown.texts["p"][1]


def test_nothing_that_a_user_wrote_is_markup() -> None:
    facts = ScriptFacts(HOSTILE, (HOSTILE,), False, 0.1, HOSTILE, HOSTILE, 3, HOSTILE, HOSTILE, HOSTILE)
    result = replace(
        rich(),
        title=HOSTILE,
        source=HOSTILE,
        error=HOSTILE,
        script=facts,
        config={HOSTILE: HOSTILE},
        settings={"train": {"schedule": HOSTILE}},
        environment={HOSTILE: [HOSTILE]},
        groups=(Group(HOSTILE, 1.0, None), Group("b", 1.0, None)),
        analysis=replace(rich().analysis, message=HOSTILE),
    )
    shown = Page(page({HOSTILE: result, "other": result}))
    plain = Page(page({"train": rich(), "other": rich()}))
    assert len(shown.of("script")) == 3  # the charts of both, and one that draws them
    assert len(shown.of("img")) == 2
    assert not [attributes for _, attributes in shown.tags if any(name.startswith("on") for name in attributes)]
    assert {tag for tag, _ in shown.tags} == {tag for tag, _ in plain.tags}
    assert shown.words.count("alert(1)") >= 8
    assert "49" not in "".join(shown.texts["h2"])


@pytest.mark.parametrize("results", [{"train": rich()}, {"a": rich(), "b": refused_result()}], ids=["one", "two"])
def test_nothing_is_loaded_from_elsewhere_and_only_its_own_script_runs(results: dict[str, Result]) -> None:
    text = page(results)
    shown = Page(text)
    loaded = [
        attributes.get(name) or "" for tag, attributes in shown.tags for name in ("src", "srcset", "data", "action")
    ]
    assert all(place.startswith("data:") for place in loaded if place)
    assert not shown.of("link")
    assert "url(" not in "".join(shown.texts["style"])
    (policy,) = [a["content"] or "" for a in shown.of("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(shown.texts["script"][-1].encode()).digest()).decode()
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy


def test_several_are_listed_with_links_to_each() -> None:
    shown = Page(page({"sgd": rich(), "adam": refused_result()}))
    assert shown.texts["h1"] == ["Learning rates of 2 runs"]
    links = [attributes["href"] for attributes in shown.of("a")][:2]
    assert links == ["#run-1", "#run-2"]
    assert [attributes["id"] for attributes in shown.of("article")] == ["run-1", "run-2"]
    assert shown.texts["h2"] == ["sgd", "adam"]
    assert "sgd 0.0063 constant 0.002 to 0.04 87%" in shown.words
    assert "adam No learning rate suggested (noise) - - 0%" in shown.words
    assert len(shown.charts()) == 2


def test_a_title_of_the_user_stands_on_top_and_the_other_below() -> None:
    shown = Page(page({"train": rich()}, Look(title="Baseline")))
    assert shown.texts["title"] == shown.texts["h1"] == ["Baseline"]
    assert "resnet18 on CIFAR10, SGD, batch 128, cuda, configs/train.yaml" in shown.words


def test_without_scripts_a_picture_is_shown() -> None:
    (image,) = Page(page({"train": rich()})).of("img")
    source = image["src"] or ""
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    assert "Suggested LR 0.0063" in (image["alt"] or "")


def test_a_page_of_a_long_search_can_be_mailed() -> None:
    sweep = example_sweep(lrs=[10 ** (-7 + 7.6 * i / 999) for i in range(1000)])
    probes = tuple(
        Probe(10 ** (-i / 4), 500, tuple(2 / (1 + step) for step in range(500)), StopReason.COMPLETED) for i in range(8)
    )
    assert len(page({"train": replace(example_result(sweep), probes=probes)}).encode()) < 300_000


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_every_record_that_was_ever_written_has_a_page(path: Path) -> None:
    result = to_result(only(parse(read_text(str(path)), path.name), path.name), path.name)
    shown = Page(page({path.stem: result}))
    assert result.title in shown.words
    assert len(shown.charts()) == 1


def test_the_licence_of_what_draws_the_charts_is_in_the_page_and_in_the_package() -> None:
    licence = (resources.files("lrfind.page") / "uPlot.LICENSE").read_text()
    assert "The MIT License" in licence
    assert "Copyright (c) 2022 Leon Sorokin" in licence
    assert licence.split("\n\n", 2)[2].split()[:4] == ["Permission", "is", "hereby", "granted,"]
    assert " ".join(licence.split()) in " ".join(page({"train": rich()}).split())


def test_what_acts_on_a_terminal_is_shown_as_it_is_written() -> None:
    """A page is also read with `less`, and no file can hold half of a character."""
    acts = "\x1b[31m\x07\ud800"
    config = {"optimizer": {"_target_": acts}}
    text = page({acts: replace(example_result(title=acts, message=acts), config=config)})
    assert r"\x1b[31m\x07\ud800" in text
    assert not set("\x1b\x07\ud800") & set(text)
