"""Records as strangers break them, from those of real runs, and the commands that are given them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fuzz.configs import Case
from fuzz.values import Place, any_value, broken

LENGTH = ("--epochs", "2", "--steps-per-epoch", "30")
COMMANDS: tuple[tuple[tuple[str, ...], frozenset[int], int], ...] = (
    (("analyze", "{record}"), frozenset({0, 2, 3}), 8),
    (("analyze", "{record}", "--json"), frozenset({0, 2, 3}), 8),
    (
        ("analyze", "{record}", "--method", "steepest", "--schedule", "cosine"),
        frozenset({0, 2, 3}),
        4,
    ),
    (("analyze", "{record}", "--updates-per-point", "5", "--json"), frozenset({0, 2, 3}), 2),
    (("analyze", "{record}", "--out", "{out}", "--plot", "none", "--json"), frozenset({0, 2, 3}), 6),
    (("plot", "{record}", "--terminal"), frozenset({0, 2}), 6),
    (("plot", "{record}", "--json", "--out", "{out}/p.svg"), frozenset({0, 2}), 2),
    (("plot", "{record}", "{record}", "--quiet", "--out", "{out}/p.png"), frozenset({0, 2}), 2),
    (("plot", "{record}", "--quiet", "--out", "{out}/p.html"), frozenset({0, 2}), 1),
    (("schedule", "{record}"), frozenset({0, 2, 3}), 4),
    (("schedule", "{record}", "--json", *LENGTH), frozenset({0, 2, 3}), 4),
    (("schedule", "{record}", "--scheduler", "onecycle", *LENGTH), frozenset({0, 2, 3}), 4),
    (("explain", "{record}", "--plot", "none", "--steps", "10", "--quiet"), frozenset({0, 1, 2, 3}), 3),
    (("explain", "{record}", "--plot", "none", "--steps", "10", "--trust-record"), frozenset({0, 1, 2, 3}), 1),
    (("check", "{config}", "--lr", "0.1", "--quiet", "--against", "{record}"), frozenset({0, 2, 3, 4}), 1),
)
"""What a record is given to, the exit codes that are right, and how often."""
RUNS: dict[str, tuple[str, ...]] = {
    "ok": (),
    "schedule": ("train.schedule=onecycle", "train.steps=1000"),
    "refused": ("sweep.end_lr=1e-3",),
    "repeats": ("sweep.repeats=2",),
    "groups": ("optimizer.lr=0.1", "param_groups=[{match: bias, lr: 0.2}, {match: '^1', fixed_lr: 0.1}]"),
}
"""Overrides of the runs whose records are broken."""


def sources(folder: Path, config: Path, main: Callable[[list[str]], int]) -> list[Path]:
    """Make the records that are broken, in real runs of a config, and return them."""
    few = ("sweep.num_iter=40", "sweep.start_lr=1e-4", "--device=cpu", "--plot=none", "--quiet")
    for name, overrides in RUNS.items():
        (folder / name).mkdir()
        main(["run", str(config), *few, f"--out={folder / name}", *overrides])
    record = json.loads((folder / "ok" / f"{config.stem}.lrfind.json").read_text())
    script = {"target": "train.py", "args": ["--lr", "0.1"], "is_module": False, "lr": 0.1, "setting": "SGD(lr"}
    record["script"] = {**script, "file": "train.py", "line": 3, "through": "", "option": "--lr", "scheduler": ""}
    (folder / "script").mkdir()
    (folder / "script" / "train.lrfind.json").write_text(json.dumps(record))
    return sorted(folder.glob("*/*.lrfind.json"))


def record_case(files: Sequence[Path], rng: random.Random) -> tuple[Case, tuple[str, ...]]:
    """Return one of the records, broken once or more often, and the command that is given it."""
    arguments, codes, _ = rng.choices(COMMANDS, [command[2] for command in COMMANDS])[0]
    source = rng.choice(files)
    document = json.loads(source.read_text())
    ways = []
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        way = rng.choice((_tree, _tree, _tree, _curves))
        ways.append(way(document, rng))
    text = _written(document)
    if rng.random() < 0.1:
        text, how = _text(text, rng)
        ways.append(how)
    data = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.02:
        data = rng.choice((data + b"\0", data[:1000] + b"\xff" + data[1000:], text.encode("utf-16", "surrogatepass")))
        ways.append("bytes")
    return Case("; ".join(ways), data, source, codes), arguments


def _written(document: Any) -> str:
    """Return JSON, a whole number of thousands of digits written out, which Python refuses to do in one piece."""
    huge = str(10**4000) + "0" * 500
    return json.dumps(_without_huge(document), ensure_ascii=False).replace('"HUGE"', huge)


def _without_huge(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _without_huge(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_huge(item) for item in value]
    return "HUGE" if isinstance(value, int) and abs(value) > 10**4000 else value


def _tree(document: Any, rng: random.Random) -> str:
    return broken(document, rng, _value)


def _value(rng: random.Random, place: Place) -> Any:
    return any_value(rng)


def _curves(document: Any, rng: random.Random) -> str:
    """Break what is measured: all losses null, none left, one too few, out of order, or of huge size."""
    parts = [document.get(key) for key in ("sweeps", "probes")]
    entries = [entry for part in parts if isinstance(part, list) for entry in part if isinstance(entry, dict)]
    lists = [(entry, name) for entry in entries for name, value in entry.items() if isinstance(value, list) and value]
    if not lists:
        return "no curve"
    way = rng.choice(("null", "empty", "short", "reverse", "huge", "tiny", "same"))
    entry, name = rng.choice(lists)
    for each in [entry] if rng.random() < 0.5 else entries:
        values = each.get(name)
        if isinstance(values, list):
            each[name] = {
                "null": [None] * len(values),
                "empty": [],
                "short": values[:-1],
                "reverse": values[::-1],
                "huge": [1e308] * len(values),
                "tiny": [1e-308] * len(values),
                "same": values[:1] * len(values),
            }[way]
    return f"{way} {name}"


def _text(text: str, rng: random.Random) -> tuple[str, str]:
    """Break the text of a record."""
    way = rng.choice(("cut", "twice", "list", "brace", "levels", "deep", "lr", "other"))
    index = rng.randrange(len(text))
    return {
        "cut": text[:index],
        "twice": f"{text}\n{text}",
        "list": f"[{text}]",
        "brace": text[:index] + rng.choice('{}[],:"\\') + text[index:],
        "levels": "[" * 100_000,
        "deep": f'{text.rstrip("}")}, "deep": {"[" * 490}{"]" * 490}}}',
        "lr": json.dumps({"lr": [1e-3, 1e-2, None], "loss": [1, "x", None]}),
        "other": rng.choice(
            ("", "null", "[]", "{}", "lr,loss\n", "lr,loss\n1,2\n", "NaN", "1e999", '"x"', "[[1,2],[3,4]]")
        ),
    }[way], f"text: {way}"
