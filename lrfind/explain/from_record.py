"""What the probes in a record show, without training: for a record of Python objects, which nothing can build anew."""

from __future__ import annotations

import math
from dataclasses import replace

from lrfind.errors import Fault, RecordError
from lrfind.explain.interpretation import interpret
from lrfind.explain.types import Explanation
from lrfind.records.types import Result


def explain_probes(result: Result, lr: float | None = None, name: str = "") -> Explanation:
    """Return what the longest probes of a record show, beside the one nearest to `lr`.

    Args:
        result: The record.
        lr: A constant learning rate; by default the suggested one.
        name: Of the record, for error messages.

    Raises:
        RecordError: The record holds no two probes of one length, or neither it nor the user names a learning rate.
    """
    wanted = lr if lr is not None else result.analysis.constant_lr
    longest = max((probe.steps for probe in result.probes if probe.losses), default=0)
    probes = [probe for probe in result.probes if probe.losses and probe.steps == longest]
    if wanted is None or len(probes) < 2:
        expected = "a record with a suggestion and probes" if wanted is None else "a record with probes to compare"
        fix = "search with probes, or write a config, which lrfind explain can train from"
        raise RecordError(Fault(expected=expected, got=f"{len(probes)} of one length", fix=fix), source=name)
    nearest = min((probe.lr for probe in probes), key=lambda each: abs(math.log(each / wanted)))
    explained = interpret(result, nearest, [(probe, None) for probe in probes], result.title, given=True)
    role = f"nearest to {wanted:.3g}"
    runs = tuple(replace(run, role=role) if run.lr == nearest else run for run in explained.runs)
    return replace(explained, runs=runs)
