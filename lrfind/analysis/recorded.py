"""Reading a recorded sweep again, without training or torch: a content -> `Result` -> another `Result`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import lrfind
from lrfind.analysis.probe_result import Training, analysis_of_probes
from lrfind.analysis.suggest import analyze
from lrfind.errors import CONFIG, PYTHON, ConfigError, Fault, RecordError
from lrfind.records.columns import NONE_CHOSEN, Chosen
from lrfind.records.document import AS_WRITTEN
from lrfind.records.external import Tool, to_sweep
from lrfind.records.json_format import to_result
from lrfind.records.read import Content, is_record
from lrfind.records.types import Analysis, Result
from lrfind.settings import Method, Schedule


def result_of(
    content: Content,
    source: str,
    tool: Tool | None = None,
    *,
    after_update: bool = False,
    updates_per_point: float | None = None,
    chosen: Chosen = NONE_CHOSEN,
    rates: Content = None,
) -> Result:
    """Return what a file holds: a record of lrfind as it is, or a curve of another tool, analyzed for the first time.

    Args:
        content: Parsed JSON, or the text of a table.
        source: Name of the file, which a curve of another tool takes as its title.
        tool: As of `lrfind.records.external.to_sweep`, for a curve of another tool.
        after_update: As there.
        updates_per_point: As there; a record is read again with it.
        chosen: As there.
        rates: As there.

    Raises:
        RecordError: It holds neither.
        ConfigError: `updates_per_point` is below 1 or not finite.
    """
    if updates_per_point is not None and not 1 <= updates_per_point < math.inf:
        fault = Fault("updates_per_point", expected="a finite number of at least 1", got=f"{updates_per_point:g}")
        raise ConfigError(source, [fault])
    if tool is None and not after_update and is_record(content):
        result = to_result(content, source)
        if updates_per_point is None:
            return result
        sweeps = tuple(replace(sweep, updates_per_point=updates_per_point) for sweep in result.sweeps)
        return reanalyze(replace(result, sweeps=sweeps))
    how = {"after_update": after_update, "updates_per_point": updates_per_point, "chosen": chosen, "rates": rates}
    sweep = to_sweep(content, source, tool, **how)
    analysis = analyze(sweep).in_words(CONFIG)
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


def reanalyze(result: Result, method: Method | None = None, schedule: Schedule | None = None) -> Result:
    """Return `result` with its sweeps read again, and its probes where the method is `auto`.

    Without other arguments, lrfind comes to the same answer again.

    Args:
        result: What was recorded.
        method: How to read; as its settings say if None.
        schedule: What the learning rate is for; as its settings say if None.

    Raises:
        RecordError: The settings of the record name a method or a schedule that lrfind does not know, or the record
            has no learning rate for the schedule.
    """
    method = method or _choice(result, "analysis", "method", "auto", get_args(Method))
    schedule = schedule or _choice(result, "train", "schedule", "constant", get_args(Schedule))
    analyses = [analyze(sweep, method, schedule) for sweep in result.sweeps]
    analysis = analyses[result.used]
    if method == "auto" and result.repeats:
        analysis = _for_schedule(result.analysis, schedule)
    elif method == "auto":
        analysis = _with_probes(analysis, result, schedule)
    changed = {"train": {"schedule": schedule}, "analysis": {"method": method}}
    return replace(
        result,
        smoothed=tuple(each.smoothed for each in analyses),
        analysis=analysis.in_words(CONFIG if result.config else PYTHON),
        config=_updated(result.config, changed) if result.config or not result.settings else {},
        settings=_updated(result.settings, changed) if result.settings else {},
    )


def for_length(result: Result, steps: int) -> Result:
    """Return `result`, read again for a training of that many updates."""
    if not result.probes:
        return result  # a curve alone does not tell
    changed = {"train": {"steps": steps}}
    return reanalyze(
        replace(
            result,
            config=_updated(result.config, changed) if result.config or not result.settings else {},
            settings=_updated(result.settings, changed) if result.settings else {},
        )
    )


def _updated(settings: Mapping[str, Any], changed: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return {**settings, **{name: {**_section(settings, name), **values} for name, values in changed.items()}}


def _for_schedule(analysis: Analysis, schedule: Schedule) -> Analysis:
    """Return what several seeds said together, for another schedule; their probes are not all recorded."""
    if analysis.suggested_lr is None or analysis.safe_range is None:
        return analysis
    if schedule not in analysis.suggested_lrs:
        expected = f"a learning rate for {schedule}"
        raise RecordError(Fault("suggested_lrs of the record", expected=expected, got="none", fix=AS_WRITTEN))
    lr = analysis.suggested_lrs[schedule]
    low, high = (edge * lr / analysis.suggested_lr for edge in analysis.safe_range)
    return replace(analysis, suggested_lr=lr, safe_range=(low, high))


def _with_probes(analysis: Analysis, result: Result, schedule: Schedule) -> Analysis:
    """Return `analysis` as the recorded probes change it."""
    settings = settings_of_record(result)
    training = Training(
        schedule=schedule,
        steps=_section(settings, "train").get("steps"),
        normalized=result.environment.get("normalized_updates"),
        highest_lr=float(_section(settings, "sweep").get("end_lr", result.sweep.lrs[-1])),
        shrinks=result.environment.get("updates_shrink") or 0.0,
        unseen_steps=result.environment.get("unseen_steps"),
    )
    return analysis_of_probes(analysis, result.probes, training)


def settings_of_record(result: Result) -> Mapping[str, Any]:
    """Return the settings of a record; records from before they were kept have them in the config alone."""
    return result.settings or result.config


def _section(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    return dict(settings.get(name) or {})


def _choice(result: Result, section: str, key: str, default: Any, known: Sequence[str]) -> Any:
    value = _section(settings_of_record(result), section).get(key, default)
    if value not in known:
        where = "settings" if result.settings else "config"
        name, fix = f"{where}.{section}.{key} of the record", f"pass --{key}"
        raise RecordError(Fault(name, expected=", ".join(known), got=repr(value), fix=fix))
    return value
