from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import replace

import pytest
from helpers import END_LR, example_result, refused_result
from matplotlib.figure import Figure

from lrfind.output.curve import headline
from lrfind.output.html import html
from lrfind.output.look import Look
from lrfind.output.plot import figure
from lrfind.records.types import Group, Result


def picture_of(result: Result) -> Figure:
    return figure(result, Look(theme="notebook"))


@pytest.mark.parametrize("result", [example_result(), refused_result()], ids=["suggestion", "refusal"])
def test_it_holds_picture_and_facts(result: Result) -> None:
    result = replace(result, title="<Net> & co", groups=(Group("body", 1.0, None), Group("head", 10.0, None)))
    page = html(result, picture_of(result))
    picture = re.search(r'src="data:image/png;base64,([^"]+)"', page)
    assert picture is not None
    assert b64decode(picture[1]).startswith(b"\x89PNG")
    assert "&lt;Net&gt; &amp; co" in page
    assert "<script" not in page
    assert not picture_of(result).texts  # each fact once: they stand around the picture
    if result.analysis.suggested_lr:
        assert "<b>Suggested LR 0.0063, safe range 0.002 to 0.04, confidence 87%</b>" in page
        assert "LR of each parameter group: body 0.0063, head 0.063" in page
    else:
        assert "<b>No learning rate suggested (noise)</b>" in page


def test_what_acts_on_a_terminal_or_is_endless_is_shown() -> None:
    result = example_result(title="\x1b[31m" + "x" * 10**6)
    page = html(result, figure(example_result()))
    assert r"<small>\x1b[31mxxx" in page
    assert "(1,000,005 characters)" in page


def test_a_peak_is_called_one() -> None:
    result = replace(example_result(suggested_lr=2 * END_LR), config={"train": {"schedule": "cosine"}})
    assert headline(result).startswith("Suggested LR 0.0126 as the peak of cosine (0.0063 if constant), safe range")
