"""Refusals: runs that have no learning rate to find, and whether lrfind says so, with the right reason.

    python -m accuracy.refusals

Each case is a config that goes through `lrfind.pipeline.run` from five seeds, as a user's would.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

from accuracy.finders import SEEDS, versions
from accuracy.markdown import share, table_head, table_row
from accuracy.task import Node
from lrfind.config.schema import Config
from lrfind.errors import LrfindError
from lrfind.pipeline import run
from lrfind.records.types import Refusal

FILE = Path(__file__).parent / "results" / "refusals.json"
Answers = dict[str, dict[str, dict[str, Any]]]
"""By case and seed: the suggestion, the reason without one, the message, and the iterations."""


@dataclass(frozen=True)
class Case:
    """A run without a learning rate to find.

    Attributes:
        title: What is wrong with it.
        reasons: The reasons that are right.
        config: What it has beside, or instead of, the config of a small network on digits.
    """

    title: str
    reasons: tuple[Refusal, ...]
    config: Node


def _optimizer(name: str) -> Node:
    return {"optimizer": {"_target_": f"torch.optim.{name}"}}


def _model(name: str, **more: Any) -> Node:
    return {"model": {"_target_": f"accuracy.hopeless.{name}", **more}}


def _loss(name: str) -> Node:
    return {"loss": {"_target_": f"accuracy.hopeless.{name}", "_partial_": True}}


def _collate(name: str) -> Node:
    return {"data": DATA | {"collate_fn": {"_target_": f"accuracy.hopeless.{name}", "_partial_": True}}}


def _stream(batches: int) -> Node:
    return {"data": {"loader": {"_target_": "accuracy.hopeless.stream", "batches": batches}}}


DATA: Node = {"dataset": {"_target_": "accuracy.data.training_set", "name": "digits"}, "batch_size": 64}
ONE_OUTPUT: Node = {"model": {"_target_": "accuracy.models.mlp", "sizes": [64, 64, 1]}}
USUAL: Node = {
    "device": "cpu",
    "model": {"_target_": "accuracy.models.mlp", "sizes": [64, 64, 10]},
    "data": DATA,
    "loss": {"_target_": "torch.nn.CrossEntropyLoss"},
    **_optimizer("SGD"),
}
"""A config whose learning rate is found."""

STILL = (Refusal.FLAT, Refusal.NOISE)
"""Where batches differ but no learning rate moves the loss, both are true: it is flat, up to the noise."""
NOISE = (Refusal.NOISE,)
BLOWN_UP = (Refusal.DIVERGED_AT_ONCE,)
TOO_LOW = (Refusal.STILL_DESCENDING,)
TOO_FEW = (Refusal.TOO_FEW_POINTS,)

CASES = (
    Case("all ReLU units dead, cross entropy", (Refusal.FLAT,), _model("dead_relu", outputs=10)),
    Case("all ReLU units dead, squared error", STILL, _model("dead_relu", outputs=1) | _loss("squared_error")),
    Case("loss of the batch alone", STILL, _loss("of_the_batch")),
    Case("constant loss, SGD", (Refusal.FLAT,), _loss("constant")),
    Case("constant loss, Adam", (Refusal.FLAT,), _loss("constant") | _optimizer("Adam")),
    Case("loss of noise alone", NOISE, _loss("noise")),
    Case("labels drawn anew for each batch, SGD", NOISE, _collate("with_random_labels")),
    Case("labels drawn anew for each batch, Adam", NOISE, _collate("with_random_labels") | _optimizer("Adam")),
    Case(
        "targets drawn anew for each batch",
        NOISE,
        ONE_OUTPUT | {"loss": {"_target_": "torch.nn.MSELoss"}} | _collate("with_random_targets"),
    ),
    Case("NaN from the start", (Refusal.NON_FINITE_AT_START,), _model("broken")),
    Case("`sweep.start_lr` far too high, SGD", BLOWN_UP, {"sweep": {"start_lr": 1e3, "end_lr": 1e6}}),
    Case(
        "`sweep.start_lr` far too high, Adam",
        BLOWN_UP,
        {"sweep": {"start_lr": 10.0, "end_lr": 1e4}} | _optimizer("Adam"),
    ),
    Case("`sweep.end_lr` below any descent", STILL, {"sweep": {"start_lr": 1e-10, "end_lr": 1e-7}}),
    Case("`sweep.end_lr` a hundredth of the best LR", TOO_LOW, {"sweep": {"end_lr": 0.01}}),
    Case("`sweep.end_lr` a tenth of the best LR", TOO_LOW, {"sweep": {"end_lr": 0.1}}),
    Case("data that end after 8 batches", TOO_FEW, _stream(8)),
    Case("data that end before any descent", TOO_FEW, _stream(40)),
)


def ask(case: Case, seeds: int = SEEDS) -> dict[str, dict[str, Any]]:
    """Return what lrfind answers to a case, by seed; a fault of the config is kept as one."""
    torch.set_num_threads(1)
    answers: dict[str, dict[str, Any]] = {}
    for seed in range(seeds):
        try:
            result = run(Config.model_validate(USUAL | case.config | {"seed": seed}), case.title)
        except LrfindError as error:
            answers[str(seed)] = {"lr": None, "reason": type(error).__name__, "message": str(error), "iterations": 0}
            continue
        found = result.analysis
        answers[str(seed)] = {
            "lr": None if found.suggested_lr is None else float(f"{found.suggested_lr:.4g}"),
            "reason": found.reason and found.reason.value,
            "confidence": found.confidence,
            "message": found.message,
            "iterations": sum(len(part.losses) for parts in (result.sweeps, result.probes) for part in parts),
        }
    return answers


def read() -> Answers:
    """Return the answers that are there."""
    answers: Answers = json.loads(FILE.read_text())["answers"] if FILE.exists() else {}
    return answers


def is_right(case: Case, answer: dict[str, Any]) -> bool:
    """Tell whether a case was refused for one of its reasons."""
    return answer["lr"] is None and answer["reason"] in [reason.value for reason in case.reasons]


def table(answers: Answers) -> list[str]:
    """Return the cases that were asked, how often each was refused, and with which reason."""
    lines = table_head(["case", "refused", "with the right reason", "expected", "answers"])
    for case in CASES:
        found = list(answers.get(case.title, {}).values())
        if found:
            said = sorted({answer["reason"] or f"suggested {answer['lr']:.2g}" for answer in found})
            refused = share(answer["lr"] is None for answer in found)
            right = share(is_right(case, answer) for answer in found)
            expected = ", ".join(reason.value for reason in case.reasons)
            lines.append(table_row([case.title, refused, right, expected, ", ".join(said)]))
    return lines


def main() -> None:
    """Ask for every case, and print the table."""
    with ProcessPoolExecutor(2) as pool:
        found = pool.map(ask, CASES)
        answers = {case.title: next(found) for case in track(CASES, "refusals")}
    made_by = {name: version for name, version in versions().items() if name in ("lrfind", "torch")}
    FILE.write_text(json.dumps({"versions": made_by, "answers": answers}, indent=1) + "\n")
    print("\n".join(table(answers)))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
