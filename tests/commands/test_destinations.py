"""--report and --log, as users of the commands meet them."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from cli import FIXTURES, Project, refused
from helpers import example_result, refused_result
from torch.distributed.run import parse_args

from lrfind.commands.app import _loaded
from lrfind.records.json_format import to_json

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # of the trackers' own


@pytest.fixture
def events(project: Project) -> str:
    pytest.importorskip("tensorboard.summary.writer.event_file_writer")
    return f"tensorboard:{project.folder / 'runs'}"


def test_a_run_writes_its_page_and_to_each_tracker(project: Project, events: str) -> None:
    page = project.folder / "new" / "train.html"
    outcome = project.run("--report", str(page), "--log", events, "--log", events)
    assert outcome.code == 0
    outcome.says(f"wrote {page}", *(f"logged to {project.folder}/runs/train.lrfind{end}" for end in ("", "-2")))
    found = json.loads(project.record.read_text())["suggested_lr"]
    assert f"{found:.3g}" in page.read_text()
    assert len(list((project.folder / "runs").rglob("events.out.tfevents.*"))) == 2


def test_the_page_of_a_run_that_fails_midway_says_so(project: Project) -> None:
    project.add(
        """
        def failing(model, batch, count=[]):
            count.append(0)
            if len(count) > 40:
                raise RuntimeError("no more <GPU>")
            return ((model(batch[0]) - batch[1]) ** 2).mean()
        """
    )
    project.config.write_text(project.config.read_text() + "step: {_target_: own.failing, _partial_: true}\n")
    page = project.folder / "train.html"
    assert project.run("--report", str(page), "--quiet").code == 1
    assert "no more &lt;GPU&gt;" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--report", "train.pdf"), ("--report: expected a name that ends in .html, got train.pdf",)),
        (("--report", "/proc/none/train.html"), ("cannot write /proc/none", "--report")),
        (("--log", "runs"), ("--log: expected tensorboard:DIR, wandb:PROJECT or mlflow:URI, got 'runs'",)),
        (("--log", "tensorboard:runs"), ("tensorboard cannot be imported", "pip install tensorboard")),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_trained(
    project: Project, arguments: tuple[str, ...], words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", None)
    refused(project, *arguments).says(*words)


def test_a_tracker_that_fails_at_the_end_costs_the_exit_code_but_not_the_record(project: Project, events: str) -> None:
    project.add(
        """
        import shutil
        def break_runs():
            shutil.rmtree(RUNS)
            open(RUNS, "w").close()
        """
    )
    runs = project.folder / "runs"
    text = project.config.read_text().replace("own.data", "own.breaking_data")
    project.add(f"def breaking_data():\n    break_runs()\n    return data()\nRUNS = {str(runs)!r}\n")
    project.config.write_text(text)
    outcome = project.run("--log", events, "--quiet")
    assert outcome.code == 1
    outcome.says("--log: cannot write to TensorBoard")
    assert project.record.exists()


@pytest.mark.parametrize("name", ["run", "check", "explain"])
def test_torchrun_leaves_every_option_to_lrfind_by_one_of_its_names(name: str) -> None:
    def left(option: str) -> bool:
        try:
            arguments = parse_args(["-m", "lrfind", name, "train.yaml", option, "x"]).training_script_args
        except SystemExit:  # taken for an abbreviation of several of its own
            return False
        return bool(arguments == [name, "train.yaml", option, "x"])

    options = [param.opts for param in _loaded(name).params if param.opts[0].startswith("-")]
    assert ["--log", "--log-to"] in options or name != "run"
    assert [names for names in options if not any(map(left, names))] == []


def test_each_of_several_configs_is_logged_and_none_gets_the_page_of_all(project: Project, events: str) -> None:
    second = project.folder / "second.yaml"
    second.write_text(project.config.read_text())
    outcome = project.run(str(second), "--report", "all.html")
    assert outcome.code == 2
    outcome.says("--report: expected one config beside it, got 2")
    assert project.process(str(second), "--log", events, "--quiet").code == 0
    logged = sorted(folder.name for folder in (project.folder / "runs").iterdir())
    assert logged == ["second.lrfind", "train.lrfind"]


def test_a_script_whose_own_trackers_are_off_is_logged_all_the_same(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.chdir(project.folder)
    shutil.copy(FIXTURES / "scripts" / "misfits.py", project.folder)
    options = ("--num-iter", "30", "--plot", "none", "--quiet", "--end-lr", "100")
    outcome = project.main(
        *("run", "misfits.py", *options, "--log", "mlflow:mlruns", "--report", "misfits.html", "--", "plain")
    )
    assert outcome.code == 0, outcome
    client = mlflow.MlflowClient("mlruns")
    (run,) = client.search_runs([client.get_experiment_by_name("lrfind").experiment_id])
    found = json.loads(Path("misfits.lrfind.json").read_text())
    assert run.data.metrics["lrfind/suggested_lr"] == found["suggested_lr"]
    assert "misfits.py" in Path("misfits.html").read_text()


def test_a_recorded_curve_is_reported_and_logged(project: Project, events: str) -> None:
    file, page = project.folder / "old.lrfind.json", project.folder / "old.html"
    file.write_text(to_json(example_result()))
    outcome = project.main("analyze", str(file), "--report", str(page), "--log", events, "--format", "lr")
    assert outcome.code == 0
    outcome.says(f"wrote {page}", "logged to")
    assert "Loss against learning rate" in page.read_text()
    assert {entry.name for entry in project.folder.iterdir()} >= {"old.html", "runs"}
    assert not list(project.folder.glob("old.lrfind.png"))


def test_several_records_make_one_page(project: Project) -> None:
    for name, result in {"sgd": example_result(), "adam": refused_result()}.items():
        (project.folder / f"{name}.lrfind.json").write_text(to_json(result))
    page = project.folder / "runs.html"
    records = [str(project.folder / f"{name}.lrfind.json") for name in ("sgd", "adam")]
    assert project.main("plot", *records, "--out", str(page)).code == 0
    assert "Learning rates of 2 runs" in page.read_text()
