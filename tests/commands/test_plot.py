"""`lrfind plot` as its users drive it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli import Outcome, Project, command, shell
from helpers import END_LR, example_result, example_sweep, refused_result

from lrfind.records.json_format import to_json

pytestmark = pytest.mark.slow


@pytest.fixture
def record(project: Project) -> Path:
    path = project.folder / "good.lrfind.json"
    path.write_text(to_json(example_result()))
    return path


@pytest.fixture
def refusal(project: Project) -> Path:
    path = project.folder / "noise.lrfind.json"
    path.write_text(to_json(refused_result()))
    return path


def test_one_record_is_drawn_beside_itself(project: Project, record: Path) -> None:
    outcome = project.main("plot", str(record))
    assert outcome.code == 0
    picture = project.folder / "good.lrfind.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    outcome.says(f"wrote {picture}")
    assert outcome.out.splitlines()[-1].split() == ["good", "0.0063", "constant", "0.002", "to", "0.04", "87%"]


@pytest.mark.parametrize(
    ("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"), ("html", b"<!doctype html>")]
)
@pytest.mark.parametrize("count", [1, 2])
def test_the_suffix_of_out_is_the_format(project: Project, record: Path, suffix: str, start: bytes, count: int) -> None:
    picture = project.folder / f"picture.{suffix}"
    outcome = project.main("plot", *[str(record)] * count, "--out", str(picture), "--quiet")
    assert (outcome.code, outcome.err) == (0, "")
    assert picture.read_bytes().startswith(start)


def test_several_are_compared_in_a_table_and_a_picture(project: Project, record: Path, refusal: Path) -> None:
    outcome = project.main("plot", str(record), str(refusal))
    assert outcome.code == 0
    assert (project.folder / "comparison.lrfind.png").exists()
    rows = [line.split() for line in outcome.out.splitlines()[2:]]
    assert rows == [
        ["good", "0.0063", "constant", "0.002", "to", "0.04", "87%"],
        ["noise", "none", "(noise)", "-", "-", "0%"],
    ]


def test_json_is_the_table(project: Project, record: Path, refusal: Path) -> None:
    rows = json.loads(project.main("plot", str(record), str(refusal), "--json").out)
    assert [row["name"] for row in rows] == ["good", "noise"]
    assert [row["suggested_lr"] for row in rows] == [END_LR, None]
    assert [row["safe_range"] for row in rows] == [[2e-3, 4e-2], None]
    assert [row["confidence"] for row in rows] == [0.87, 0.0]
    assert [row["reason"] for row in rows] == [None, "noise"]


def test_labels_title_theme_and_a_mark_are_the_users(project: Project, record: Path) -> None:
    picture = project.folder / "mine.svg"
    look = ("--title", "Mine", "--theme", "dark", "--mark", "0.1")
    labels = ("--label", "old", "--label", "new")
    outcome = project.main("plot", str(record), str(record), *labels, *look, "--out", str(picture))
    assert outcome.code == 0
    assert [line.split()[0] for line in outcome.out.splitlines()[2:]] == ["old", "new"]
    drawn = picture.read_text()
    assert all(f"<!-- {text} -->" in drawn for text in ("Mine", "old", "new"))
    assert "#181a1d" in drawn
    assert "dashed: your LR 0.1" in drawn


def test_each_record_needs_a_label_of_its_own(project: Project, record: Path) -> None:
    outcome = project.main("plot", str(record), str(record), "--label", "one")
    assert outcome.code == 2
    outcome.says("--label: expected 2 different names, one for each record, got one")


def test_records_of_one_name_are_told_apart_by_their_folder(project: Project, record: Path) -> None:
    for folder in ("a", "b"):
        (project.folder / folder).mkdir()
        (project.folder / folder / "train.lrfind.json").write_text(record.read_text())
    places = [str(project.folder / folder / "train.lrfind.json") for folder in ("a", "b")]
    rows = json.loads(project.main("plot", *places, "--json").out)
    assert [row["name"] for row in rows] == ["a/train", "b/train"]


def test_a_curve_from_elsewhere_is_compared_with_a_record(project: Project, record: Path) -> None:
    sweep = example_sweep()
    history = project.folder / "history.csv"
    history.write_text("lr,loss\n" + "".join(f"{a},{b}\n" for a, b in zip(sweep.lrs, sweep.losses, strict=True)))
    outcome = project.main("plot", str(record), str(history), "--json")
    assert [row["name"] for row in json.loads(outcome.out)] == ["good", "history"]


@pytest.mark.parametrize("count", [1, 2])
def test_terminal_draws_with_characters_and_writes_nothing(project: Project, record: Path, count: int) -> None:
    before = set(project.folder.iterdir())
    outcome = project.main("plot", *[str(record)] * count, "--terminal")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.count("suggested") == count
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert set(project.folder.iterdir()) == before


@pytest.mark.parametrize("count", [1, 2])
def test_a_picture_goes_to_stdout_byte_for_byte_as_to_a_file(record: Path, count: int) -> None:
    names = " ".join([record.name] * count)
    outcome = shell(f'cd {record.parent} && "$@" {names} --out - > pipe.png; "$@" {names} --out file.png -q', "plot")
    assert outcome.err == ""
    written = (record.parent / "pipe.png").read_bytes()
    assert written.startswith(b"\x89PNG")
    assert written == (record.parent / "file.png").read_bytes()


def test_a_picture_in_a_pipe_that_is_closed_is_no_fault(record: Path) -> None:
    outcome = shell('"$@" --out - | true', "plot", str(record))
    assert (outcome.code, outcome.err) == (0, "")


def test_a_picture_is_not_sent_to_a_terminal(record: Path) -> None:
    terminal, end = os.openpty()
    done = subprocess.run(command("plot", str(record), "--out", "-"), stdout=end, stderr=subprocess.PIPE, text=True)
    os.close(end)
    with contextlib.suppress(OSError):  # EIO: nobody else has the terminal open
        assert os.read(terminal, 1) == b""
    os.close(terminal)
    Outcome(done.returncode, "", done.stderr).says("--out -", "got a terminal", "> x.png", "--terminal")
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("R", "--out", "-", "--json"), ("--out -", "--json")),
        (("R", "--out", "-", "--terminal"), ("--out -", "--terminal")),
        (("-", "-"), ("stdin can be read only once",)),
        (("R", "--out", "x.gif"), ("x.gif", "expected a name that ends in .png, .svg, .pdf or .html")),
        (("R", "R", "--out", "x"), ("no suffix",)),
        (("R", "--out", "/nowhere/x.png"), ("cannot write /nowhere/x.png", "--out")),
        (("R", "--json", "--terminal"), ("--json", "--terminal")),
        (("R",) * 13, ("expected at most 12 records, got 13",)),
    ],
)
def test_bad_usage_is_said(
    project: Project, record: Path, arguments: tuple[str, ...], words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    outcome = project.main("plot", *(str(record) if argument == "R" else argument for argument in arguments))
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says(*words)


def test_a_record_is_piped_in(record: Path) -> None:
    outcome = shell(f'cd {record.parent} && cat {record} | "$@"; exit $?', "plot", "-", "--terminal")
    assert (outcome.code, outcome.err) == (0, "")
    assert "stdin" in outcome.out


def test_a_closed_pipe_is_silent(record: Path) -> None:
    assert shell('"$@" --quiet | true', "plot", str(record)).err == ""


@pytest.mark.parametrize("arguments", [("--terminal",), ()])
def test_no_torch_is_loaded(record: Path, arguments: tuple[str, ...]) -> None:
    code = (
        "import sys; from lrfind.commands.app import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'hydra', 'omegaconf', 'matplotlib.pyplot'} & set(sys.modules); "
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)"
    )
    command = [sys.executable, "-c", code, "plot", str(record), "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_has_examples(project: Project) -> None:
    outcome = project.main("plot", "--help")
    assert (outcome.code, outcome.err) == (0, "")
    for words in ("lrfind plot - --terminal", "--out", "RECORD"):
        assert words in outcome.out
