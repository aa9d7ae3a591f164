"""The JSON document of a record, defined once: reading, writing and the JSON Schema use this definition."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from lrfind.errors import Fault, MisfitError, RecordError, short
from lrfind.records.facts import LoopFacts, ScriptFacts
from lrfind.records.types import (
    Candidate,
    Group,
    Landmarks,
    Probe,
    Refusal,
    Repeat,
    Status,
    StopReason,
    Sweep,
)
from lrfind.records.values import Amount, Count, Flag, LearningRate, Loss, Name, Share, Text, not_rising
from lrfind.settings import MOST_STEPS

SCHEMA: Literal[1] = 1
"""Number of the JSON layout; a new layout that old readers would misread gets a higher one."""
AS_WRITTEN = "take the record as `lrfind run` wrote it"


@dataclass(frozen=True)
class SweepEntry(Sweep):
    """A sweep of a record, with its smoothed curve."""

    smoothed: tuple[Loss, ...]
    """Smoothed loss after the update at `lrs[i]`; null if there is none."""
    used: Flag
    """Whether the suggestion comes from this sweep; it does from exactly one."""


class _Section(BaseModel):
    """Settings that later stages compute with; other keys are kept unchecked."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)


class _Sweep(_Section):
    end_lr: LearningRate | None = None


class _Train(_Section):
    steps: Count | None = None


class _Environment(_Section):
    normalized_updates: bool | None = None
    updates_shrink: Amount | None = None
    unseen_steps: Count | None = None


class _Settings(_Section):
    sweep: _Sweep = _Sweep()
    train: _Train = _Train()
    analysis: _Section = _Section()


def _of_this_layout(value: Any) -> Any:
    if value != SCHEMA:
        fix = "read this record with the lrfind version that wrote it"
        raise MisfitError(Fault(expected=str(SCHEMA), got=short(value), fix=fix))
    return value


