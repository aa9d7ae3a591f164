"""Configs, overrides and flags at fault: `lrfind run` ends with exit code 2, a message, and nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli import CONFIG, Outcome, Project, open_project, refused

MODEL = "model._target_=own.model"


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
    "bomb": (
        b"a: &a [x]\n" + b"".join(b"%c: &%c [%s]\n" % (k, k, b"*%c," % (k - 1) * 9) for k in b"bcdefghij"),
        ("f: expected at most 100,000 values",),
    ),
    "int that is none": (f"{CONFIG}seed: !!int abc\n".encode(), ("seed: expected a value that YAML reads as !!int",)),
    "number as key of a node": (
        CONFIG.replace("own.net", "own.net, 5: 1").encode(),
        ("model.5: expected a valid string, got 5",),
    ),
    "number as key of a nested node": (
        CONFIG.replace("own.net", "own.net, width: {_target_: own.net, 5.5: 1}").encode(),
        ("model.width.5.5: own.net takes no argument 5.5",),
    ),
    "megabytes": (CONFIG.encode() + b"#" * 2**20, ("expected a config, got more than 1 MB",)),
    "NUL": (CONFIG.encode() + b"seed: \0\n", ("special characters are not allowed",)),
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
    "sweep.start_lr=0": ("sweep.start_lr", "a finite number above 0", "got 0"),
    "sweep.start_lr=-1": ("sweep.start_lr", "a finite number above 0", "got -1"),
    "sweep.start_lr=inf": ("sweep.start_lr", "finite", "got"),
    "sweep.end_lr=.inf": ("sweep.end_lr", "finite", "got inf"),
    "sweep.end_lr=nan": ("sweep.end_lr", "finite", "got"),
    "sweep.start_lr=small": ("sweep.start_lr", "expected a valid number", "got 'small'"),
    "sweep.start_lr=": ("sweep.start_lr", "expected a valid number"),
    "sweep.start_lr=true": ("sweep.start_lr", "number", "got true"),
    "sweep.start_lr=20": ("a learning rate below the last one, 10", "got 20", "lower sweep.start_lr"),
    "sweep.start_lr=10": ("a learning rate below the last one, 10", "got 10"),
    "sweep.num_iter=9": ("sweep.num_iter", "10", "got 9"),
    "sweep.num_iter=-3": ("sweep.num_iter", "10", "got -3"),
    "sweep.num_iter=20.5": ("sweep.num_iter", "integer", "got 20.5"),
    "sweep.num_iter=1e8": ("sweep.num_iter: expected a whole number of at least 10 and at most 10,000",),
    "sweep.warmup_steps=1e12": ("sweep.warmup_steps", "at most 10,000"),
    "sweep.start_lr=1e-320": ("sweep.start_lr", "from 1e-50 to 1e+50, got 1e-320"),
    "sweep.end_lr=1e200": ("sweep.end_lr", "from 1e-50 to 1e+50, got 1e+200"),
    "optimizer.lr=1e-320": ("optimizer.lr", "from 1e-50 to 1e+50, got 1e-320"),
    f"optimizer.lr={'9' * 4000}": ("optimizer.lr", "from 1e-50 to 1e+50"),
    "data.num_workers=1e12": ("data.num_workers: expected a whole number of at least 0 and at most 512",),
    "train.accumulate=1e30": ("train.accumulate", "at most 1,000,000, got 1e+30"),
    "train.checkpoint=~nouser/a.pt": ("train.checkpoint", "none at", "~nouser/a.pt"),
    "seed=0x_": ("seed: expected a value that YAML reads as !!int, got '0x_'",),
    "seed=\0": ("cannot be applied", "special characters"),
    "device=cuda:99999999999999999999": ("device", "auto, cpu, cuda"),
    "model._partial_=5": ("model._partial_", "expected True or False, got 5"),
    "model._convert_=most": ("model._convert_", "expected none, partial, object or all"),
    "sweep.num_iter=many": ("sweep.num_iter", "integer", "got 'many'"),
    "sweep.mode=log": ("sweep.mode", "'exponential' or 'linear'", "got 'log'"),
    "data.batch_size=0": ("data.batch_size", "1", "got 0"),
    "data.batch_size=null": ("data.batch_size", "expected a number of samples", "got none"),
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
    ("--start-lr", "-1", ("a finite number above 0", "got '-1'")),
    ("--end-lr", "inf", ("finite", "got 'inf'")),
    ("--end-lr", "nan", ("finite", "got 'nan'")),
    ("--start-lr", "20", ("below the last one, 10", "got 20", "lower --start-lr")),
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


@pytest.mark.parametrize("path", ["/dev/zero", "a\0.yaml", f"{'x' * 5000}.yaml"])
def test_a_path_that_is_no_file_is_told_in_a_few_words(project: Project, path: str) -> None:
    outcome = project.main("run", path)
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("lrfind: ")
    assert len(outcome.err) < 20_000
    assert "\0" not in outcome.err


def test_what_acts_on_a_terminal_is_told_as_it_is_written(project: Project) -> None:
    outcome = refused(project, 'model._target_="own.\\e[31m\\e]0;title\\a"')
    outcome.says(r"own.\x1b[31m\x1b]0;title\x07")
    assert outcome.err.replace("\n", "").isprintable()


def test_a_long_value_is_told_without_its_middle(project: Project) -> None:
    project.add("def model(): raise RuntimeError('x' * 10**7 + ' as the end says')")
    outcome = project.run(MODEL)
    assert outcome.code == 1
    outcome.says("(10,000,0", "as the end says")
    assert len(outcome.err) < 20_000


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
    "module": (("model._target_=own",), ("model._target_", "class or function", "got own, which is a module")),
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


@pytest.mark.parametrize("loss", ["torch.nn.functional.mse_loss", "torch.nn.MSELoss"])
def test_a_loss_may_be_the_path_of_a_function_or_a_class(project: Project, loss: str) -> None:
    project.config.write_text(CONFIG.replace("{_target_: torch.nn.MSELoss}", loss))
    assert project.run().code == 0
