"""Results whose pages are tested: one with all that a page can show, and what a hostile user would write."""

from __future__ import annotations

from dataclasses import replace

from helpers import example_result

from lrfind.records.types import Group, Probe, Repeat, Result, StopReason

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7 * 7 }}\u2028"


def rich() -> Result:
    """Return a result with everything that a page can show."""
    probe = Probe(0.01, 2, (2.0, 0.5), StopReason.COMPLETED, (0, 2), ((2.0,), (0.75,)))
    return replace(
        example_result(),
        source="configs/train.yaml",
        probes=(replace(probe, lr=0.1, losses=(2.0, 0.25)), probe),
        groups=(Group("body", 1.0, None), Group("head", 10.0, None)),
        repeats=(Repeat(0, 0.005, 0.8), Repeat(1, None, 0.0)),
        settings={"train": {"schedule": "cosine"}},
    )
