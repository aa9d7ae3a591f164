"""Configs as strangers break them: from those that are shipped, and those that `lrfind init` writes."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fuzz.values import CONTROLS, NUMBERS, Place, any_value, broken

SHIPPED = Path(__file__).parents[2] / "configs"
TEMPLATES = ("mlp", "cnn", "custom", "huggingface", "lightning", "finetune")
NODES = ("model", "data", "loss", "optimizer", "step")
"""Sections whose values go to code of the user's: a fault in them may be that code's, exit code 1."""
TARGETS = (
    *("torch.nn.Linear", "torch.optim.SDG", "torch", "torch.nn", "no.such.module", "a b", ".", "..", "os.getcwd"),
    *("math.pi", "builtins.print", "builtins.exec", "os.system", "builtins.exit", "\0", "x" * 5000, "__main__", "é.x"),
)
SCALARS = (
    *(
        "!!int abc",
        "0x_",
        "0b",
        "!!float x",
        "!!float _",
        "!!bool x",
        "!!timestamp x",
        "!!map x",
        "!!seq x",
        "!!set {x}",
    ),
    *("!!omap [a]", "!!pairs [a]", "!!binary x", "!!null x", "!x y", "!!python/name:os.system", "2001-99-99", "1:99"),
    *("${", "${}", "${a}", "${model}", "${oc.env:NO}", "${oc.decode:x}", "${oc.create:[]}", "\\${a}", "???", "<<", "="),
    *(
        "*x",
        "&x",
        "&x [*x]",
        "{",
        "[",
        "'",
        '"',
        "|",
        ">",
        "%",
        "@",
        "`",
        "? a",
        "- a",
        "{[1]: 2}",
        "{5: 3}",
        "{null: 1}",
    ),
    *(
        '"\\0"',
        '"\\e[31m"',
        '"\\ud800"',
        "9" * 5000,
        "1e999",
        ".inf",
        ".nan",
        "5e-324",
        "[" * 300,
        "{a: " * 60 + "}" * 60,
    ),
)
SETTINGS = (
    *("sweep.num_iter", "sweep.start_lr", "sweep.end_lr", "sweep.warmup_steps", "sweep.max_iter", "sweep.repeats"),
    *("sweep.mode", "train.steps", "train.epochs", "train.accumulate", "train.checkpoint", "train.clip_grad_norm"),
    *("train.freeze", "output.dir", "output.plot"),
)
VALUES = ("-1", "0", "1e8", "1e12", "1e30", "1e-320", "1e200", "~x/y", "x", "[]", "null", "{}")
BOMB = "bomb: [&a0 [x, x], " + ", ".join(f"&a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)) + "]\n"


@dataclass(frozen=True)
class Case:
    """A file that was broken.

    Attributes:
        how: The ways, in order.
        data: Its content.
        source: The file that was broken.
        codes: The exit codes that are right.
    """

    how: str
    data: bytes
    source: Path
    codes: frozenset[int]


def sources(folder: Path, main: Callable[[list[str]], int]) -> list[Path]:
    """Write the configs that are broken, and the modules beside them, and return them."""
    for module in SHIPPED.glob("*.py"):
        shutil.copy(module, folder)
    for config in SHIPPED.glob("*.yaml"):
        text = config.read_text().replace("download: true", "download: false")  # a fuzzer needs no network
        (folder / config.name).write_text(text)
    for template in TEMPLATES:
        main(["init", str(folder / f"of_{template}.yaml"), "--template", template])
    return sorted(folder.glob("*.yaml"))


def config_case(files: Sequence[Path], rng: random.Random) -> Case:
    """Return one of the files, broken once or more often."""
    source = rng.choice(files)
    text, ways = source.read_text(), []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        way = rng.choice((_tree, _tree, _tree, _scalar, _scalar, _line, _character, _append))
        text, how = way(text, rng)
        ways.append(how)
    data = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.03:
        data = rng.choice((text.encode("utf-16", "surrogatepass"), b"\xef\xbb\xbf" + data, data[: len(data) // 2], b""))
        ways.append("bytes")
    return Case("; ".join(ways), data, source, _codes(text if "bytes" not in ways else ""))


def _codes(text: str) -> frozenset[int]:
    """Return the exit codes of a dry run that are right: 2 alone for what is no YAML, or has no such top-level key."""
    try:
        document = yaml.safe_load(text) if text and text.isascii() and "&a0" not in text and len(text) < 2**19 else None
    except (yaml.YAMLError, RecursionError):
        return frozenset({2})
    except Exception:  # PyYAML fails itself at some of them
        return frozenset({0, 1, 2})
    if isinstance(document, dict) and not {"model", "data"} <= {*document}:
        return frozenset({2})
    return frozenset({0, 1, 2})


def _tree(text: str, rng: random.Random) -> tuple[str, str]:
    """Break the tree of values, and write it anew."""
    try:
        tree = yaml.safe_load(text)
        how = broken(tree, rng, _value) if isinstance(tree, dict) else "no tree"
        return yaml.safe_dump(tree, allow_unicode=rng.random() < 0.5, width=10**6), how
    except Exception:  # an earlier way has left no YAML
        return text, "no tree"


def _value(rng: random.Random, place: Place) -> Any:
    """Return a value for a place; an argument of a target gets no number that it could be busy with for hours."""
    if place[-1] == "_target_" and rng.random() < 0.8:
        return rng.choice(TARGETS)
    value = any_value(rng)
    busy = isinstance(value, (int, float)) and not isinstance(value, bool) and 5 < value < 10**31
    return -1 if busy and place[0] in NODES and place[-1] != "num_workers" else value


def _scalar(text: str, rng: random.Random) -> tuple[str, str]:
    """Put a scalar, or its tag, where a value stands."""
    lines = text.splitlines(keepends=True)
    having = [index for index, line in enumerate(lines) if ": " in line and not line.lstrip().startswith("#")]
    if not having:
        return text, "no line"
    index, scalar = rng.choice(having), rng.choice(SCALARS)
    key, _, value = lines[index].partition(": ")
    tag = scalar.split()[0]
    lines[index] = f"{key}: {scalar}\n" if rng.random() < 0.8 else f"{key}: {tag} {value}"
    return "".join(lines), f"{key.strip()}: {scalar}"[:100]


def _line(text: str, rng: random.Random) -> tuple[str, str]:
    """Lose, double, shift or end at a line."""
    lines = text.splitlines(keepends=True) or ["\n"]
    index = rng.randrange(len(lines))
    way = rng.choice(("lose", "double", "shift", "end", "document"))
    changed = {
        "lose": [],
        "double": [lines[index]] * 2,
        "shift": [" " * rng.choice((1, 2, 40)) + lines[index]],
        "end": [lines[index][: len(lines[index]) // 2]],
        "document": [lines[index], "---\n"],
    }[way]
    rest = [] if way == "end" else lines[index + 1 :]
    return "".join([*lines[:index], *changed, *rest]), f"{way} line {index}"


def _character(text: str, rng: random.Random) -> tuple[str, str]:
    index = rng.randrange(len(text) + 1)
    put = rng.choice((*CONTROLS, *"{}[]:,&*!|>'\"%@#-?\t\n", "é", "🙂"))
    return text[:index] + put + text[index + rng.randrange(2) :], f"{put!r} at {index}"


def _append(text: str, rng: random.Random) -> tuple[str, str]:
    section, _, key = rng.choice(SETTINGS).partition(".")
    match, lr = rng.choice((".*", "(", "5", "[]")), rng.choice(("1", "-1", "1e-320"))
    added = rng.choice(
        (
            BOMB,
            BOMB.replace("bomb", "scheduler"),
            f"scheduler: {'[' * 500}\n",
            f"scheduler: '{'x' * 2**20}'\n",
            f"{rng.choice(NUMBERS[:8])}: x\n",
            f"? {{a: b}}\n: {rng.choice(SCALARS)}\n",
            f"{section}: {{{key}: {rng.choice(VALUES)}}}\n",
            f"param_groups: [{{match: {match}, lr: {lr}}}]\n",
        )
    )
    return f"{text.rstrip()}\n{added}", f"append {added}"[:100]
