"""`lrfind run` as its users drive it: exit code, stdout, stderr and files of good and of bad input."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from cli import CONFIG, OWN_LOADER, Outcome, Project, open_project, strict_json

import lrfind.output.files

LOSS = "loss._target_=own.loss"
MODEL = "model._target_=own.model"
DATASET = "data.dataset._target_=own.dataset"
NOISY = ("data.dataset.noise=3", "data.batch_size=4")
"""Overrides that make the first sweep too noisy to read."""


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]) -> Iterator[Project]:
    with open_project(tmp_path_factory.mktemp("project"), capfd) as opened:
        yield opened


def saved(project: Project) -> dict[str, Any]:
    document: dict[str, Any] = strict_json(project.record.read_text())
    return document


def refused(project: Project, *arguments: str) -> Outcome:
    """Run, and check that it ends as a fault of usage does: exit 2, nothing on stdout, nothing written."""
    outcome = project.run(*arguments)
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    assert not project.out.exists()
    return outcome


# What a good run prints and writes


def test_text_report_suggests_and_names_the_files_it_wrote(project: Project) -> None:
    outcome = project.run("--plot", "png")
    assert outcome.code == 0
    assert "Suggested LR" in outcome.out
    for file in (project.record, project.plot()):
        assert file.stat().st_size > 0
        assert str(file) in outcome.out.replace("\n", "")


def test_json_on_stdout_is_the_record_on_disk(project: Project) -> None:
    outcome = project.run("--json")
    assert outcome.code == 0
    assert outcome.json == saved(project)
    assert outcome.json["status"] == "ok"
    low, high = outcome.json["safe_range"]
    assert low <= outcome.json["suggested_lr"] <= high
    outcome.says(f"wrote {project.record}")


def test_format_lr_prints_the_number_alone(project: Project) -> None:
    outcome = project.run("--format", "lr")
    assert outcome.code == 0
    assert outcome.out == outcome.out.strip() + "\n"
    assert float(outcome.out) == pytest.approx(saved(project)["suggested_lr"], rel=0.01)


def test_format_lr_prints_nothing_without_a_suggestion(project: Project) -> None:
    project.add("def loss(): return on_step(lambda step, value: value * 0 + 1)")
    outcome = project.run(LOSS, "--format", "lr")
    assert (outcome.code, outcome.out) == (3, "")
    outcome.says("no learning rate", "sweep.end_lr")


@pytest.mark.parametrize("form", ["text", "json", "lr"])
def test_quiet_is_silent_on_stderr(project: Project, form: str) -> None:
    outcome = project.run("--quiet", "--format", form, "--plot", "png")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out


@pytest.mark.parametrize(
    ("form", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")], ids=["png", "svg", "pdf"]
)
def test_plot_formats(project: Project, form: str, start: bytes) -> None:
    assert project.run("--plot", form).code == 0
    assert project.plot(form).read_bytes().startswith(start)
    assert len(list(project.out.iterdir())) == 2


def test_plot_none_writes_the_record_alone(project: Project) -> None:
    assert project.run("--plot", "none").code == 0
    assert list(project.out.iterdir()) == [project.record]


def test_same_seed_gives_the_same_document_and_another_seed_another(project: Project) -> None:
    first, second, other = (project.run("--json", "--seed", seed).json for seed in ("1", "1", "2"))
    assert first["sweeps"][0]["losses"] != other["sweeps"][0]["losses"]
    assert first.pop("timing")
    assert second.pop("timing")
    assert first == second


def test_second_run_in_the_same_folder_overwrites_the_first(project: Project) -> None:
    project.run("--seed", "1")
    project.run("--seed", "2")
    assert saved(project)["config"]["seed"] == 2
    assert list(project.out.iterdir()) == [project.record]


def test_config_in_another_folder_finds_its_module_and_writes_here(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = project.folder / "elsewhere"
    here.mkdir()
    monkeypatch.chdir(here)
    assert project.main("run", "../train.yaml").code == 0
    assert [file.name for file in here.iterdir()] == ["train.lrfind.json"]


def test_home_in_output_dir_is_the_home_folder(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("HOME", str(project.folder / "home"))
    assert project.main("run", "train.yaml", "output.dir=~/runs").code == 0
    assert (project.folder / "home" / "runs" / "train.lrfind.json").exists()
    assert not (project.folder / "~").exists()


def test_linear_mode_spaces_the_rates_evenly(project: Project) -> None:
    lrs = project.run("--json", "sweep.mode=linear", "--end-lr", "0.1").json["sweeps"][0]["lrs"]
    assert lrs[1] - lrs[0] == pytest.approx(lrs[-1] - lrs[-2])


def test_long_sweep(project: Project) -> None:
    sweep = project.run("--json", "--num-iter", "2000", "sweep.stop_on_divergence=false").json["sweeps"][0]
    assert sweep["stop_reason"] == "completed"
    assert len(sweep["losses"]) == 2000


def test_workers_load_what_the_main_process_would(project: Project) -> None:
    alone, helped = (
        project.run("--json", "data.dataset.size=512", "data.batch_size=8", f"data.num_workers={workers}").json
        for workers in (0, 2)
    )
    assert alone["sweeps"][0] == helped["sweeps"][0]


@pytest.mark.parametrize("workers", [0, 2])
def test_every_training_of_a_run_starts_with_the_same_batch(project: Project, workers: int) -> None:
    document = project.run("--json", *NOISY, f"data.num_workers={workers}").json
    trainings = [*document["sweeps"], *document["probes"]]
    assert len(trainings) > 2
    assert len({training["losses"][0] for training in trainings}) == 1


def test_noise_is_answered_by_longer_trainings(project: Project) -> None:
    outcome = project.run("--json", *NOISY)
    assert {probe["steps"] for probe in outcome.json["probes"]} >= {50, 100}
    outcome.says("training 100 steps")


def test_without_probes_noise_is_answered_by_a_longer_sweep(project: Project) -> None:
    outcome = project.run("--json", *NOISY, "probes.enabled=false")
    first, second = (len(sweep["lrs"]) for sweep in outcome.json["sweeps"][:2])
    assert first <= 60 < second
    outcome.says("sweeping again with 240 steps")


def test_report_fits_a_narrow_terminal(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = project.run("--quiet").out.splitlines()
    assert len(lines) > 10
    assert [line for line in lines if len(line) > 40 and not line.startswith("Wrote:")] == []
    assert "\x1b" not in "".join(lines)


# The dry run


def test_dry_run_trains_a_step_and_writes_nothing(project: Project) -> None:
    outcome = project.run("--dry-run")
    assert outcome.code == 0
    assert "60 steps" in outcome.out
    assert not list(project.folder.rglob("*.lrfind.*"))


def test_dry_run_in_json(project: Project) -> None:
    document = project.run("--dry-run", "--json").json
    assert document["dry_run"]["num_iter"] == 60
    assert document["config"]["sweep"]["start_lr"] == 1e-5


def test_dry_run_in_lr_format_has_no_number_to_print(project: Project) -> None:
    outcome = project.run("--dry-run", "--format", "lr")
    assert (outcome.code, outcome.out) == (0, "")


def test_dry_run_with_a_nan_loss_does_not_say_that_it_works(project: Project) -> None:
    project.add("def loss(): return on_step(lambda step, value: value * float('nan'))")
    assert "works" not in project.run(LOSS, "--dry-run").out


def test_dry_run_in_json_is_strict_with_a_nan_loss(project: Project) -> None:
    project.add("def loss(): return on_step(lambda step, value: value * float('nan'))")
    assert project.run(LOSS, "--dry-run", "--json").json["dry_run"]["first_loss"] is None


def test_dry_run_fails_where_the_step_fails(project: Project) -> None:
    project.add("def model(): return nn.Linear(5, 1)")
    outcome = project.run(MODEL, "--dry-run")
    assert (outcome.code, outcome.out) == (1, "")
    outcome.says("training step failed", "mat1 and mat2")


def test_dry_run_interrupted(project: Project) -> None:
    project.add("def interrupt(step, value): raise KeyboardInterrupt\ndef loss(): return on_step(interrupt)")
    outcome = project.run(LOSS, "--dry-run")
    assert (outcome.code, outcome.out) == (130, "")
    outcome.says("interrupted")


# Files that are no config


def test_missing_file_names_the_nearest(project: Project) -> None:
    outcome = project.main("run", str(project.folder / "trian.yaml"))
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("trian.yaml: no such file", "did you mean", "train.yaml?")


def test_missing_file_is_not_likened_to_what_shares_its_suffix_alone(project: Project) -> None:
    outcome = project.main("run", str(project.folder / "nopes.yaml"))
    assert outcome.code == 2
    outcome.says("nopes.yaml: no such file")
    assert "did you mean" not in outcome.err


def test_folder_is_no_config(project: Project) -> None:
    outcome = project.main("run", str(project.folder))
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says(str(project.folder), "is a folder", "YAML file")


BAD_FILES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "empty": (b"", ("expected a mapping", "empty")),
    "blank": (b"  \n\n", ("expected a mapping", "empty")),
    "comment alone": (b"# to do\n", ("expected a mapping", "empty")),
    "null": (b"null\n", ("expected a mapping",)),
    "latin-1": (b"model: \xe9\n", ("UTF-8", "position 7")),
    "utf-16": (CONFIG.encode("utf-16"), ("UTF-8",)),
    "syntax": (b"seed: 1\nmodel: {a: 1\nb: 2\n", ("line 3", "not valid YAML")),
    "tab": (b"model:\n\t_target_: own.net\n", ("line 2", "not valid YAML")),
    "list": (b"- a\n- b\n", ("expected a mapping", "got a ")),
    "word": (b"hello\n", ("expected a mapping",)),
    "number": (b"42\n", ("expected a mapping",)),
    "two documents": (f"{CONFIG}---\nseed: 1\n".encode(), ("line 7", "another document")),
    "duplicate key": (f"{CONFIG}seed: 1\nseed: 2\n".encode(), ("line 8", "duplicate key seed")),
    "duplicate nested key": (b"model: {a: 1, a: 2}\n", ("line 1", "duplicate key a")),
    "number as key": (f"{CONFIG}3: x\n".encode(), ("3",)),
    "python object": (b"model: !!python/object/apply:os.mkdir [out]\n", ("line 1", "not valid YAML")),
}


@pytest.mark.parametrize(("content", "words"), BAD_FILES.values(), ids=BAD_FILES)
def test_file_at_fault(
    project: Project, content: bytes, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    project.config.write_bytes(content)
    refused(project).says("train.yaml", *words)


def test_byte_order_mark_is_read_over(project: Project) -> None:
    project.config.write_text(CONFIG, encoding="utf-8-sig")
    assert project.run().code == 0


# Keys and values


def test_all_faults_are_listed_at_once(project: Project) -> None:
    project.config.write_text("seed: -1\ndevice: banana\nmodle: 3\nsweep: {start_lr: 0, end_lr: x, num_iter: 3}\n")
    keys = ("seed", "device", "model", "data", "sweep.start_lr", "sweep.end_lr", "sweep.num_iter", "modle")
    outcome = refused(project)
    outcome.says(*(f"train.yaml: {key}: " for key in keys))
    assert len(outcome.err.splitlines()) == len(keys) + 1  # the last says where the README helps


BAD_OVERRIDES: dict[str, tuple[str, ...]] = {
    "noequals": ("noequals", "key=value"),
    "=5": ("=5", "key=value"),
    "sweep.num_itr=5": ("sweep.num_itr: unknown key", "did you mean num_iter?"),
    "modle.width=5": ("modle: unknown key", "did you mean model?"),
    "sweep.zzz=5": ("sweep.zzz: unknown key", "start_lr", "end_lr"),
    "sweep.start_lr=0": ("sweep.start_lr", "greater than 0", "got 0"),
    "sweep.start_lr=-1": ("sweep.start_lr", "greater than 0", "got -1"),
    "sweep.start_lr=inf": ("sweep.start_lr", "finite", "got"),
    "sweep.end_lr=.inf": ("sweep.end_lr", "finite", "got inf"),
    "sweep.end_lr=nan": ("sweep.end_lr", "finite", "got"),
    "sweep.start_lr=small": ("sweep.start_lr", "expected a valid number", "got 'small'"),
    "sweep.start_lr=": ("sweep.start_lr", "expected a valid number"),
    "sweep.start_lr=true": ("sweep.start_lr", "number", "got true"),
    "sweep.start_lr=20": ("start_lr below end_lr", "start_lr=20", "end_lr=10", "lower sweep.start_lr"),
    "sweep.start_lr=10": ("start_lr below end_lr", "start_lr=10", "end_lr=10"),
    "sweep.num_iter=9": ("sweep.num_iter", "10", "got 9"),
    "sweep.num_iter=-3": ("sweep.num_iter", "10", "got -3"),
    "sweep.num_iter=20.5": ("sweep.num_iter", "integer", "got 20.5"),
    "sweep.num_iter=many": ("sweep.num_iter", "integer", "got 'many'"),
    "sweep.mode=log": ("sweep.mode", "'exponential' or 'linear'", "got 'log'"),
    "data.batch_size=0": ("data.batch_size", "1", "got 0"),
    "data.batch_size=null": ("data", "expected batch_size", "set data.batch_size"),
    "data.dataset=null": ("data", "either dataset or loader", "neither"),
    "data.loader._target_=own.data": ("data", "either dataset or loader", "both"),
    "data.num_workers=-1": ("data.num_workers", "0", "got -1"),
    "seed=-1": ("seed", "0", "got -1"),
    "seed=4294967296": ("seed", "4294967296"),
    "device=gpu": ("device", "auto, cpu, cuda", "got 'gpu'"),
    "output.plot=gif": ("output.plot", "'png', 'svg', 'pdf' or 'none'", "got 'gif'"),
    "analysis.method=best": ("analysis.method", "'steepest'", "got 'best'"),
    "model=3": ("model", "got 3"),
    "model._target_=3": ("model", "_target_", "dotted path"),
    "model={": ("model={", "cannot be applied"),
    "seed=${nope.x}": ("seed", "nope.x"),
    "seed=${seed}": ("seed", "Recursive interpolation"),
    "seed=${seed": ("seed=${seed", "cannot be applied"),
    "seed=???": ("seed", "Missing mandatory value"),
    "model.width=???": ("model.width", "Missing mandatory value"),
    "model.width=${oc.env:LRFIND_NO_SUCH}": ("model.width", "LRFIND_NO_SUCH", "not found"),
    'model=!!python/object/apply:os.mkdir ["out"]': ("cannot be applied", "python/object/apply:os.mkdir"),
}


@pytest.mark.parametrize(("override", "words"), BAD_OVERRIDES.items(), ids=BAD_OVERRIDES)
def test_override_at_fault(
    project: Project, override: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    refused(project, override).says("train.yaml", *words)


@pytest.mark.parametrize(("section", "value"), [("sweep", "null"), ("output", "here"), ("data", "[1]")])
def test_section_that_is_no_mapping_is_said_in_yaml_terms(project: Project, section: str, value: str) -> None:
    outcome = refused(project, f"{section}={value}")
    outcome.says(f"{section}: expected a mapping")
    assert "Config" not in outcome.err.replace(str(project.config), "")


def test_override_fault_names_the_one_at_fault_alone(project: Project) -> None:
    outcome = refused(project, "sweep.num_iter=100", "seed=[1")
    outcome.says("seed=[1")
    assert "num_iter" not in outcome.err


def test_last_override_and_flags_win(project: Project) -> None:
    config = project.run("--json", "seed=1", "seed=2", "sweep.num_iter=30", "--num-iter", "40").json["config"]
    assert (config["seed"], config["sweep"]["num_iter"]) == (2, 40)


BAD_FLAGS: list[tuple[str, str, tuple[str, ...]]] = [
    ("--num-iter", "abc", ("integer", "got 'abc'")),
    ("--num-iter", "9", ("10", "got '9'")),
    ("--num-iter", "20.5", ("integer", "got '20.5'")),
    ("--start-lr", "abc", ("number", "got 'abc'")),
    ("--start-lr", "-1", ("greater than 0", "got '-1'")),
    ("--end-lr", "inf", ("finite", "got 'inf'")),
    ("--end-lr", "nan", ("finite", "got 'nan'")),
    ("--start-lr", "20", ("below end_lr", "start_lr=20", "end_lr=10")),
    ("--seed", "-1", ("0", "got '-1'")),
    ("--seed", "x", ("integer", "got 'x'")),
    ("--device", "banana", ("auto, cpu, cuda", "got 'banana'")),
    ("--plot", "gif", ("'png', 'svg', 'pdf' or 'none'", "got 'gif'")),
    ("--format", "xml", ("'text'", "'json'", "'lr'", "xml")),
]


@pytest.mark.parametrize(("flag", "value", "words"), BAD_FLAGS)
def test_flag_at_fault(project: Project, flag: str, value: str, words: tuple[str, ...]) -> None:
    outcome = refused(project, flag, value)
    Outcome(outcome.code, "", outcome.err.replace("│", "")).says(*words)
    assert flag.lstrip("-").replace("-", "_") in outcome.err.replace("-", "_")


def test_empty_output_folder_is_not_taken_for_the_current_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    outcome = project.main("run", str(project.config), "--out", "", "--plot", "none")
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("--out")


NUMBERS = ("1e-3", '"1e-3"', ".001", "0.001", "'0.1e-2'", "1E-3")


@pytest.mark.parametrize("number", NUMBERS)
def test_number_however_written_is_a_number(project: Project, number: str) -> None:
    config = project.run("--json", f"sweep.start_lr={number}", f"optimizer.weight_decay={number}").json["config"]
    assert config["sweep"]["start_lr"] == 1e-3
    assert config["optimizer"]["weight_decay"] == 1e-3


# Targets


def test_missing_module_of_a_target(project: Project) -> None:
    refused(project, "model._target_=onw.net").says("model._target_", "no module onw", "onw.py beside the config")


BAD_TARGETS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no target": (("model={_target_: ''}",), ("model", "_target_", "dotted path")),
    "misspelt": (("model._target_=own.nett",), ("model._target_", "own has no nett", "did you mean own.net?")),
    "misspelt in torch": (
        ("optimizer._target_=torch.optim.SDG",),
        ("optimizer._target_", "no SDG", "did you mean torch.optim.SGD?"),
    ),
    "module": (("model._target_=own",), ("model._target_", "class or function", "own is a module")),
    "not callable": (("model._target_=own.__name__",), ("model._target_", "class or function", "str")),
    "no path": (("model._target_=a b",), ("model._target_", "dotted path", "'a b'")),
    "wrong argument": (("optimizer.momentun=0.9",), ("optimizer.momentun", "did you mean momentum?")),
    "far argument": (("model.zzz=1",), ("model.zzz", "takes no argument zzz", "width")),
    "missing argument": (("model._target_=torch.nn.Linear", "model.in_features=3"), ("model", "'out_features'")),
    "text for a number": (("optimizer.weight_decay=abc",), ("optimizer.weight_decay", "number", "'abc'")),
    "nested": (("data.dataset.size={_target_: own.nope}",), ("data.dataset.size._target_", "own has no nope")),
    "no optimizer": (  # of a class; a function might return a LightningModule, once anything has imported lightning
        ("optimizer=null", "model={_target_: torch.nn.Linear, in_features: 3, out_features: 1}"),
        ("optimizer: expected a value, got none", "only a LightningModule"),
    ),
    "function as collate_fn": (
        ("data.collate_fn._target_=torch.utils.data.default_collate",),
        ("data.collate_fn", "_partial_: true"),
    ),
    "function as loss": (("loss._target_=torch.nn.functional.mse_loss",), ("loss", "_partial_: true")),
}


@pytest.mark.parametrize(("overrides", "words"), BAD_TARGETS.values(), ids=BAD_TARGETS)
def test_target_at_fault(project: Project, overrides: tuple[str, ...], words: tuple[str, ...]) -> None:
    refused(project, *overrides).says(*words)


def test_targets_at_fault_are_listed_at_once(project: Project) -> None:
    refused(project, "model._target_=own.nett", "optimizer.momentun=1", "loss._target_=own.lss").says(
        "own.net?", "momentum?", "own has no lss"
    )


def test_module_that_raises_at_import_shows_its_traceback_and_the_key(project: Project) -> None:
    (project.folder / "broken.py").write_text("import no_such_library\n")
    outcome = project.run("model._target_=broken.net")
    assert (outcome.code, outcome.out) == (1, "")
    outcome.says("broken.py", "line 1", "import no_such_library", "No module named 'no_such_library'", "model")


@pytest.mark.parametrize("name", ["torch", "lrfind"])
def test_traceback_is_shown_whatever_the_folder_is_called(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / name).mkdir()
    with open_project(tmp_path / name, capfd) as project:
        project.add("def model(): raise RuntimeError('boom')")
        project.run(MODEL).says("own.py", "in model", "RuntimeError: boom")


def test_module_with_a_syntax_error_names_its_line(project: Project) -> None:
    (project.folder / "broken.py").write_text("import os\ndef net(:\n")
    outcome = project.run("model._target_=broken.net")
    assert (outcome.code, outcome.out) == (1, "")
    outcome.says("broken.py", "line 2", "SyntaxError")


def test_function_of_torch_as_loss(project: Project) -> None:
    assert project.run("loss={_target_: torch.nn.functional.mse_loss, _partial_: true}").code == 0


# Models, data and losses that cannot be trained: exit 1, a message, nothing written

UNUSABLE: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "model raises": ("def model(): raise RuntimeError('boom')", MODEL, ("model", "own.py", "RuntimeError: boom")),
    "no module": ("def model(): return 3", MODEL, ("model", "expected a torch.nn.Module", "got int")),
    "no parameters": ("def model(): return nn.ReLU()", MODEL, ("model", "trainable parameter", "got none")),
    "all frozen": ("def model(): return net().requires_grad_(False)", MODEL, ("model", "trainable", "frozen")),
    "input shape": ("def model(): return nn.Linear(5, 1)", MODEL, ("mat1 and mat2", "tensor of shape (64, 3)")),
    "model raises in forward": (
        "class model(nn.Module):\n"
        "    def __init__(self): super().__init__(); self.w = nn.Parameter(torch.ones(1))\n"
        "    def forward(self, x): raise ValueError('no way')",
        MODEL,
        ("own.py", "in forward", "ValueError: no way"),
    ),
    "no optimizer": (
        "def optimizer(parameters, lr): return 3",
        "optimizer._target_=own.optimizer",
        ("optimizer", "expected a torch.optim.Optimizer", "got int"),
    ),
    "empty data set": ("", "data.dataset.size=0", ("data.dataset", "at least one sample", "empty")),
    "no length": (
        "class dataset(Dataset):\n    def __getitem__(self, index): return torch.ones(3), torch.ones(1)",
        DATASET,
        ("data.dataset", "length", "IterableDataset", "data.loader"),
    ),
    "sample raises": (
        "class dataset(Dataset):\n"
        "    def __len__(self): return 64\n"
        "    def __getitem__(self, index): raise OSError('no such image')",
        DATASET,
        ("own.py", "__getitem__", "loading a mini-batch failed", "no such image"),
    ),
    "no loss": ("", "loss=null", ("loss", "got none", "torch.nn.MSELoss")),
    "loss raises": (
        "def refuse(step, value): raise ValueError('no')\ndef loss(): return on_step(refuse)",
        LOSS,
        ("own.py", "in refuse", "training step failed", "ValueError: no"),
    ),
    "loss of the wrong shape": ("def loss(): return nn.MSELoss(reduction='none')", LOSS, ("loss", "scalar", "(64, 1)")),
    "loss is a float": ("def loss(): return on_step(lambda step, v: v.item())", LOSS, ("loss", "scalar", "got float")),
    "loss is integer": ("def loss(): return on_step(lambda step, v: v.long())", LOSS, ("floating-point", "int64")),
    "loss is None": ("def loss(): return on_step(lambda step, v: None)", LOSS, ("loss", "scalar", "NoneType")),
    "loss without a gradient": ("def loss(): return on_step(lambda s, v: v.detach())", LOSS, ("loss", "gradient")),
    "target does not fit the loss": ("", "loss._target_=torch.nn.NLLLoss", ("training step failed", "target")),
    "out of memory": (
        "def refuse(step, value): raise MemoryError\ndef loss(): return on_step(refuse)",
        LOSS,
        ("out of memory", "lower data.batch_size"),
    ),
}


@pytest.mark.parametrize(("code", "override", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_training_that_cannot_start(project: Project, code: str, override: str, words: tuple[str, ...]) -> None:
    project.add(code)
    outcome = project.run(override)
    assert (outcome.code, outcome.out) == (1, "")
    assert not project.record.exists()
    outcome.says(*words)


@pytest.mark.parametrize("code", ["0", "'bye'"])
def test_exit_called_by_the_model_is_a_failure(project: Project, code: str) -> None:
    project.add(f"def model(): sys.exit({code})")
    outcome = project.run(MODEL)
    assert (outcome.code, outcome.out) == (1, "")
    outcome.says("model", "exit")


BAD_BATCHES: dict[str, tuple[str, tuple[str, ...]]] = {
    "no iterable": ("3", ("data.loader", "expected an iterable", "got int")),
    "empty": ("[]", ("data", "at least one mini-batch", "got none")),
    "three parts": ("[(torch.ones(4, 3), torch.ones(4, 1), 1)]", ("(x, y)", "tuple of 3", "(4, 3)", "step")),
    "a tensor": ("[torch.ones(4, 3)]", ("(x, y)", "float32 tensor of shape (4, 3)", "step")),
    "None": ("[None]", ("(x, y)", "NoneType", "step")),
    "no target": (
        "[{'image': torch.ones(4, 3)}]",
        ("target for the loss", "label, labels", "{image: a float32 tensor of shape (4, 3)}", "step"),
    ),
    "mapping that the model does not take": (
        "[{'input': torch.ones(4, 3), 'mask': torch.ones(4), 'label': torch.ones(4, 1)}]",
        ("Linear.forward takes input", "mask: a float32 tensor of shape (4,)", "step"),
    ),
    "batch that the model fails on": (
        "[{'image': torch.ones(4, 5), 'label': torch.ones(4, 1)}]",
        (
            "training step failed",
            "mat1 and mat2",
            "(4, 5)",
            "used as loss(model(image), label); for anything else set step",
        ),
    ),
}


@pytest.mark.parametrize(("batches", "words"), BAD_BATCHES.values(), ids=BAD_BATCHES)
def test_batches_that_cannot_be_trained_on(project: Project, batches: str, words: tuple[str, ...]) -> None:
    project.config.write_text(OWN_LOADER)
    project.add(f"def loader(): return {batches}")
    outcome = project.run()
    assert (outcome.code, outcome.out) == (1, "")
    assert not project.record.exists()
    outcome.says(*words)


@pytest.mark.parametrize("override", ["data.batch_size=8", "data.num_workers=2", "data.shuffle=false"])
def test_settings_that_an_own_loader_ignores_are_faults(project: Project, override: str) -> None:
    project.config.write_text(OWN_LOADER)
    project.add("def loader(): return [data().tensors]")
    refused(project, override).says("data", override.split("=")[0].removeprefix("data."), "loader")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_absent_device(project: Project, device: str) -> None:
    outcome = project.run("--device", device)
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("device", f"expected {device}", "only the CPU", "use auto")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="needs a machine without MPS")
def test_absent_mps(project: Project) -> None:
    outcome = project.run("device=mps")
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("device", "expected mps", "use auto")


# Data of unusual form that works


@pytest.mark.parametrize("size", [1, 5, 64])
def test_data_set_of_one_batch(project: Project, size: int) -> None:
    assert project.run(f"data.dataset.size={size}").code == 0


def test_iterable_data_set(project: Project) -> None:
    project.add("class dataset(IterableDataset):\n    def __iter__(self): return iter(data())")
    outcome = project.run(DATASET, "--json")
    assert outcome.code == 0
    assert outcome.json["stop_reason"] in ("completed", "diverged")
    outcome.says("data ran out; starting over")


def test_mapping_batches_of_a_model_with_its_own_loss(project: Project) -> None:
    project.config.write_text(OWN_LOADER)
    project.add(
        """
        from types import SimpleNamespace
        class model(nn.Module):
            def __init__(self): super().__init__(); self.layer = net()
            def forward(self, image, label):
                return SimpleNamespace(loss=nn.functional.mse_loss(self.layer(image), label))
        def loader(): return [dict(zip(("image", "label"), data().tensors))]
        """
    )
    assert project.run(MODEL, "loss=null").code == 0


def one_shot(project: Project, batches: int, noise: float = 0.0) -> Outcome:
    """Run on a generator, which can be read once."""
    project.config.write_text(OWN_LOADER)
    project.add(
        f"""
        def loader():
            x, y = data(64 * {batches}, {noise}).tensors
            return zip(x.split(64), y.split(64))
        """
    )
    return project.run("--json")


def test_generator_that_is_long_enough(project: Project) -> None:
    assert one_shot(project, 60).code == 0


def test_generator_that_ends_early(project: Project) -> None:
    outcome = one_shot(project, 30)
    assert outcome.code == 3
    assert outcome.json["stop_reason"] == "data_ended"
    assert len(outcome.json["sweeps"][0]["losses"]) == 30


def test_generator_of_too_few_batches(project: Project) -> None:
    outcome = one_shot(project, 5)
    assert outcome.code == 3
    assert outcome.json["reason"] == "too_few_points"


@pytest.mark.parametrize("batches", [60, 90])
def test_generator_that_a_longer_sweep_cannot_read_again(project: Project, batches: int) -> None:
    outcome = one_shot(project, batches, noise=30.0)
    assert outcome.code in (0, 3)
    assert outcome.json["error"] is None
    assert len(outcome.json["sweeps"][0]["losses"]) > 30
    assert "got none" not in outcome.err


# Losses of unusual course


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_loss_not_finite_at_the_start(project: Project, value: str) -> None:
    project.add(f"def loss(): return on_step(lambda step, value: value * float('{value}'))")
    outcome = project.run(LOSS, "--json")
    assert outcome.code == 3
    assert outcome.json["reason"] == "non_finite_at_start"
    assert outcome.json["sweeps"][0]["losses"] == [None]


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_loss_not_finite_in_mid_sweep(project: Project, value: str) -> None:
    project.add(f"def loss(): return on_step(lambda step, value: value * float('{value}') if step == 40 else value)")
    outcome = project.run(LOSS, "--json", "sweep.max_iter=60")
    assert outcome.code in (0, 3)
    assert outcome.json["stop_reason"] == "non_finite"
    assert len(outcome.json["sweeps"][0]["losses"]) == 41
    assert outcome.json["sweeps"][0]["losses"][-1] is None


def test_constant_loss_is_refused(project: Project) -> None:
    project.add("def loss(): return on_step(lambda step, value: value * 0 + 1)")
    outcome = project.run(LOSS)
    assert outcome.code == 3
    assert "No learning rate suggested" in outcome.out
    assert "sweep.end_lr" in outcome.out


def test_negative_losses_give_the_same_rate_as_positive_ones(project: Project) -> None:
    project.add("def loss(): return on_step(lambda step, value: value - 100)")
    assert float(project.run(LOSS, "--format", "lr").out) == pytest.approx(
        float(project.run("--format", "lr").out), rel=0.05
    )


# Runs that are cut short: what was measured is kept

RAISES = """
def act(step, value):
    if step == 40: raise ValueError('no')
    return value
