"""What a notebook shows of a result: the finding, the picture and the facts, in one piece of HTML without scripts."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape

from lrfind.output.curve import format_lr, headline
from lrfind.output.plot import plot_bytes
from lrfind.records.types import Result


def html(result: Result) -> str:
    """Return `result` as HTML, its picture within it; it takes no colour of its own, so that dark pages are fine."""
    picture = base64.b64encode(plot_bytes(result, "png")).decode()
    return (
        f"<div><p><b>{escape(headline(result))}</b><br>{escape(result.analysis.message)}</p>"
        f'<img alt="Loss against learning rate" style="width:100%;max-width:800px;height:auto" '
        f'src="data:image/png;base64,{picture}">'
        f"<p><small>{'<br>'.join(map(escape, _facts(result)))}</small></p></div>"
    )


def _facts(result: Result) -> Iterator[str]:
    yield result.title
    if len(result.group_lrs) > 1:
        lrs = (f"{name} {format_lr(lr)}" for name, lr in result.group_lrs.items())
        yield f"LR of each parameter group: {', '.join(lrs)}"
    probes = f", {len(result.probes)} short trainings" if result.probes else ""
    yield f"Sweep of {len(result.sweep.lrs)} steps{probes}, {sum(result.timing.values()):.1f} s"