class Record(BaseModel):
    """What `lrfind run` and `lrfind analyze` write and print with --json. Numbers that are not finite are null."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    schema_: Annotated[Literal[1], BeforeValidator(_of_this_layout)] = Field(alias="schema")
    """Number of this layout; a new layout that old readers would misread gets a higher one."""
    status: Status
    """Whether a learning rate is suggested."""
    reason: Refusal | None
    """Why none is suggested; null when one is."""
    message: Text
    """The finding in a sentence or two, with what to do next."""
    suggested_lr: LearningRate | None
    """The learning rate for the schedule of the training: constant, or the peak."""
    suggested_lrs: dict[str, LearningRate]
    """The learning rate for each schedule; empty without a suggestion."""
    safe_range: tuple[LearningRate, LearningRate] | None
    """[low, high] around the suggestion."""
    confidence: Share
    """0 without a suggestion."""
    method: Text | None
    """The candidate that is suggested."""
    group_lrs: dict[str, Amount] = {}
    """The learning rate of each parameter group at the suggestion, by name."""
    groups: tuple[Group, ...]
    """The parameter groups of the optimizer."""
    candidates: tuple[Candidate, ...]
    """What each method of reading the curve proposes."""
    landmarks: Landmarks | None
    """Features of the smoothed curve; null when there were too few points to find any."""
    stop_reason: StopReason | None = None
    """Why the sweep that was read ended."""
    error: Text | None
    """The error that cut the run short."""
    interrupted: Flag
    """Whether the user stopped the run before its end."""
    sweeps: tuple[SweepEntry, ...]
    """Every sweep, in the order run."""
    probes: tuple[Probe, ...]
    """Short trainings at one learning rate each, in the order run."""
    repeats: tuple[Repeat, ...]
    """What each seed suggested, if more than one was run."""
    spread: Amount | None = None
    """Standard deviation of log10 of the suggestions over the repeats, in decades."""
    title: Text
    """What was swept, in one line."""
    source: Name | None = None
    """The config, or the script and its arguments, as named on the command line; null if there was neither."""
    config: _Settings
    """The resolved config; empty if there was none."""
    settings: _Settings = _Settings()
    """How it was swept, probed and read; empty in records of former versions."""
    script: ScriptFacts | None = None
    """The script that was run; null if none was."""
    loop: LoopFacts | None = None
    """What code that trains in the same way needs to know; null if that is unknown."""
    environment: _Environment
    """Versions, device and seed."""
    timing: dict[str, Amount]
    """Seconds, by stage."""

    @model_validator(mode="after")
    def _sweeps_are_whole(self) -> Record:
        used = [sweep.used for sweep in self.sweeps]
        if used.count(True) != 1:
            raise MisfitError(Fault("sweeps", expected="one that is used", got=short(used)))
        for index, sweep in enumerate(self.sweeps):
            if fault := not_rising(sweep.lrs):
                raise MisfitError(replace(fault, key=f"sweeps.{index}.lrs"))
            if not sweep.lrs and (self.probes or self.suggested_lr):
                raise MisfitError(Fault(f"sweeps.{index}.lrs", expected="learning rates", got="none"))
            if len(sweep.lrs) > MOST_STEPS:
                expected, got = f"at most {MOST_STEPS:,} learning rates", f"{len(sweep.lrs):,}"
                raise MisfitError(Fault(f"sweeps.{index}.lrs", expected=expected, got=got))
            lengths = len(sweep.lrs), len(sweep.losses), len(sweep.smoothed)
            if len(set(lengths)) > 1:
                expected, got = "as many lrs as losses and smoothed", "{}, {} and {}".format(*lengths)
                raise MisfitError(Fault(f"sweeps.{index}", expected=expected, got=got))
        return self

    @model_validator(mode="after")
    def _probes_are_whole(self) -> Record:
        batches = {len(losses) for probe in self.probes for losses in (*probe.held_out, probe.shuffled) if losses}
        if len(batches) > 1:
            expected, got = "as many held-out and shuffled losses each time", " and ".join(map(str, sorted(batches)))
            raise MisfitError(Fault("probes", expected=expected, got=got))
        for index, probe in enumerate(self.probes):
            if len(probe.losses) > probe.steps:
                expected, got = f"at most {probe.steps} losses, one for each step", str(len(probe.losses))
                raise MisfitError(Fault(f"probes.{index}.losses", expected=expected, got=got))
            times = len(probe.held_out_steps)
            if len(probe.held_out) != times or not all(probe.held_out) or (probe.shuffled and not times):
                expected, got = f"losses for each of {times} held_out_steps", f"{len(probe.held_out)} lists"
                raise MisfitError(Fault(f"probes.{index}.held_out", expected=expected, got=got))
        return self


class Failure(BaseModel):
    """What `lrfind run` prints with --json for a config whose run gave no record."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    schema_: Literal[1] = Field(alias="schema")
    """Number of this layout."""
    status: Literal["failed"]
    source: Text
    """The config as named on the command line."""
    exit_code: Literal[1, 2, 130]
    """What a run of this config alone ends with."""
    message: Text
    """What went wrong, and the way out."""


def read_record(document: Any, source: str) -> Record:
    """Return the record in a parsed JSON document.

    Args:
        document: JSON.
        source: Its name, for error messages.

    Raises:
        RecordError: It is no record: a key is missing, or a value is at fault.
    """
    try:
        return Record.model_validate(document)
    except ValidationError as error:
        raise RecordError(_fault(error.errors(include_url=False)[0]), source=source) from error


def _fault(detail: Any) -> Fault:
    """Return an error of pydantic as a fault."""
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, MisfitError):
        fault = cause.fault
    elif detail["type"] == "missing":
        fault = Fault(expected="a value", got="none")
    else:
        kinds = dict.fromkeys(("dict_type", "model_type", "dataclass_type"), "an object") | {"tuple_type": "a list"}
        expected = kinds.get(detail["type"]) or str(detail["msg"]).removeprefix("Input should be ")
        fault = Fault(expected=expected, got=short(detail["input"]))
    return replace(fault, key=fault.key or ".".join(map(str, detail["loc"])), fix=fault.fix or AS_WRITTEN)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of records and failures, as `lrfind/records/record.schema.json` holds it."""
    schema = TypeAdapter(Record | Failure).json_schema(by_alias=True, mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Record of an lrfind run",
        **schema,
    }


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
