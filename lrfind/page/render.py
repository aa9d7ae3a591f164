"""From results to a page: one HTML file that needs nothing else, above all no network."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup
from PIL import Image

import lrfind
from lrfind.errors import visible
from lrfind.output.curve import findings, format_lr, headline, meant_for, schedule_of
from lrfind.output.drawing import drawn
from lrfind.output.files import WAY_OUT, write_atomically
from lrfind.output.look import PLAIN, Look
from lrfind.output.next_step import next_step
from lrfind.output.picture import loading_matplotlib, picture_bytes
from lrfind.page.charts import charts
from lrfind.records.json_format import dumps, to_json
from lrfind.records.types import Result


def save_page(results: Mapping[str, Result], path: Path, look: Look = PLAIN, way_out: str = WAY_OUT) -> None:
    """Write the page of one or more results to `path`; the arguments and errors are those of `write_atomically`."""
    write_atomically(path, page(results, look).encode(), way_out)


def page(results: Mapping[str, Result], look: Look = PLAIN) -> str:
    """Return the page of one or more results, by what each is called.

    All texts are escaped by the template engine, and the policy that the page carries lets no script run but its own.
    """
    script = f"/* {_file('uPlot.LICENSE')} */\n{_file('uPlot.iife.min.js')}{_file('page.js')}"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _TEMPLATES.get_template("page.html").render(
        runs=[_run(name, result, look) for name, result in results.items()],
        title=look.title or _title(results),
        style=Markup(_file("uPlot.min.css") + _file("page.css")),
        script=Markup(script),
        digest=digest,
        version=lrfind.__version__,
    )


def _title(results: Mapping[str, Result]) -> str:
    first, *others = results.values()
    return f"Learning rates of {len(results)} runs" if others else first.title


def _run(name: str, result: Result, look: Look) -> dict[str, Any]:
    """Return what the template shows of a result."""
    record = json.loads(to_json(result))
    return {
        "name": name,
        "record": record,
        "sweep": result.sweep,
        "probes": sorted(result.probes, key=lambda probe: (probe.lr, probe.steps)),
        "headline": headline(result),
        "findings": findings(result),
        "next": next_step(result),
        "schedule": schedule_of(result),
        "meant_for": meant_for(result),
        "by_probes": result.analysis.by_probes,
        "charts": charts(result, look.mark),
        "picture": base64.b64encode(_picture(result, look)).decode(),
        "texts": {title: _as_yaml(record.get(title)) for title in _TEXTS if record.get(title)},
    }


def _picture(result: Result, look: Look) -> bytes:
    """Return what is shown where no script runs, as a PNG of few colours, a third as large as with all."""
    with loading_matplotlib():
        data = picture_bytes(drawn(result, replace(look, theme="light")), "png")
    file = io.BytesIO()
    with Image.open(io.BytesIO(data)) as picture:
        picture.convert("RGB").quantize(_COLOURS).save(file, "png", optimize=True)
    return file.getvalue()


_COLOURS = 64
_TEXTS = ("config", "settings", "script", "environment", "timing")
"""Parts of a record that are shown as YAML."""


def _as_yaml(values: Any) -> str:
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _file(name: str) -> str:
    return (resources.files("lrfind.page") / name).read_text(encoding="utf-8")


def _templates() -> jinja2.Environment:
    loader = jinja2.FunctionLoader(_file)
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,  # Markup is our own
    )
    environment.filters["lr"] = format_lr
    environment.policies["json.dumps_function"] = dumps
    environment.policies["json.dumps_kwargs"] = {"line": True}
    return environment


_TEMPLATES = _templates()
