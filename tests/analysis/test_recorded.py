"""Reading a recorded sweep again: the same conclusion, another method, and records that do not fit together."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import pytest
from helpers import example_result, example_sweep

from lrfind.analysis.probe_result import Training, analysis_of_probes
from lrfind.analysis.probe_search import ProbeLimits, next_probe
from lrfind.analysis.recorded import reanalyze, result_of
from lrfind.analysis.suggest import analyze
from lrfind.errors import CONFIG, RecordError
from lrfind.records.json_format import to_json
from lrfind.records.read import only, parse
from lrfind.records.types import Analysis, Probe, Repeat, Result, StopReason
from lrfind.settings import Method, Schedule

HIGHEST = 10.0


def read(text: str, source: str) -> Result:
    """Return what a text holds."""
    return result_of(only(parse(text, source), source), source)


def end_loss(lr: float) -> float:
    """What a probe comes to: best at 0.02, and up from 0.6 on."""
    return 2.3 - 1.9 / (1 + (lr / 0.02 - 1) ** 2) + (9.0 if lr > 0.6 else 0.0)


def probed(*, refine: bool = False) -> Result:
    """Return a result whose probes were made as `lrfind.search` makes them."""
    sweep = example_sweep()
    analysis = analyze(sweep)
    limits = ProbeLimits(900 if refine else 200, 200, None, 6, HIGHEST, None)
    probes: list[Probe] = []
    while (following := next_probe(analysis, probes, limits)) is not None:
        lr, steps = following
        losses = (2.3,) * (steps // 2) + (end_loss(lr),) * (steps - steps // 2)
        probes.append(Probe(lr, steps, losses, StopReason.COMPLETED))
    training = Training("constant", None, normalized=None, highest_lr=HIGHEST)
    concluded = analysis_of_probes(analysis, probes, training).in_words(CONFIG)
    config = {
        "sweep": {"end_lr": HIGHEST},
        "train": {"schedule": "constant"},
        "analysis": {"method": "auto"},
    }
    result = example_result(sweep)
    return replace(
        result, analysis=concluded, smoothed=(analysis.smoothed,), probes=tuple(probes), config=config, groups=()
    )


@pytest.mark.parametrize("refine", [False, True], ids=["coarse", "refined"])
def test_what_was_concluded_from_probes_is_concluded_again(refine: bool) -> None:
    result = probed(refine=refine)
    assert result.analysis.method == "probes"
    assert to_json(reanalyze(read(to_json(result), "r.json"))) == to_json(result)


def test_longer_probes_that_were_cut_short_leave_the_shorter_ones() -> None:
    whole = probed(refine=True)
    cut = replace(whole.probes[4], losses=(2.3,), stop_reason=StopReason.INTERRUPTED)
    assert reanalyze(replace(whole, probes=(*whole.probes[:4], cut))).analysis == probed().analysis


@pytest.mark.parametrize("kept", [1, 2])
def test_probes_that_were_cut_short_say_nothing(kept: int) -> None:
    result = probed()
    assert reanalyze(replace(result, probes=result.probes[:kept])).analysis == analyze(result.sweep)
    cut = replace(result.probes[kept], stop_reason=StopReason.FAILED)
    assert reanalyze(replace(result, probes=(*result.probes[:kept], cut))).analysis == analyze(result.sweep)


@pytest.mark.parametrize("method", get_args(Method)[1:])
def test_another_method_reads_the_curve_alone(method: Method) -> None:
    result = probed()
    again = reanalyze(result, method)
    assert again.analysis == analyze(result.sweep, method)
    assert again.probes == result.probes
    assert again.config["analysis"]["method"] == method


@pytest.mark.parametrize("schedule", ["cosine", "linear", "onecycle"])
def test_another_schedule_scales_the_suggestion(schedule: Schedule) -> None:
    result = probed()
    again = reanalyze(result, schedule=schedule)
    assert again.analysis.suggested_lr == pytest.approx(result.analysis.suggested_lrs[schedule])
    assert again.config["train"]["schedule"] == schedule


def test_the_settings_of_the_record_are_kept() -> None:
    result = replace(probed(), config={"train": {"schedule": "cosine"}, "analysis": {"method": "valley"}})
    assert reanalyze(result).analysis == analyze(result.sweep, "valley", "cosine")


def test_a_setting_that_is_not_known_names_the_flag() -> None:
    with pytest.raises(RecordError, match=r"analysis\.method.*'magic'; pass --method"):
        reanalyze(replace(probed(), config={"analysis": {"method": "magic"}}))


def test_seeds_without_a_rate_for_the_schedule_are_said() -> None:
    result = replace(probed(), repeats=(Repeat(0, 0.1, 0.9), Repeat(1, 0.1, 0.9)))
    bare = replace(result, analysis=replace(result.analysis, suggested_lrs={"constant": 0.1}))
    with pytest.raises(RecordError, match="suggested_lrs of the record: expected a learning rate for cosine, got none"):
        reanalyze(bare, schedule="cosine")


def test_a_curve_from_elsewhere_is_read_with_its_name() -> None:
    sweep = example_sweep()
    result = read(json.dumps({"lr": sweep.lrs, "loss": sweep.losses}), "history.json")
    assert result.title == "history.json"
    assert result.analysis == analyze(replace(sweep, updates_per_point=None)).in_words(CONFIG)
    assert reanalyze(result) == result


def changed(**changes: Any) -> str:
    document = json.loads(to_json(probed())) | changes
    return json.dumps(document)


def sweep_of(**changes: Any) -> list[dict[str, Any]]:
    return [json.loads(to_json(probed()))["sweeps"][0] | changes]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed(sweeps=sweep_of(lrs=[1.0, 2.0])), "expected as many lrs as losses"),
        (changed(sweeps=sweep_of(lrs=[1.0, 0.5])), "got 0.5 after 1 as number 2"),
        (changed(suggested_lrs=[1]), "suggested_lrs: expected an object, got [1]"),
        (changed(safe_range=[1.0]), "safe_range.1: expected a value"),
        (changed(safe_range=[0, 1]), "safe_range.0: expected a learning rate above 0"),
        (
            changed(candidates=[{"method": "x", "lr": -1, "note": ""}]),
            "candidates.0.lr: expected a learning rate above 0",
        ),
        (changed(confidence="much"), "confidence: expected"),
        (changed(config=[]), "config: expected an object, got []"),
    ],
)
def test_a_record_that_does_not_fit_together_is_said(text: str, words: str) -> None:
    with pytest.raises(RecordError) as raised:
        read(text, "r.json")
    assert str(raised.value).startswith("r.json: ")
    assert words in str(raised.value)


@pytest.mark.parametrize("form", ["{}", "[{}]", " [\n{}\n]\n"])
def test_a_record_alone_in_a_list_is_that_record(form: str) -> None:
    record = to_json(example_result())
    assert only(parse(form.replace("{}", record), "a.json"), "a.json") == json.loads(record)


def test_nothing_of_the_analysis_is_lost() -> None:
    result = probed()
    assert isinstance(read(to_json(result), "r.json").analysis, Analysis)
    assert read(to_json(result), "r.json") == result
