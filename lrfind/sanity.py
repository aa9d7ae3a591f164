"""Whether the parts of a record that was read fit together, which those of one edited by hand may not."""

from __future__ import annotations

import numbers
import sys
from collections.abc import Mapping
from typing import Any

from lrfind.errors import RecordError
from lrfind.history import LEAST_LR, MOST_LR, check_rising
from lrfind.record import Result
from lrfind.shape import WAY_OUT, short

_NAMES: dict[type, str] = {str: "a text", dict: "an object", numbers.Real: "a number"}


def consistent(result: Result, source: str) -> Result:
    """Return `result`, whose values are now known to be what their types say.

    Args:
        result: From `lrfind.document.from_json`.
        source: Name of the record for error messages.

    Raises:
        RecordError: A value is not.
    """
    _check_types(result, source)
    _check_sweeps(result, source)
    for key, values in _rates(result).items():
        if not all(map(_is_lr, values)):
            raise _fault(source, key, "learning rates above 0", values)
    for key, values in _counts(result).items():
        if not all(isinstance(value, int) and 0 < value < sys.maxsize for value in values):
            raise _fault(source, key, "whole numbers above 0", values)
    if not 0 <= result.analysis.confidence <= 1:
        raise _fault(source, "confidence", "0 to 1", result.analysis.confidence)
    if len(result.analysis.safe_range or (0, 0)) != 2:
        raise _fault(source, "safe_range", "two numbers", list(result.analysis.safe_range or ()))
    return result


def _check_types(result: Result, source: str) -> None:
    for key, (kind, value) in _typed(result).items():
        if not (_is_number(value) if kind is numbers.Real else isinstance(value, kind)):
            raise _fault(source, key, _NAMES[kind], value)


def _check_sweeps(result: Result, source: str) -> None:
    for sweep, smoothed in zip(result.sweeps, result.smoothed, strict=True):
        check_rising(sweep.lrs, source)
        if not len(sweep.lrs) == len(sweep.losses) == len(smoothed):
            raise RecordError(
                f"{source}: sweeps: expected as many lrs as losses and smoothed, got {len(sweep.lrs)}, "
                f"{len(sweep.losses)} and {len(smoothed)}; {WAY_OUT}"
            )


def _typed(result: Result) -> dict[str, tuple[type, Any]]:
    """Return the values that are printed, drawn or counted with, by their key, each with its type."""
    found, number = result.analysis, numbers.Real
    values: dict[str, tuple[type, Any]] = {
        "title": (str, result.title),
        "source": (str, result.source or ""),
        "message": (str, found.message),
        "config": (dict, result.config),
        "environment": (dict, result.environment),
        "timing": (dict, result.timing),
        "suggested_lrs": (dict, found.suggested_lrs),
        "confidence": (number, found.confidence),
    }
    landmarks = vars(found.landmarks) if found.landmarks else {}
    values |= {f"landmarks.{key}": (number, value) for key, value in landmarks.items() if value is not None}
    values |= {
        f"timing.{key}": (number, value)
        for key, value in (result.timing if isinstance(result.timing, dict) else {}).items()
    }
    values |= {f"candidates.{each.method}.note": (str, each.note) for each in found.candidates}
    values |= {f"candidates.{index}.method": (str, each.method) for index, each in enumerate(found.candidates)}
    for index, group in enumerate(result.groups):
        scales = (("lr_scale", group.lr_scale), ("fixed_lr", group.fixed_lr))
        values[f"groups.{index}.name"] = (str, group.name)
        values |= {f"groups.{index}.{key}": (number, value) for key, value in scales if value is not None}
    return values


def _rates(result: Result) -> dict[str, list[Any]]:
    """Return the values that must be learning rates, by their key."""
    found = result.analysis
    landmarks = dict(vars(found.landmarks)) if found.landmarks else {}
    optional = {
        "suggested_lr": [found.suggested_lr],
        "candidates": [candidate.lr for candidate in found.candidates],
        "repeats": [repeat.suggested_lr for repeat in result.repeats],
        "landmarks.divergence_lr": [landmarks.pop("divergence_lr", None)],
    }
    return {
        **{key: [value for value in values if value is not None] for key, values in optional.items()},
        "suggested_lrs": list(found.suggested_lrs.values()),
        "safe_range": list(found.safe_range or ()),
        "landmarks": [value for key, value in landmarks.items() if key.endswith("_lr")],
        "probes": [probe.lr for probe in result.probes],
        "config.sweep.end_lr": _settings(result, "sweep", "end_lr"),
    }


def _counts(result: Result) -> dict[str, list[Any]]:
    """Return the values that must be whole numbers above 0, by their key."""
    return {
        "probes.steps": [probe.steps for probe in result.probes],
        "config.probes": _settings(result, "probes", "steps", "max_steps", "max_probes"),
        "config.train.steps": [steps for steps in _settings(result, "train", "steps") if steps is not None],
    }


def _settings(result: Result, section: str, *keys: str) -> list[Any]:
    """Return the values of a section of the config that are there."""
    settings = result.config.get(section)
    return [settings[key] for key in keys if key in settings] if isinstance(settings, Mapping) else []


def _is_lr(value: Any) -> bool:
    return _is_number(value) and LEAST_LR <= value <= MOST_LR


def _is_number(value: Any) -> bool:
    """Tell whether a value is a number that a finite float can be; whole ones of JSON may have any number of digits."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _fault(source: str, key: str, expected: str, got: Any) -> RecordError:
    return RecordError(f"{source}: {key}: expected {expected}, got {short(got)}; {WAY_OUT}")
