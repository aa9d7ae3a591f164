"""Reading a recorded sweep again, without training or torch: text -> `Result` -> `Result` with another analysis."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import lrfind
from lrfind.analysis.probe_search import ProbePlan, checked_by_probes
from lrfind.analysis.schedules import MEAN_SHARE, Schedule
from lrfind.analysis.suggest import Method, analyze
from lrfind.errors import RecordError
from lrfind.records.external import Tool, to_sweep
from lrfind.records.json_format import from_json
from lrfind.records.sanity import consistent
from lrfind.records.shape import WAY_OUT
from lrfind.records.types import Analysis, Probe, Result

METHODS: tuple[Method, ...] = ("auto", "steepest", "descent_end", "valley", "minimum")


def read(text: str, source: str, tool: Tool | None = None, *, after_update: bool = False) -> Result:
    """Return what `text` holds: a record of lrfind as it is, or a curve recorded elsewhere, read for the first time.

    Args:
        text: The text of a file.
        source: Its name, which a curve from elsewhere takes as its title.
        tool: As of `lrfind.records.external.to_sweep`, for a curve from elsewhere.
        after_update: As there.

    Raises:
        RecordError: The text holds neither.
    """
    if tool is None and not after_update and _is_record(text):
        try:
            return consistent(from_json(text), source)
        except RecordError as error:
            raise RecordError(str(error) if str(error).startswith(source) else f"{source}: {error}") from error
    sweep = to_sweep(text, source, tool, after_update=after_update)
    analysis = analyze(sweep)
    return Result(
        sweeps=(sweep,),
        smoothed=(analysis.smoothed,),
        used=0,
        analysis=analysis,
        title=source,
        config={"train": {"schedule": "constant"}, "analysis": {"method": "auto"}},
        environment={"lrfind": lrfind.__version__},
        timing={},
    )


def reread(result: Result, method: Method | None = None, schedule: Schedule | None = None) -> Result:
    """Return `result` with its sweeps read again, and its probes where the method is `auto`.

    Without other arguments, what lrfind concluded is concluded again.

    Args:
        result: What was recorded.
        method: How to read; as its config says if None.
        schedule: What the learning rate is for; as its config says if None.

    Raises:
        RecordError: The config of the record names a method or a schedule that lrfind does not know, or the record
            has no learning rate for the schedule.
    """
    method = method or _setting(result.config, "analysis", "method", "auto", METHODS)
    schedule = schedule or _setting(result.config, "train", "schedule", "constant", tuple(MEAN_SHARE))
    analyses = [analyze(sweep, method, schedule) for sweep in result.sweeps]
    analysis = analyses[result.used]
    if method == "auto" and result.repeats:
        analysis = _for_schedule(result.analysis, schedule)
    elif method == "auto":
        analysis = _with_probes(analysis, result, schedule)
    return replace(
        result,
        smoothed=tuple(each.smoothed for each in analyses),
        analysis=analysis,
        config={
            **result.config,
            "train": {**_section(result.config, "train"), "schedule": schedule},
            "analysis": {**_section(result.config, "analysis"), "method": method},
        },
    )


def _for_schedule(analysis: Analysis, schedule: Schedule) -> Analysis:
    """Return what several seeds said together, for another schedule; their probes are not all recorded."""
    if analysis.suggested_lr is None or analysis.safe_range is None:
        return analysis
    if schedule not in analysis.suggested_lrs:
        raise RecordError(f"suggested_lrs of the record: expected a learning rate for {schedule}, got none; {WAY_OUT}")
    lr = analysis.suggested_lrs[schedule]
    low, high = (edge * lr / analysis.suggested_lr for edge in analysis.safe_range)
    return replace(analysis, suggested_lr=lr, safe_range=(low, high))


def _with_probes(analysis: Analysis, result: Result, schedule: Schedule) -> Analysis:
    """Return `analysis` as the recorded probes change it, asked for in the order in which they were made."""
    probing = _section(result.config, "probes")
    if not result.probes or not {"steps", "max_steps", "max_probes"} <= set(probing):
        return analysis
    plan = ProbePlan(
        probing["steps"],
        probing["max_steps"],
        probing["max_probes"],
        bool(result.config.get("refine")),
        float(_section(result.config, "sweep").get("end_lr", result.sweep.lrs[-1])),
        schedule,
        _section(result.config, "train").get("steps"),
    )
    recorded = iter(result.probes)

    def train(lr: float, steps: int) -> Probe | None:
        probe = next(recorded, None)
        return probe if probe and probe.steps == steps and math.isclose(probe.lr, lr, rel_tol=1e-6) else None

    return checked_by_probes(analysis, plan, train)


def _section(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = config.get(name)
    return dict(section) if isinstance(section, Mapping) else {}


def _setting(config: Mapping[str, Any], section: str, key: str, default: Any, known: Sequence[str]) -> Any:
    value = _section(config, section).get(key, default)
    if value not in known:
        raise RecordError(
            f"config.{section}.{key} of the record: expected {', '.join(known)}, got {value!r}; say --{key}"
        )
    return value


def _is_record(text: str) -> bool:
    if not text.lstrip().startswith("{"):
        return False
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and ("sweeps" in document or "schema" in document)
