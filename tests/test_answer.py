from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers import END_LR, example_result, example_sweep, refused_result

from lrfind import Answer, load
from lrfind.answer import Found, Refused, answer_of
from lrfind.errors import LrfindError, OutputError, RecordError
from lrfind.output.html import html
from lrfind.output.look import Look
from lrfind.output.plot import figure
from lrfind.records.types import Group, Probe, Refusal, Result, Status, StopReason


def answer(result: Result | None = None) -> Answer:
    return answer_of(result or example_result())


def test_it_says_at_once_what_was_found() -> None:
    found = answer()
    assert found
    assert (found.suggested_lr, found.safe_range, found.confidence) == (END_LR, (2e-3, 4e-2), 0.87)
    assert (found.status, found.reason) == (Status.OK, None)
    assert found.suggested_lrs["cosine"] == 2 * END_LR
    assert found.message.startswith("The loss falls")
    assert repr(found) == "Answer(suggested_lr=0.0063, safe_range=(0.002, 0.04), confidence=0.87)"


def test_its_class_tells_a_type_checker_what_if_answer_does() -> None:
    found, refused = answer_of(example_result()), answer_of(refused_result())
    assert isinstance(found, Found)
    assert isinstance(refused, Refused)
    assert (bool(found), bool(refused)) == (True, False)


def test_a_refusal_is_false_and_says_why() -> None:
    found = answer(refused_result())
    assert not found
    assert (found.suggested_lr, found.safe_range, found.confidence) == (None, None, 0)
    assert (found.status, found.reason) == (Status.NO_SUGGESTION, Refusal.NOISE)
    assert repr(found).startswith("Answer(suggested_lr=None, message='The loss of the mini-batches scatters")


def test_it_is_kept_in_a_file(tmp_path: Path) -> None:
    answer().save(tmp_path / "a.json")
    assert load(tmp_path / "a.json") == answer()
    assert load(str(tmp_path / "a.json")) != answer(refused_result())


def test_a_curve_from_elsewhere_is_read(tmp_path: Path) -> None:
    sweep = example_sweep()
    lines = (f"{lr},{loss}\n" for lr, loss in zip(sweep.lrs, sweep.losses, strict=True))
    (tmp_path / "curve.csv").write_text("lr,loss\n" + "".join(lines))
    assert load(tmp_path / "curve.csv").sweep.losses == sweep.losses


def test_a_byte_order_mark_is_no_part_of_a_record(tmp_path: Path) -> None:
    answer().save(tmp_path / "a.json")
    (tmp_path / "b.json").write_text((tmp_path / "a.json").read_text(), encoding="utf-8-sig")
    assert load(tmp_path / "b.json") == answer()


def test_a_name_that_no_file_can_have_is_a_fault() -> None:
    with pytest.raises(RecordError, match="null byte"):
        load("a\0b")


def test_a_place_that_cannot_be_written_to_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*; make room there, or name a file in another folder"):
        answer().save(tmp_path / "missing" / "a.json")
    with pytest.raises(OutputError, match=r"cannot write .*; make room there, or name a file in another folder"):
        answer().plot(tmp_path / "missing" / "a.png")
    with pytest.raises(OutputError, match=r"ends in .png, .svg, .pdf or .html, got .gif"):
        answer().plot(tmp_path / "a.gif")


def test_its_page_is_written_by_the_name_of_the_file(tmp_path: Path) -> None:
    picture = answer().plot(tmp_path / "a.html", title="Baseline", mark=0.1)
    assert picture.axes[0].get_xlabel() == "learning rate"
    page = (tmp_path / "a.html").read_text()
    assert "<h1>Baseline</h1>" in page
    assert "your LR 0.1" in page


def test_its_picture_is_a_figure_and_a_file(tmp_path: Path) -> None:
    picture = answer().plot(tmp_path / "a.svg")
    assert picture.axes[0].get_xlabel() == "learning rate"
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")


def test_a_notebook_shows_it() -> None:
    assert answer()._repr_html_() == html(example_result(), figure(example_result(), Look(theme="notebook")))


def test_it_reads_as_a_sentence_and_as_the_report_of_the_command() -> None:
    assert str(answer()).startswith("Suggested LR 0.0063, safe range 0.002 to 0.04, confidence 87%. The loss falls")
    text = answer().report(mark=0.4, width=60)
    assert "Your LR 0.4: 10 times above the safe range" in text
    assert max(map(len, text.split("\n"))) <= 60


def test_its_probes_explain_it() -> None:
    def probe(lr: float, end: float) -> Probe:
        losses = tuple(2.3 + (end - 2.3) * min(1, step / 30) for step in range(40))
        return Probe(lr, 40, losses, StopReason.COMPLETED)

    probes = (probe(6e-4, 2.2), probe(6e-3, 0.1), Probe(0.06, 40, (2.3, 2.4, 9.0), StopReason.DIVERGED))
    found = answer(replace(example_result(), probes=probes))
    assert found.explain().startswith("0.006 is the best of the 3 in these 40 steps; 0.0006 crawls, 0.06 diverges.")
    assert found.explain(0.05).startswith("0.06 diverges; ")
    with pytest.raises(RecordError, match="expected a record with probes to compare, got 0 of one length"):
        answer().explain()


def swept() -> Answer:
    return answer(
        replace(example_result(), groups=(Group("a", 1.0, None), Group("b", 10.0, None), Group("c", None, 3)))
    )


@pytest.mark.parametrize("schedulers", [None, [], ()])
def test_an_optimizer_gets_the_learning_rate_of_each_group(schedulers: Any) -> None:
    weights = [torch.nn.Parameter(torch.ones(1)) for _ in range(3)]
    optimizer = torch.optim.SGD([{"params": [weight], "lr": 1.0} for weight in weights])
    optimizer.param_groups[1]["lr"] = lr = torch.tensor(1.0)
    optimizer.param_groups[0]["initial_lr"] = 1.0
    swept().apply(optimizer, schedulers)
    assert [float(group["lr"]) for group in optimizer.param_groups] == pytest.approx([END_LR, 10 * END_LR, 3])
    assert optimizer.param_groups[1]["lr"] is lr
    assert [group.get("initial_lr") for group in optimizer.param_groups] == [END_LR, None, None]


def test_nothing_is_applied_without_a_suggestion_or_to_other_groups() -> None:
    with pytest.raises(LrfindError, match="no learning rate is suggested: The loss of the mini-batches"):
        answer(refused_result()).apply(SimpleNamespace(param_groups=[]))
    with pytest.raises(LrfindError, match="expected the 3 parameter groups that were swept, got 1"):
        swept().apply(SimpleNamespace(param_groups=[{"lr": 1}]))
