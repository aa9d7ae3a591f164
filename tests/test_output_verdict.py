"""A verdict in words, Markdown and JSON."""

from __future__ import annotations

import json

import pytest
from helpers import END_LR, example_result, refused_result

from lrfind.output.verdict import as_document, as_markdown, as_text
from lrfind.verdict import judge


def test_text() -> None:
    assert as_text(judge(example_result(), 0.1, example_result(), 2.0)) == (
        "resnet18 on CIFAR10, SGD, batch 128, cuda\n"
        "Failed: LR 0.1 is too high: 2.5 times above the safe range 0.002 to 0.04; use 0.0063. "
        "The suggestion, 0.0063, is that of the baseline.\n"
        "LR: 0.1   suggested LR: 0.0063   safe range: 0.002 to 0.04   confidence: 87%   baseline: 0.0063"
    )
    assert "\nPassed: LR 0.0063 lies in" in as_text(judge(example_result(), END_LR, None, 2.0))
    assert "\nCannot tell: The loss" in as_text(judge(refused_result(), END_LR, None, 2.0))


def test_markdown() -> None:
    assert as_markdown(judge(example_result(title="a|b <c> _d_\n"), END_LR, None, 2.0)) == (
        "### Learning rate check: passed\n\n"
        "LR 0.0063 lies in the safe range 0.002 to 0.04.\n\n"
        "| | |\n|---|---|\n"
        "| training | a\\|b \\<c\\> \\_d\\_  |\n"
        "| LR | 0.0063 |\n| suggested LR | 0.0063 |\n| safe range | 0.002 to 0.04 |\n| confidence | 87% |"
    )


@pytest.mark.parametrize("lr", [0.1, END_LR, 1e-9, None])
def test_json_holds_numbers(lr: float | None) -> None:
    document = json.loads(json.dumps(as_document(judge(example_result(), lr, example_result(), 2.0)), allow_nan=False))
    assert document["lr"] == lr
    assert document["safe_range"] == [2e-3, 4e-2]
    assert (document["suggested_lr"], document["drift"], document["tolerance"]) == (END_LR, 1.0, 2.0)
    assert (document["factor"] is None) == (document["status"] == "ok")
