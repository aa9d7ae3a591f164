"""Give lrfind broken configs and records, and count what it does not tell as a fault.

    python -m fuzz --configs 5000 --records 5000 --save benchmarks/fuzz.json

Case N of a seed is always the same: `--only configs:N` shows it, and how it ends. What is saved is taken up again.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import platform
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

import lrfind
from fuzz import configs, records
from fuzz.fuzzer import Fuzzer, ended
from fuzz.verdict import Ended, table

MOST_MEMORY = 12 * 2**30
KEPT = 40
"""Problems that are saved in words; all are counted."""
SAVED_EVERY = 50


def fuzzer_in(folder: Path) -> Fuzzer:
    """Return a fuzzer of all configs that are shipped, and of records of real runs."""
    (folder / "records").mkdir()
    made, judged = configs.sources(folder, _run), folder / "digits_mlp.yaml"
    return Fuzzer(folder, made, records.sources(folder / "records", judged, _run), judged)


def _run(arguments: list[str]) -> int:
    done = ended(arguments)
    assert done.code in (0, 3), done
    return done.code or 0


def count(
    part: str, run: Callable[[random.Random], tuple[str, str, Ended]], seed: int, wanted: int, known: dict[str, Any]
) -> Iterator[None]:
    """Run cases up to a number, and yield after each, its outcome added to what is known."""
    codes, kinds = Counter(known.get("exit_codes", {})), Counter(known.get("problems", {}))
    found: list[dict[str, Any]] = known.get("found", [])
    for number in range(known.get("cases", 0), wanted):
        how, problem, done = run(random.Random(f"{seed} {part} {number}"))
        codes[str(done.code)] += 1
        if problem:
            kinds[problem.partition(":")[0]] += 1
            found.append({"case": number, "how": how[:300], "problem": problem})
            print(f"{part}:{number}: {how[:200]}\n  {problem[:1500]}", flush=True)
        known.update(cases=number + 1, exit_codes=dict(sorted(codes.items())), problems=dict(kinds), found=found[:KEPT])
        yield


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--configs", type=int, default=5000, metavar="N")
    parser.add_argument("--records", type=int, default=5000, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path, metavar="FILE")
    parser.add_argument("--only", metavar="configs:N|records:N")
    return parser.parse_args()


def run() -> None:
    """Run what the command line says."""
    wanted = _arguments()
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    save = wanted.save and wanted.save.resolve()
    with tempfile.TemporaryDirectory(prefix="lrfind-fuzz-") as name:
        os.chdir(name)
        fuzzer = fuzzer_in(Path(name))
        if wanted.only:
            part, _, number = wanted.only.partition(":")
            case = {"configs": fuzzer.config, "records": fuzzer.record}[part]
            print(*case(random.Random(f"{wanted.seed} {part} {number}")), sep="\n")
            return
        made_with = {"seed": wanted.seed, "lrfind": lrfind.__version__, "python": platform.python_version()}
        saved: dict[str, Any] = {**made_with, "torch": torch.__version__, "configs": {}, "records": {}}
        if save is not None and save.exists():
            before = json.loads(save.read_text())
            done = (before["configs"].get("cases", 0), before["records"].get("cases", 0))
            if done != (wanted.configs, wanted.records):  # one that is complete is made anew
                saved = before
        began, last = time.monotonic(), 0.0
        for part, case, most in (
            ("configs", fuzzer.config, wanted.configs),
            ("records", fuzzer.record, wanted.records),
        ):
            for _ in count(part, case, wanted.seed, most, saved[part]):
                if save is not None and (saved[part]["cases"] % SAVED_EVERY == 0 or saved[part]["cases"] == most):
                    save.write_text(json.dumps(saved, indent=1) + "\n")
                if time.monotonic() - began > last + 60:
                    last = time.monotonic() - began
                    print(f"{part}: {saved[part]['cases']} in {last:.0f} s", file=sys.stderr, flush=True)
        print(table(saved))


if __name__ == "__main__":
    run()
