"""What the README, the pages of docs/ and the help tell their readers to type works, as they would type it.

New blocks, commands and examples are collected from the text: each is run, or is excused with a reason.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from cli import process
from documented import (
    PAGES,
    ROOT,
    Folder,
    anchors,
    blocks,
    help_examples,
    inline_commands,
    links,
    named_commands,
    shell_lines,
    subcommands,
)
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

pytestmark = pytest.mark.slow

EXCUSED = {
    r"make ": "installs, or measures for an hour; what it would do is printed instead",
    r"pip install ": "needs an index of packages; packages and extras are looked up instead",
    r"torchrun ": "takes several processes; tests/commands/test_run_parallel.py trains in them",
    r"python -m accuracy\.": "shows what `make bench-accuracy` has measured; the module is looked up instead",
}
"""Commands that are not run as they stand, by how they begin, and why."""

SESSION = [line for block in blocks("console") for line in shell_lines(block)]
PLACES = {
    **{f"pages {number}": shell_lines(block) for number, block in enumerate(blocks("sh", "bash", "shell"))},
    **{f"text {number}": [line] for number, line in enumerate(inline_commands())},
    **{f"{name} --help": help_examples(each) for name, each in subcommands().items()},
}
"""Lines that are typed one after the other in a folder of their own, by where they stand."""
FIRST = {line: place for place, lines in reversed(PLACES.items()) for line in lines if line not in SESSION}
"""Where each line stands first; it is typed there alone."""


def excused(line: str) -> bool:
    return any(re.match(begin, line) for begin in EXCUSED)


TYPED = [line for line in FIRST if not excused(line)]
LISTED = [line for line in FIRST if excused(line)]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Type what the README shows with its output; the record that it leaves is what the rest goes on from."""
    folder = Folder(tmp_path_factory.mktemp("session") / "folder")
    return folder.place / "digits.lrfind.json", {line: folder.run(line) for line in SESSION}


