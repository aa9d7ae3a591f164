"""A verdict in words, Markdown and JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import END_LR, example_result, example_sweep, refused_result

from lrfind.check.text import HEIGHT, WIDTH, as_document, as_markdown, as_text
from lrfind.check.verdict import judge
from lrfind.output.terminal_plot import sketch


def test_text() -> None:
    assert as_text(judge(example_result(), 0.1, example_result(), 2.0)) == (
        "resnet18 on CIFAR10, SGD, batch 128, cuda\n"
        "Failed: LR 0.1 is too high: 2.5 times above the safe range 0.002 to 0.04; use 0.0063. "
        "The suggestion, 0.0063, is that of the baseline.\n"
        "LR: 0.1   suggested LR: 0.0063   safe range: 0.002 to 0.04   confidence: 87%   baseline: 0.0063"
    )
    assert "\nPassed: LR 0.0063 lies in" in as_text(judge(example_result(), END_LR, None, 2.0))
    assert "\nCannot tell: The loss" in as_text(judge(refused_result(), END_LR, None, 2.0))


def test_a_suggestion_for_a_schedule_is_said_to_be_its_peak() -> None:
    decays = replace(example_result(suggested_lr=2 * END_LR), config={"train": {"schedule": "cosine"}})
    assert "suggested LR: 0.0126 as the peak of cosine" in as_text(judge(decays, END_LR, None, 2.0))


def test_markdown() -> None:
    text = as_markdown(judge(example_result(title="a|b <c> _d_\n"), END_LR, None, 2.0), [Path("out/a_b.lrfind.png")])
    facts, _, picture = text.partition("\n\n```text\n")
    assert facts == (
        "### Learning rate check: passed\n\n"
        "LR 0.0063 lies in the safe range 0.002 to 0.04.\n\n"
        "| | |\n|---|---|\n"
        "| training | a\\|b \\<c\\> \\_d\\_ |\n"
        "| LR | 0.0063 |\n| suggested LR | 0.0063 |\n| safe range | 0.002 to 0.04 |\n| confidence | 87% |\n"
        "| written | out/a\\_b.lrfind.png |"
    )
    assert picture == f"{sketch(example_result(), WIDTH, HEIGHT)}\n```"
    assert max(map(len, picture.splitlines())) <= WIDTH


def test_markdown_shows_what_a_stranger_wrote_and_does_not_act_on_it() -> None:
    title = "- \x1b[31m$x$ ~~a~~ &lt; @me :smile: https://a.b www.a.b\n# c"
    shown = r"\- \\x1b\[31m\$x\$ \~\~a\~\~ \&lt; \@me \:smile: https\://a.b www\.a.b \# c"
    assert f"| training | {shown} |" in as_markdown(judge(example_result(title=title), END_LR, None, 2.0))


def test_markdown_draws_the_baseline_below_whatever_can_be_drawn_of_it() -> None:
    empty = replace(example_sweep(), lrs=(), losses=())
    for baseline in (example_result(suggested_lr=END_LR / 2), example_result(sweep=empty)):
        text = as_markdown(judge(example_result(), END_LR, baseline, 2.0), baseline=baseline)
        _, mine, between, other, rest = text.split("```")
        assert (between.split(), rest) == (["The", "baseline:"], "")
        assert mine != other
        assert other == f"text\n{sketch(baseline, WIDTH, HEIGHT)}\n"


@pytest.mark.parametrize("lr", [0.1, END_LR, 1e-9, None])
def test_json_holds_numbers(lr: float | None) -> None:
    document = json.loads(json.dumps(as_document(judge(example_result(), lr, example_result(), 2.0)), allow_nan=False))
    assert document["lr"] == lr
    assert document["safe_range"] == [2e-3, 4e-2]
    assert (document["suggested_lr"], document["drift"], document["tolerance"]) == (END_LR, 1.0, 2.0)
    assert (document["factor"] is None) == (document["status"] == "ok")
