"""Whether the parts of a record that was read fit together, which those of one edited by hand may not."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from lrfind.errors import RecordError
from lrfind.records.external import LEAST_LR, MOST_LR, check_rising
from lrfind.records.shape import WAY_OUT, short
from lrfind.records.types import Result

Values = Iterator[tuple[str, Any]]
"""Values of a record, each behind its key."""

_NAMES: dict[type, str] = {str: "a text", dict: "an object", bool: "true or false"}


def consistent(result: Result, source: str) -> Result:
    """Return `result`, whose values are now known to be what their types say.

    Args:
        result: From `lrfind.records.json_format.from_json`.
        source: Name of the record for error messages.

    Raises:
        RecordError: A value is not.
    """
    for key, (kind, value) in _typed(result).items():
        if not isinstance(value, kind):
            raise _fault(source, key, _NAMES[kind], value)
    _check_sweeps(result, source)
    for values, fits, expected in (
        (_numbers(result), _is_number, "a number"),
        (_rates(result), _is_lr, "a learning rate above 0"),
        (_counts(result), lambda value: type(value) is int and 0 < value < sys.maxsize, "a whole number above 0"),
        (_seeds(result), lambda value: type(value) is int and value >= 0, "a whole number, 0 or above"),
        (_amounts(result), lambda value: _is_number(value) and value >= 0, "a number, 0 or above"),
        (_shares(result), lambda value: _is_number(value) and 0 <= value <= 1, "0 to 1"),
    ):
        for key, value in values:
            if not fits(value):
                raise _fault(source, key, expected, value)
    if len(result.analysis.safe_range or (0, 0)) != 2:
        raise _fault(source, "safe_range", "two numbers", list(result.analysis.safe_range or ()))
    return result


def _check_sweeps(result: Result, source: str) -> None:
    for sweep, smoothed in zip(result.sweeps, result.smoothed, strict=True):
        check_rising(sweep.lrs, source)
        if not len(sweep.lrs) == len(sweep.losses) == len(smoothed):
            raise RecordError(
                f"{source}: sweeps: expected as many lrs as losses and smoothed, got {len(sweep.lrs)}, "
                f"{len(sweep.losses)} and {len(smoothed)}; {WAY_OUT}"
            )


def _typed(result: Result) -> dict[str, tuple[type, Any]]:
    """Return the values that are printed or looked into, by their key, each with its type."""
    found = result.analysis
    optional = {"source": result.source, "error": result.error, "method": found.method}
    return {
        **{key: (str, value) for key, value in optional.items() if value is not None},
        "interrupted": (bool, result.interrupted),
        "title": (str, result.title),
        "message": (str, found.message),
        "config": (dict, result.config),
        "environment": (dict, result.environment),
        "timing": (dict, result.timing),
        "suggested_lrs": (dict, found.suggested_lrs),
        **{f"candidates.{each.method}.note": (str, each.note) for each in found.candidates},
        **{f"candidates.{index}.method": (str, each.method) for index, each in enumerate(found.candidates)},
        **{f"groups.{index}.name": (str, group.name) for index, group in enumerate(result.groups)},
    }


def _numbers(result: Result) -> Values:
    """Yield what may be any number; a curve need not diverge."""
    landmarks = vars(result.analysis.landmarks) if result.analysis.landmarks else {}
    for key, value in landmarks.items():
        if value is not None or key != "divergence_lr":
            yield f"landmarks.{key}", value


def _rates(result: Result) -> Values:
    """Yield what must be a learning rate."""
    found = result.analysis
    optional = [("suggested_lr", found.suggested_lr)]
    optional += [(f"candidates.{each.method}.lr", each.lr) for each in found.candidates]
    optional += [(f"repeats.{index}.suggested_lr", each.suggested_lr) for index, each in enumerate(result.repeats)]
    yield from ((key, value) for key, value in optional if value is not None)
    yield from ((f"suggested_lrs.{schedule}", lr) for schedule, lr in found.suggested_lrs.items())
    yield from ((f"safe_range.{index}", lr) for index, lr in enumerate(found.safe_range or ()))
    yield from ((key, value) for key, value in _numbers(result) if key.endswith("_lr"))
    yield from ((f"probes.{index}.lr", probe.lr) for index, probe in enumerate(result.probes))
    yield from _settings(result, "sweep", "end_lr")


def _counts(result: Result) -> Values:
    """Yield what must be a whole number above 0."""
    yield from ((f"probes.{index}.steps", probe.steps) for index, probe in enumerate(result.probes))
    yield from _settings(result, "probes", "steps", "max_steps", "max_probes")
    yield from ((key, steps) for key, steps in _settings(result, "train", "steps") if steps is not None)


def _seeds(result: Result) -> Values:
    yield from ((f"sweeps.{index}.seed", sweep.seed) for index, sweep in enumerate(result.sweeps))
    yield from ((f"repeats.{index}.seed", repeat.seed) for index, repeat in enumerate(result.repeats))


def _amounts(result: Result) -> Values:
    """Yield what must be 0 or above."""
    yield from ((f"timing.{key}", value) for key, value in result.timing.items())
    for index, group in enumerate(result.groups):
        for key in ("lr_scale", "fixed_lr"):
            if (value := getattr(group, key)) is not None:
                yield f"groups.{index}.{key}", value


def _shares(result: Result) -> Values:
    """Yield what must be 0 to 1."""
    yield "confidence", result.analysis.confidence
    yield from ((f"repeats.{index}.confidence", repeat.confidence) for index, repeat in enumerate(result.repeats))


def _settings(result: Result, section: str, *keys: str) -> Values:
    """Yield the values of a section of the config that are there."""
    settings = result.config.get(section)
    if isinstance(settings, Mapping):
        yield from ((f"config.{section}.{key}", settings[key]) for key in keys if key in settings)


def _is_lr(value: Any) -> bool:
    return _is_number(value) and LEAST_LR <= value <= MOST_LR


def _is_number(value: Any) -> bool:
    """Tell whether a value is a number that a finite float can be; whole ones of JSON may have any number of digits."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _fault(source: str, key: str, expected: str, got: Any) -> RecordError:
    return RecordError(f"{source}: {key}: expected {expected}, got {short(got)}; {WAY_OUT}")
