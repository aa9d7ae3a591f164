from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import END_LR, REFUSAL_MESSAGE, example_result, example_sweep, refused_result
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from lrfind.output.curve import format_lr
from lrfind.output.report import report
from lrfind.records.types import Candidate, Group, Probe, Result, StopReason


def printed(result: Result, width: int = 80, files: tuple[str, ...] = (), encoding: str = "utf-8") -> str:
    """Return what `report` prints into a pipe of this width and encoding."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    report(result, Console(file=stream, width=width), [Path(name) for name in files])
    stream.flush()
    return raw.getvalue().decode(encoding)


def one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("lr", "text"),
    [(0.01234, "0.0123"), (3.2e-5, "3.2e-05"), (1.5, "1.5"), (1e-4, "0.0001"), (10.0, "10"), (1e-7, "1e-07")],
)
def test_format_lr_is_short(lr: float, text: str) -> None:
    assert format_lr(lr) == text


@given(st.floats(min_value=1e-30, max_value=1e30))
def test_format_lr_is_read_back_to_three_digits(lr: float) -> None:
    assert float(format_lr(lr)) == pytest.approx(lr, rel=0.005)
    assert len(format_lr(lr)) <= len("1.23e-05")


def test_the_headline_holds_suggestion_range_and_confidence_in_one_line() -> None:
    lines = printed(example_result()).split("\n")
    assert lines[0] == "resnet18 on CIFAR10, SGD, batch 128, cuda"
    assert lines[1] == "Suggested LR: 0.0063   safe range: 0.002 to 0.04   confidence: 87%"
    assert lines[2] == "The loss falls steadily up to 0.0063 and blows up from 0.5."


def test_the_longest_headline_fits_80_columns() -> None:
    lrs = {"constant": 1.234e-5}
    long = example_result(suggested_lr=1.234e-5, suggested_lrs=lrs, safe_range=(1.234e-5, 1.234e-4), confidence=1.0)
    headline = printed(long).split("\n")[1]
    assert headline.endswith("confidence: 100%")


def test_every_candidate_is_listed_and_the_chosen_one_is_marked_in_words() -> None:
    rows = {line.split()[0]: line for line in printed(example_result()).split("\n") if line}
    assert rows["descent_end"].split()[1:3] == ["(chosen)", "0.0063"]
    assert one_line(rows["valley"]) == "valley 0.0034 two thirds down the longest descent"
    assert "knee" not in rows  # it reads nothing here
    assert printed(example_result()).count("(chosen)") == 1


def test_probes_that_decided_stand_in_the_place_of_readings_that_did_not() -> None:
    completed, diverged = StopReason.COMPLETED, StopReason.DIVERGED
    good = Probe(0.01, 4, (2.3, 1.0, 0.5, 0.25), completed, (0, 4), ((2.3, 2.3), (0.5, 0.7)))
    probes = (Probe(0.1, 4, (2.3, 9.0), diverged), good)
    candidates = (Candidate("valley", 0.003, "on the way down"), Candidate("probes", 0.01, "where probes do best"))
    text = printed(replace(example_result(method="probes", candidates=candidates), probes=probes))
    rows = {line.split()[0]: line.split()[1:] for line in text.split("\n") if line}
    assert rows["0.01"] == ["4", "0.25", "0.6"]
    assert rows["0.1"] == ["4", "blew", "up"]
    assert "valley" not in text
    assert "2 short trainings, 6 steps; the LR is where probes do best" in one_line(text)


def test_an_interrupted_run_says_so_before_all_else() -> None:
    cut = replace(example_result(), interrupted=True)
    measured = len(cut.sweep.losses)
    assert printed(cut).split("\n")[1] == f"Interrupted after {measured} updates: what follows is read from those."


def test_the_next_step_names_the_argument_of_a_schedule_that_sets_the_rate_itself() -> None:
    scheduled = replace(example_result(), settings={"train": {"schedule": "onecycle"}})
    assert "Next: train with OneCycleLR(optimizer, max_lr=0.0063, ...)" in printed(scheduled)


def test_the_curve_is_sketched_within_the_width() -> None:
    text = printed(example_result())
    assert "▼ 0.0063" in text
    assert "━ safe range 0.002 to 0.04" in text


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (StopReason.COMPLETED, "to the end of the range"),
        (StopReason.DIVERGED, "stopped because the loss blew up"),
        (StopReason.NON_FINITE, "stopped because the loss was no longer finite"),
        (StopReason.DATA_ENDED, "stopped because the data ran out"),
        (StopReason.INTERRUPTED, "interrupted by the user"),
        (StopReason.FAILED, "cut short because the training code raised"),
    ],
)
def test_the_facts_say_how_the_sweep_ended(stop: StopReason, words: str) -> None:
    text = one_line(printed(example_result(example_sweep(stop_reason=stop))))
    assert f"Sweep: 100 steps, LR 1e-07 to 3.98, {words} Time: 7.2 s" in text


def test_every_stop_reason_has_words() -> None:
    for stop in StopReason:
        printed(example_result(example_sweep(stop_reason=stop)))


def test_the_number_of_sweeps_is_said_where_there_are_several() -> None:
    result = example_result()
    several = replace(result, sweeps=result.sweeps * 3, smoothed=result.smoothed * 3, used=2)
    assert "(sweep 3 of 3)" in one_line(printed(several))
    assert "(sweep" not in printed(result)


def test_a_fault_that_cut_the_run_short_is_named() -> None:
    assert "Error: CUDA out of memory" in printed(replace(example_result(), error="CUDA out of memory"))


def test_what_to_do_next_is_the_config_key() -> None:
    last = printed(example_result()).rstrip("\n").split("\n")[-1]
    assert last == "Next: train with optimizer.lr=0.0063, the lr of torch.optim.SGD"


def test_what_to_do_next_with_an_optimizer_of_the_models_own() -> None:
    text = printed(replace(example_result(), config={"optimizer": None}))
    assert text.endswith("Next: train with lr=0.0063, set in configure_optimizers\n")


def test_what_to_do_next_with_a_curve_from_elsewhere() -> None:
    assert printed(replace(example_result(), config={})).endswith("Next: train with lr=0.0063\n")


@pytest.mark.parametrize("config", [{"optimizer": 3}, {"optimizer": {"lr": 0.1}}])
def test_what_to_do_next_without_a_config(config: dict[str, object]) -> None:
    text = printed(replace(example_result(), config=config))
    assert text.endswith("Next: train with optimizer.lr=0.0063\n")


def test_a_refusal_gives_its_message_and_points_to_it() -> None:
    text = printed(refused_result())
    assert text.split("\n")[1] == "No learning rate suggested (noise)"
    assert REFUSAL_MESSAGE in one_line(text)
    assert text.endswith("Next: change what the message above names, and run again\n")
    assert "Suggested" not in text
    assert "chosen" not in text


def test_files_are_named_in_one_piece_however_long() -> None:
    long = "/results/" + "x" * 100 + "/curve.png"
    assert f"\nWrote: {long}\n" in printed(example_result(), files=(long, "record.json"))
    assert "\nWrote: record.json\n" in printed(example_result(), files=(long, "record.json"))


@pytest.mark.parametrize("width", [120, 80, 40, 20])
@pytest.mark.parametrize("result", [example_result(), refused_result()], ids=["ok", "refused"])
def test_it_keeps_to_the_width_and_cuts_nothing_off(result: Result, width: int) -> None:
    text = printed(result, width)
    assert max(map(len, text.split("\n"))) <= width
    assert "…" not in text
    assert "\x1b" not in text  # no colour in a pipe


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_no_character_is_printed_that_the_encoding_lacks(encoding: str) -> None:
    odd = example_result(title="模型 → loss", candidates=(Candidate("größe", 1e-3, "≤ ∞"),))
    text = printed(odd, 40, ("/tmp/模型.png",), encoding)
    assert ("模型 → loss" in text) == (encoding == "utf-8")
    assert ("⠒" in text) == (encoding == "utf-8")


def test_brackets_are_text_and_not_markup() -> None:
    text = printed(example_result(title="[bold]Net[/] [0, 1]", message="use [red]this[/red]"))
    assert "[bold]Net[/] [0, 1]" in text
    assert "use [red]this[/red]" in text


def test_a_sweep_of_nothing_is_reported() -> None:
    sweep = replace(example_sweep(), lrs=(), losses=(), stop_reason=StopReason.FAILED)
    text = printed(replace(refused_result(sweep=sweep, landmarks=None, candidates=()), timing={}))
    assert "Sweep: 0 steps, cut short because the training code raised" in text
    assert "Time:" not in text


def test_a_single_step_is_singular() -> None:
    sweep = replace(example_sweep(), lrs=(1e-3,), losses=(math.nan,))
    assert "Sweep: 1 step, LR 0.001 to 0.001," in printed(refused_result(sweep=sweep, smooth=None))


def test_what_the_suggestion_is_for_is_said() -> None:
    result = example_result(suggested_lr=2 * END_LR)
    result = replace(result, config={**result.config, "train": {"schedule": "cosine"}})
    assert "Suggested LR: 0.0126 as the peak of cosine (0.0063 if constant)" in printed(result)
    assert "peak" not in printed(example_result())


def test_probes_are_counted() -> None:
    probes = tuple(Probe(lr, 50, (2.0,) * 50, StopReason.COMPLETED) for lr in (1e-3, 1e-2))
    assert "Probes: 2 short trainings, 100 steps" in printed(replace(example_result(), probes=probes))


def test_the_groups_of_an_optimizer_are_told_with_their_rates() -> None:
    groups = (Group("default", 1.0, None), Group("body", 0.1, None), Group("head", None, 0.02))
    line = "LR of each parameter group: default 0.0063, body 0.00063, head 0.02 (not swept)"
    assert line in printed(replace(example_result(), groups=groups))
    assert "group" not in printed(replace(example_result(), groups=groups[:1]))
    assert "group" not in printed(replace(refused_result(), groups=groups))


def test_the_finding_is_broken_between_facts_where_it_is_too_long_for_a_line() -> None:
    found = replace(example_result(suggested_lr=2 * END_LR), config={"train": {"schedule": "cosine"}})
    whole = "Suggested LR: 0.0126 as the peak of cosine (0.0063 if constant)"
    assert f"{whole}   safe range: 0.002 to 0.04   confidence: 87%\n" in printed(found, width=120)
    assert f"{whole}\nsafe range: 0.002 to 0.04\nconfidence: 87%\n" in printed(found, width=80)
