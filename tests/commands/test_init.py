"""`lrfind init` as its users drive it: every template is written and run, at once and from elsewhere."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from cli import Project, shell

from lrfind.commands.init import NEEDS, TEMPLATES, Template
from lrfind.errors import how_to_install
from lrfind.pipeline import read_config

pytestmark = pytest.mark.slow

SHORTER = {
    "finetune": ("data.batch_size=8", "sweep.num_iter=20", "sweep.start_lr=1e-5", "budget=45"),
    "huggingface": ("data.batch_size=8", "budget=160"),
}
"""What keeps the test short where the template is not."""

WITHOUT_TORCH = """
import sys
from lrfind.commands.app import main
code = main(sys.argv[1:])
heavy = {"torch", "numpy", "hydra", "omegaconf", "matplotlib", "lightning"} & set(sys.modules)
sys.exit(f"{code} {heavy}" if code or heavy else 0)
"""

every_template = pytest.mark.parametrize("template", get_args(Template))


@pytest.fixture
def project(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder that the command is started in."""
    monkeypatch.chdir(project.folder)
    return project


def _no_network(*arguments: Any) -> None:
    raise AssertionError(f"a download was tried: {arguments}")


def test_the_shipped_files_are_those_of_the_templates() -> None:
    names = set(get_args(Template))
    assert {file.stem for file in TEMPLATES.glob("*.yaml")} == names
    assert {file.stem for file in TEMPLATES.glob("*.py")} == {f"{name}_model" for name in names}


@every_template
def test_a_template_runs_as_it_is_written(project: Project, monkeypatch: pytest.MonkeyPatch, template: str) -> None:
    monkeypatch.setattr(socket.socket, "connect", _no_network)
    written = project.main("init", "configs/my-net.yaml", "--template", template)
    assert (written.code, written.out) == (0, "configs/my-net.yaml\nconfigs/my_net_model.py\n")
    written.says(f"wrote the template {template}", "Next: lrfind run configs/my-net.yaml")
    config = project.folder / "configs" / "my-net.yaml"
    assert config.read_text().startswith("# lrfind run configs/my-net.yaml\n#\n")

    elsewhere = project.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    run = project.run("--json", "--device", "cpu", *SHORTER.get(template, ()), config=config)

    assert run.code == 0, run.err
    assert run.json["status"] == "ok"
    assert 1e-5 < run.json["suggested_lr"] < 1
    assert sorted(elsewhere.iterdir()) == []


HOMES = "id;age;city;rooms;price\n" + "".join(
    f"n{i};{i % 60 if i % 7 else 'NA'};{('Rome', 'Oslo', '')[i % 3]};{i % 5};{i % 5 * 20 + (i % 3 == 0) * 10.5}\n"
    for i in range(200)
)
"""A table as people have it: a heading, names, texts, missing values."""