@pytest.fixture(scope="module")
def outcomes(
    session: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict[str, Any]:
    """Type the lines of all places that a test asks for, place beside place."""
    record, _ = session
    wanted = {item.callspec.params.get("typed") for item in request.session.items if hasattr(item, "callspec")}
    folders = tmp_path_factory.mktemp("places")

    def type_there(place: str) -> dict[str, Any]:
        lines = [line for line in PLACES[place] if FIRST.get(line) == place and line in TYPED]
        if not wanted & set(lines):
            return {}
        folder = Folder(folders / re.sub(r"\W+", "-", place), record)
        return {line: folder.run(line) for line in lines}

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {line: ended for there in pool.map(type_there, PLACES) for line, ended in there.items()}


def check(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == 0, f"{ended.args}\n{ended.stdout}\n{ended.stderr}"
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("line", SESSION)
def test_a_session_of_the_readme_can_be_typed(session: tuple[Path, dict[str, Any]], line: str) -> None:
    check(session[1][line])
    assert session[0].exists()


@pytest.mark.parametrize("typed", TYPED)
def test_a_line_of_readme_or_help_can_be_typed(outcomes: dict[str, Any], typed: str) -> None:
    if re.search(r"\bjq\b", typed) and not shutil.which("jq"):
        pytest.skip("needs jq")
    check(outcomes[typed])


@pytest.mark.parametrize("begin", EXCUSED)
def test_every_excuse_is_needed(begin: str) -> None:
    assert any(re.match(begin, line) for line in LISTED)


@pytest.mark.parametrize("line", LISTED)
def test_what_is_not_typed_is_there(tmp_path: Path, line: str) -> None:
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        check(Folder(tmp_path / "folder").run(f"make -n {shlex.join(words[1:])}"))
    elif words[0] == "pip":
        check_packages(words)
    elif words[0] == "torchrun":
        assert (Path(sys.executable).parent / "torchrun").exists()
        assert words[words.index("-m") + 1] == "lrfind"
    else:
        assert (ROOT / "benchmarks" / (words[2].replace(".", "/") + ".py")).exists()


def check_packages(words: Sequence[str]) -> None:
    """Check that what `pip install` is given is lrfind, with extras that it has, or a package that lrfind lists."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    listed = [package for packages in (project["dependencies"], *extras.values()) for package in packages]
    for word in words[2:]:
        name, _, wanted = word.rstrip("]").partition("[")
        assert name in (".", project["name"], *(re.split(r"\W*[<>=~]", package)[0] for package in listed))
        assert set(filter(None, wanted.split(","))) <= set(extras)


def test_every_subcommand_is_in_the_readme_and_no_other_is() -> None:
    assert named_commands() == set(subcommands())


@pytest.mark.parametrize("name", subcommands())
def test_every_help_ends_with_examples_of_its_command(name: str) -> None:
    examples = help_examples(subcommands()[name])
    assert examples
    assert all(f"lrfind {name}" in example for example in examples)


# The pages


def test_the_readme_is_one_page() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 200


def test_the_three_lines_of_the_readme_find_a_learning_rate() -> None:
    lines = PAGES["README.md"].split("```python\n")[1].split("```")[0]
    assert sum(line != "" for line in lines.splitlines()) == 3
    bundled = load_digits()
    images = TensorDataset(torch.tensor(bundled.data, dtype=torch.float32) / 16, torch.tensor(bundled.target))
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    names: dict[str, Any] = {"model": model, "loader": DataLoader(images, 64), "loss_fn": nn.CrossEntropyLoss()}
    names["optimizer"] = torch.optim.SGD(model.parameters(), lr=1e-6)
    exec(lines, names)
    assert names["answer"]
    assert names["optimizer"].param_groups[0]["lr"] == names["answer"].suggested_lr


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"README.md"}))
def test_a_page_begins_with_an_example(page: str) -> None:
    title, _, rest = PAGES[page].partition("\n")
    assert re.fullmatch(r"# \S.+", title)
    before, example, _ = rest.partition("\n```")
    assert example
    assert len(before.split()) <= 60
    assert "\n#" not in before


@pytest.mark.parametrize(("page", "target"), [(page, target) for page in PAGES for target in links(page)])
def test_a_link_leads_to_a_file_and_a_section_that_exist(page: str, target: str) -> None:
    name, _, anchor = target.partition("#")
    folder = ROOT if page == "README.md" else ROOT / "docs"
    assert (folder / name).exists()
    assert not anchor or anchors(Path(name or page).name).count(anchor) == 1


# The recipes for CI


def recipe(key: str) -> Any:
    """Return the YAML block of the README with this key at its top."""
    found = [yaml.safe_load(block.text) for block in blocks("yaml") if re.search(rf"^{key}:", block.text, re.MULTILINE)]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def folder(session: tuple[Path, dict[str, Any]], tmp_path: Path) -> Folder:
    return Folder(tmp_path / "folder", session[0])


def test_the_job_for_github_runs_step_by_step(folder: Folder) -> None:
    (job,) = recipe("jobs")["jobs"].values()
    steps = [step["run"] for step in job["steps"] if "run" in step]
    assert all(re.fullmatch(r"[\w./-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)
    installs = [step for step in steps if step.startswith("pip install ")]  # not run: needs an index of packages
    for step in installs:
        check_packages(shlex.split(step))
    rest = [step for step in steps if step not in installs]
    assert rest
    for step in rest:
        check(folder.run(step))
    assert folder.summary.read_text().startswith("### Learning rate check: passed\n")
    assert re.search(r"```text\n ?loss\b", folder.summary.read_text())  # the curve, whose labels are as wide as numbers
    (kept,) = [step["with"]["path"] for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
    assert sorted(path.suffix for path in (folder.place / kept).iterdir()) == [".html", ".json", ".png"]


def test_the_hook_for_pre_commit_runs(folder: Folder) -> None:
    (repository,) = recipe("repos")["repos"]
    (hook,) = repository["hooks"]
    assert (repository["repo"], hook["language"]) == ("local", "system")
    assert hook["pass_filenames"] is False  # they would be taken for overrides
    assert all(re.search(hook["files"], name) for name in ("configs/digits.yaml", "configs/digits.py"))
    assert not re.search(hook["files"], "README.md")
    (published,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert published["pass_filenames"] is False
    line = f"{published['entry']} configs/digits.yaml --lr 0.1"
    assert sorted(line.split()) == sorted(hook["entry"].split())
    check(folder.run(line))


def test_the_action_for_github_runs_step_by_step(folder: Folder) -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    given = {"training": "configs/digits.yaml", "lr": "0.1", "arguments": "--quiet probes.enabled=false"}
    inputs = {name: given.get(name, declared.get("default")) for name, declared in action["inputs"].items()}
    install, sweep = action["runs"]["steps"]
    assert install["run"] == 'pip install "$GITHUB_ACTION_PATH"'  # not run: needs an index of packages
    env = {
        name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda found: inputs[found[1]], value)
        for name, value in sweep["env"].items()
    }
    assert not any("$" in value for value in env.values())
    exports = [f"export {name}={shlex.quote(value)}\n" for name, value in {**env, "GITHUB_OUTPUT": "outputs"}.items()]
    ended = folder.run("".join([*exports, sweep["run"]]))
    assert ended.returncode in (0, 3), ended.stderr  # without probes there may be no answer
    assert folder.summary.read_text().startswith("### Learning rate check")
    name, _, record = (folder.place / "outputs").read_text().strip().partition("=")
    assert action["outputs"][name]["value"] == f"${{{{ steps.{sweep['id']}.outputs.{name} }}}}"
    assert (folder.place / record).exists()


def test_the_lines_for_a_makefile_gate_a_training(folder: Folder) -> None:
    (rules,) = blocks("make")
    (folder.place / "rules.mk").write_text(rules.text)
    (folder.place / "train.py").write_text("print('trained')\n")
    check(gated := folder.run("make -f rules.mk train"))
    assert gated.stdout.endswith("trained\n")
    (folder.place / "rules.mk").write_text(rules.text.replace("--lr 0.1", "--lr 100"))
    failed = folder.run("make -f rules.mk train")
    assert failed.returncode == 2  # of make, whose command ended with 4
    assert "Error 4" in failed.stderr
    assert "trained" not in failed.stdout


# Completion


def complete(words: str, index: int) -> set[str]:
    env = {"_LRFIND_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(index)}
    outcome = process([], env=env)
    assert (outcome.code, outcome.err) == (0, "")
    return set(outcome.out.split())


def test_the_shell_completes_subcommands_and_options() -> None:
    assert set(subcommands()) <= complete("lrfind ", 1)
    assert complete("lrfind sch", 1) == {"schedule"}
    assert {"--scheduler", "--steps-per-epoch"} <= complete("lrfind schedule --s", 2)


def test_completion_is_installed_for_the_shell_and_works_there(folder: Folder) -> None:
    check(folder.run("lrfind --show-completion > shown.sh && lrfind --install-completion"))
    # What bash does at a TAB.
    asked = "COMP_WORDS=(lrfind sch); COMP_CWORD=1; _lrfind_completion lrfind; echo ${COMPREPLY[@]}"
    for script in ("shown.sh", "~/.bash_completions/lrfind.sh"):
        check(completed := folder.run(f"source {script}; {asked}"))
        assert completed.stdout == "schedule\n"
