"""What the README, the pages and the help tell their readers to type, and a folder in which it can be typed."""

from __future__ import annotations

import csv
import importlib
import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import forked
from cli import FIXTURES, PATIENCE

from lrfind.commands.app import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = {page.name: page.read_text() for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
"""The README and the pages below docs/, by name."""
TEXT = "\n".join(PAGES.values())

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROGRAMS = ("lrfind", "make", "pip", "python", "torchrun")

DIGITS = (ROOT / "configs" / "digits.yaml").read_text() + "budget: 160\n"
"""The shipped config, with half of the usual updates."""

TRAIN = FIXTURES / "scripts" / "train.py"
"""The script of a user's that goes on with the learning rate."""


@dataclass(frozen=True)
class Block:
    """A block of code on a page: its language, and its text."""

    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of all pages in these languages, in reading order."""
    found = (Block(match[1], match[2]) for match in _FENCED.finditer(TEXT))
    return [block for block in found if block.language in languages]


def links(page: str) -> list[str]:
    """Return what a page links to inside the project: pages, files, pictures, sections."""
    targets = re.findall(r"\]\(([^)\s]+)\)", _FENCED.sub("", PAGES[page]))
    return [target for target in dict.fromkeys(targets) if "://" not in target]


def anchors(page: str) -> list[str]:
    """Return the names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", PAGES[page]), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def shell_lines(block: Block) -> list[str]:
    """Return what is typed in a block: its lines, or in a session with its output those behind the prompt."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    bare = (re.sub(r"(^|\s+)#\s.*", "", line) for line in lines)
    return [line for line in bare if line]


def inline_commands() -> list[str]:
    """Return the commands that stand in the text of the pages, those with words to be filled in left out.

    So are those of the users' scripts, which `make bench-scripts` has run.
    """
    text = re.sub(r"<!-- begin: recipes -->.*?<!-- end: recipes -->", "", TEXT, flags=re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", _FENCED.sub("", text))
    commands = [span for span in dict.fromkeys(spans) if span.split()[0] in _PROGRAMS and len(span.split()) > 1]
    return [each for each in commands if not (each.startswith("lrfind ") and (is_template(each) or is_name(each)))]


def named_commands() -> set[str]:
    """Return the subcommands that the pages name."""
    return set(re.findall(r"`lrfind ([a-z]\w*)", TEXT))


def is_template(line: str) -> bool:
    return bool(re.search(r"\b[A-Z]{2,}\b(?!=)|\.\.\.", re.sub(r"\$\w+", "", line)))


def is_name(line: str) -> bool:
    """Return whether a command is but named: `lrfind run`."""
    return bool(re.fullmatch(r"lrfind [a-z]\w*", line))


def subcommands() -> dict[str, str]:
    """Return the help of each subcommand, as its docstring has it."""
    return {name: inspect.getdoc(function) or "" for name, function in functions().items()}


def functions() -> dict[str, Callable[..., None]]:
    """Return the function behind each subcommand."""
    return {name: getattr(importlib.import_module(f"lrfind.commands.{name}"), name) for name in COMMANDS}


def help_examples(text: str) -> list[str]:
    """Return the examples at the end of the help of a command."""
    return re.findall(r"^\s*- `(.+)`$", text, re.MULTILINE)


class Folder:
    """A copy of what a reader of the pages has, and files of theirs that a line names, made as it names them."""

    def __init__(self, place: Path, record: Path | None = None) -> None:
        self.place = place
        self.summary = place / "summary.md"
        place.mkdir()
        for name in ("Makefile", "pyproject.toml", "README.md"):
            shutil.copyfile(ROOT / name, place / name)
        shutil.copytree(
            ROOT / "configs",
            place / "configs",
            ignore=shutil.ignore_patterns("__pycache__"),
            copy_function=shutil.copyfile,
        )
        (place / "configs").chmod(0o755)  # also if the clone cannot be written
        (place / "configs" / "digits.yaml").write_text(DIGITS)
        (place / "digits.py").symlink_to(place / "configs" / "digits.py")  # beside a config in the folder itself
        if record is not None:
            shutil.copy(record, place)

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """Type a line, as in a job on GitHub: with this Python and its commands first, and a file for the summary."""
        self._provide(line)
        # Completion is for the shell that has started the command, which would be the server of the forks.
        faster = () if "completion" in line else (str(forked.folder()),)
        path = os.pathsep.join((*faster, str(Path(sys.executable).parent), os.environ["PATH"]))
        env = {"PATH": path, "PYTHONPATH": str(ROOT), "GITHUB_STEP_SUMMARY": str(self.summary)}
        # A home of its own, for what installs itself there; but matplotlib takes seconds to list the fonts anew.
        home = {
            "HOME": str(self.place),
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        }
        pinned = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb", "LC_ALL": "C.UTF-8", **home}
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", f"{line}\n:"],  # with a line below, bash stays the parent
            cwd=self.place,
            # The make that may run the tests is none of the reader's.
            env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | pinned | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",  # a picture may come out
            timeout=PATIENCE,
        )

    def _provide(self, line: str) -> None:
        if re.match(r"lrfind init\b", line):  # it makes what it names, but for a table
            for name in re.findall(r"--csv (\S+)", line):
                (self.place / name).write_text("city,rooms,price\nRome,3,99.5\nOslo,,80.25\n")
            return
        for module in re.findall(r"lrfind \w+ -m (\w+\.\w+)", line):
            file = self.place / f"{module.replace('.', '/')}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(TRAIN.read_text())
        read = re.sub(r"(>|--out|--write-config)[ =]*\S+", "", line)
        for name in re.findall(r"(?<![\w/.-])[\w-]+(?:\.[\w-]+)+(?![\w/.-])", read):
            file = self.place / name
            content = self._content(name)
            if content is not None and not file.exists():
                file.write_text(content)

    def _content(self, name: str) -> str | None:
        """Return what a file of that name of the reader's holds; None if it is none that has to be there."""
        if name == "train.py":
            return TRAIN.read_text()
        if name.endswith(".yaml"):
            return DIGITS.replace("momentum: 0.9", "lr: 0.1\n  momentum: 0.9")
        if not name.endswith((".json", ".csv")):
            return None
        record = (self.place / "digits.lrfind.json").read_text()
        if name.endswith(".lrfind.json"):
            return record
        sweep = json.loads(record)["sweeps"][0]
        if name.endswith(".json"):
            return json.dumps({"lr": sweep["lrs"], "loss": sweep["losses"]})
        if name in ("loss.csv", "lr.csv"):  # as a page of TensorBoard exports each
            values = sweep["losses" if name == "loss.csv" else "lrs"]
            return "Wall time,Step,Value\n" + "".join(f"0,{step},{value}\n" for step, value in enumerate(values))
        table = io.StringIO()
        csv.writer(table).writerows([("lr", "loss"), *zip(sweep["lrs"], sweep["losses"], strict=True)])
        return table.getvalue()