@pytest.mark.parametrize(
    ("target", "said", "sizes", "loss"),
    [
        (["--target", "price"], "200 rows, 5 features; price is a quantity", (5, 1), "MSELoss"),
        ([], "200 rows, 5 features; the last column is a quantity", (5, 1), "MSELoss"),
        (["--target", "city"], "134 rows, 3 features; city is one of 2 classes", (3, 2), "CrossEntropyLoss"),
        (["--target", "rooms"], "200 rows, 5 features; rooms is one of 5 classes", (5, 5), "CrossEntropyLoss"),
    ],
)
def test_a_table_decides_what_the_mlp_is(
    project: Project, target: list[str], said: str, sizes: tuple[int, int], loss: str
) -> None:
    Path("data").mkdir()
    Path("data/homes.csv").write_text(HOMES)
    written = project.main("init", "conf/homes.yaml", "--template", "mlp", "--csv", "data/homes.csv", *target)
    written.says(f"data/homes.csv: {said}")
    config = read_config(Path("conf/homes.yaml"))
    layers = config.model["_args_"]
    assert (layers[0]["in_features"], layers[-1]["out_features"]) == sizes
    assert config.loss == {"_target_": f"torch.nn.{loss}"}
    assert config.data.dataset is not None
    assert config.data.dataset["file"] == "conf/../data/homes.csv"
    sys.modules.pop("homes_model")
    trial = project.main("run", "conf/homes.yaml", "--dry-run")
    assert trial.code == 0, trial.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--template", "mlp", "--csv", "homes.csv", "--target", "prize"],
            "no column 'prize' in homes.csv, but id, age",
        ),
        (["--template", "mlp", "--csv", "none.csv"], "No such file"),
        (["--template", "mlp", "--csv", "ragged.csv"], "ragged.csv: row 2 has 1 cells, the first one 2"),
        (["--csv", "homes.csv"], "--csv: expected --template mlp"),
        (["--template", "mlp", "--target", "price"], "--target: expected --csv FILE beside it"),
    ],
)
def test_a_table_that_cannot_be_taken(project: Project, arguments: list[str], words: str) -> None:
    Path("homes.csv").write_text(HOMES)
    Path("ragged.csv").write_text("a,b\n1\n")
    outcome = project.main("init", "homes.yaml", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says(words)
    assert not Path("homes.yaml").exists()


def commented_keys(text: str) -> list[int]:
    """Return the lines that hold a commented key, below the comment that opens the file."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if not line.startswith("#"))
    return [index for index in range(start, len(lines)) if re.match(r" *# \w+:( |$)", lines[index])]


def taken_in(text: str, index: int) -> str:
    """Return a config with the commented key of a line taken in, in place of the key of that name beside it."""
    lines = text.splitlines()
    indent, key = re.match(r"( *)# (\w+):", lines[index]).groups()  # type: ignore[union-attr]
    deep = [len(line) - len(line.lstrip()) for line in lines]
    first = next((at + 1 for at in range(index, -1, -1) if deep[at] < len(indent)), 0)
    last = next((at for at in range(index, len(lines)) if deep[at] < len(indent)), len(lines))
    kept, dropping, taking = [], False, False
    for at, line in enumerate(lines):
        taking = at == index or (taking and line.startswith(f"{indent}#   "))
        if taking:
            line = line.replace("# ", "", 1)
        elif first <= at < last:
            dropping = line.startswith(f"{indent}{key}:") or (dropping and deep[at] > len(indent))
        else:
            dropping = False
        kept += [] if dropping and not taking else [line]
    return "\n".join(kept)


@every_template
def test_every_commented_key_can_be_taken_in(project: Project, template: str) -> None:
    project.main("init", "own.yaml", "--template", template)
    Path("weights.pt").touch()  # the checkpoint that a comment names
    text = Path("own.yaml").read_text()
    shipped = read_config(Path("own.yaml"))
    assert len(commented_keys(text)) > 3
    for index in commented_keys(text):
        Path("own.yaml").write_text(taken_in(text, index))
        assert read_config(Path("own.yaml")) != shipped, text.splitlines()[index]


def test_the_readme_way_from_nothing_to_a_suggestion(tmp_path: Path) -> None:
    outcome = shell(f'cd {tmp_path}; "$@" init && "$@" run lrfind.yaml --format lr; exit $?', forks=True)
    assert outcome.code == 0, outcome.err
    config, module, lr = outcome.out.split()
    assert (config, module) == ("lrfind.yaml", "lrfind_model.py")
    assert 0.02 < float(lr) < 0.6


def test_two_templates_share_a_folder_and_link_to_their_own_module(project: Project) -> None:
    assert project.main("init", "a.yaml").code == 0
    assert project.main("init", "b.yml", "--template", "mlp").code == 0
    assert "_target_: a_model.CNN" in Path("a.yaml").read_text()
    assert "_target_: b_model.table" in Path("b.yml").read_text()
    assert Path("b_model.py").read_text() == (TEMPLATES / "mlp_model.py").read_text()


def test_the_table_of_a_user_is_read(project: Project) -> None:
    project.main("init", "own.yaml", "--template", "mlp")
    rows = [f"{a},{b},7,{int(a > b)}" for a in range(12) for b in range(12)]
    Path("own.csv").write_text("\n".join(rows))
    outcome = project.run(
        *("data.dataset.file=own.csv", "model._args_.0.in_features=3", "model._args_.4.out_features=2", "--json"),
        config=Path("own.yaml"),
    )
    assert (outcome.code, outcome.json["status"]) == (0, "ok")


def test_nothing_is_replaced_unless_it_is_asked_for(project: Project) -> None:
    Path("own_model.py").write_text("mine")
    Path("own.yaml").symlink_to("nowhere.yaml")
    refused = project.main("init", "own.yaml")
    assert (refused.code, refused.out) == (2, "")
    refused.says("own.yaml: exists already", "own_model.py: exists already", "name another FILE", "--force")
    assert Path("own_model.py").read_text() == "mine"
    assert not Path("nowhere.yaml").exists()

    Path("own.yaml").unlink()
    one = project.main("init", "own.yaml")
    assert (one.code, "own_model.py: exists" in one.err, Path("own.yaml").exists()) == (2, True, False)

    forced = project.main("init", "own.yaml", "--force")
    assert (forced.code, forced.out) == (0, "own.yaml\nown_model.py\n")
    assert Path("own_model.py").read_text() == (TEMPLATES / "cnn_model.py").read_text()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out", ("expected a file, got a folder", "out/lrfind.yaml")),
        ("own", ("expected a name that ends in .yaml", "name it own.yaml")),
        ("own.json", ("expected a name that ends in .yaml", "name it own.yaml")),
        ("a\nb.yaml", ("expected a name that can be printed",)),
        ("own.py/deep/a.yaml", ("cannot write own.py/deep", "FILE in another folder")),
        ("/proc/a.yaml", ("cannot write /proc", "FILE in another folder")),
        (f"{'a' * 250}.yaml", ("cannot write", "FILE in another folder")),
    ],
)
def test_a_place_that_cannot_be_written_is_said(project: Project, name: str, words: tuple[str, ...]) -> None:
    project.out.mkdir()
    before = sorted(project.folder.rglob("*"))
    outcome = project.main("init", name)
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says(*words)
    assert sorted(project.folder.rglob("*")) == before


def test_a_folder_in_the_place_of_the_module_is_said_even_with_force(project: Project) -> None:
    Path("own_model.py").mkdir()
    outcome = project.main("init", "own.yaml", "--force")
    assert (outcome.code, Path("own.yaml").exists()) == (2, False)
    outcome.says("own_model.py: is a folder")


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("torch.yaml", "torch_model"),
        ("my net.v2.yaml", "my_net_v2_model"),
        ("1st.yaml", "_1st_model"),
        ("größe.yaml", "gr__e_model"),
    ],
)
def test_the_module_has_a_name_that_can_be_imported(project: Project, name: str, module: str) -> None:
    outcome = project.main("init", name)
    assert (outcome.code, outcome.out) == (0, f"{name}\n{module}.py\n")
    assert read_config(Path(name)).model["_target_"] == f"{module}.CNN"


def test_a_name_with_a_space_is_quoted_in_commands(project: Project) -> None:
    project.main("init", "my net.yaml").says("Next: lrfind run 'my net.yaml'")
    assert Path("my net.yaml").read_text().startswith("# lrfind run 'my net.yaml'\n")


def test_an_unknown_template_is_told_the_known_ones(project: Project) -> None:
    outcome = project.main("init", "--template", "rnn")
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("rnn", *(f"'{template}'" for template in get_args(Template)))


@pytest.mark.parametrize("template", NEEDS)
def test_a_package_that_is_missing_is_named(project: Project, monkeypatch: pytest.MonkeyPatch, template: str) -> None:
    package = NEEDS[template]
    for module in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    written = project.main("init", "own.yaml", "--template", template)
    assert written.code == 0
    written.says(f"{package} is not installed; first: {how_to_install(package)}")
    run = project.run(config=Path("own.yaml"))
    assert run.code in (1, 2)
    run.says(how_to_install(package))


def test_no_package_is_asked_for_that_is_there(project: Project) -> None:
    assert "not installed" not in project.main("init", "own.yaml", "--template", "lightning").err


def test_a_closed_pipe_is_silent(tmp_path: Path) -> None:
    outcome = shell(f'cd {tmp_path}; "$@" init | true')
    assert outcome.code == 0
    assert outcome.err.splitlines()[-1] == "Next: lrfind run lrfind.yaml"


def test_no_torch_is_loaded(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "init", "--template", "lightning"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "lrfind.yaml\nlrfind_model.py\n")


def test_help_names_every_template(project: Project) -> None:
    outcome = project.main("init", "--help")
    assert (outcome.code, outcome.err) == (0, "")
    for words in (*(f"{template}: " for template in get_args(Template)), "--force", "lrfind init configs/reviews.yaml"):
        assert words in outcome.out