def loss(): return on_step(act)
"""
STOPS = RAISES.replace("ValueError('no')", "KeyboardInterrupt")


def test_code_that_raises_in_mid_sweep_keeps_record_and_plot(project: Project) -> None:
    project.add(RAISES)
    outcome = project.run(LOSS, "--json", "--plot", "png")
    assert outcome.code == 1
    assert outcome.json == saved(project)
    assert outcome.json["stop_reason"] == "failed"
    assert len(outcome.json["sweeps"][0]["losses"]) == 40
    assert "ValueError: no" in outcome.json["error"]
    assert project.plot().exists()
    outcome.says("step 41", "ValueError: no")


def test_code_that_raises_in_mid_sweep_shows_its_traceback(project: Project) -> None:
    project.add(RAISES)
    project.run(LOSS).says("own.py", "in act", "ValueError: no")


def test_every_line_of_a_fault_in_mid_sweep_is_marked(project: Project) -> None:
    project.add(RAISES.replace("'no'", "'first\\nsecond'"))
    project.run(LOSS).says("lrfind: step 41", "lrfind: second")


def test_loader_that_raises_in_mid_sweep_keeps_the_record(project: Project) -> None:
    project.config.write_text(OWN_LOADER)
    project.add(
        """
        def loader():
            yield from [data().tensors] * 40
            raise OSError("disk on fire")
        """
    )
    outcome = project.run("--json")
    assert outcome.code == 1
    assert len(outcome.json["sweeps"][0]["losses"]) == 40
    outcome.says("loading a mini-batch failed", "disk on fire", "own.py")


def test_code_that_raises_in_a_probe_keeps_the_sweep(project: Project) -> None:
    project.add(RAISES.replace("step == 40", "step == 100"))
    outcome = project.run(LOSS, "--json", "probes.steps=120")
    assert outcome.code == 1
    assert outcome.json["sweeps"][0]["stop_reason"] != "failed"
    assert [probe["stop_reason"] for probe in outcome.json["probes"]] == ["failed"]
    outcome.says("own.py")


def test_code_that_raises_in_a_second_sweep_keeps_the_first(project: Project) -> None:
    project.add(RAISES.replace("step == 40", "step == 100"))
    outcome = project.run(LOSS, "--json", *NOISY, "probes.enabled=false")
    assert outcome.code == 1
    first, second = outcome.json["sweeps"]
    assert (first["used"], second["used"]) == (True, False)
    assert second["stop_reason"] == "failed"


@pytest.mark.parametrize("code", ["0", "'bye'"])
def test_exit_called_in_mid_sweep_is_a_failure_that_keeps_the_record(project: Project, code: str) -> None:
    project.add(RAISES.replace("raise ValueError('no')", f"sys.exit({code})"))
    outcome = project.run(LOSS, "--json")
    assert outcome.code == 1
    assert len(saved(project)["sweeps"][0]["losses"]) == 40
    outcome.says("step 41", "exit")


@pytest.mark.parametrize("form", ["json", "lr"])
def test_interrupted_sweep_is_kept_and_said(project: Project, form: str) -> None:
    project.add(STOPS)
    outcome = project.run(LOSS, "--format", form, "--plot", "png")
    assert outcome.code == 130
    assert saved(project)["stop_reason"] == "interrupted"
    assert len(saved(project)["sweeps"][0]["losses"]) == 40
    assert project.plot().exists()
    outcome.says("interrupted")


def test_interrupted_sweep_is_not_told_to_change_the_config(project: Project) -> None:
    project.add(STOPS.replace("step == 40", "step == 20"))
    outcome = project.run(LOSS)
    assert outcome.code == 130
    assert "interrupted" in outcome.out
    assert "Next: change" not in outcome.out


@pytest.mark.parametrize(
    ("code", "override"),
    [
        ("def model(): raise KeyboardInterrupt", MODEL),
        ("def dataset(): raise KeyboardInterrupt", DATASET),
        (STOPS.replace("step == 40", "step == 0"), LOSS),
    ],
    ids=["model", "data", "first step"],
)
def test_interrupted_before_the_first_loss_leaves_the_old_record(project: Project, code: str, override: str) -> None:
    project.run("--format", "lr")
    before = project.record.read_bytes()
    project.add(code)
    outcome = project.run(override)
    assert (outcome.code, outcome.out) == (130, "")
    assert project.record.read_bytes() == before
    outcome.says("interrupted before anything was measured")


# Places that cannot be written to


@pytest.fixture
def marked(project: Project) -> Project:
    """Let the model leave a file when it is built."""
    project.add("from pathlib import Path\ndef model(): Path(__file__).with_name('built').touch(); return net()")
    return project


@pytest.mark.parametrize("arguments", [(), ("--dry-run",)], ids=["run", "dry run"])
@pytest.mark.parametrize("place", ["a file", "below a file", "/proc", "long"])
def test_unwritable_folder_is_found_before_anything_is_built(
    marked: Project, place: str, arguments: tuple[str, ...]
) -> None:
    file = marked.folder / "file"
    file.touch()
    out = {"a file": str(file), "below a file": str(file / "out"), "long": "x" * 300}.get(place, place)
    outcome = marked.main("run", str(marked.config), MODEL, "--out", out, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert not (marked.folder / "built").exists()
    outcome.says(f"cannot write {out}", "--out")


def test_full_disk_after_the_sweep_does_not_lose_the_result(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(lrfind.output.files.os, "fsync", full)
    outcome = project.run("--json")
    assert outcome.code == 1
    assert outcome.json["status"] == "ok"
    assert list(project.out.iterdir()) == []
    outcome.says("No space left on device", str(project.record), "--out")


def test_failed_write_leaves_the_old_record_whole(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.run()
    before = project.record.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(lrfind.output.files.os, "fsync", full)
    assert project.run("--seed", "1").code == 1
    assert project.record.read_bytes() == before
    assert json.loads(before)["config"]["seed"] == 0
