"""What a notebook shows of a result: the finding, the picture and the facts, in one piece of HTML without scripts."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from lrfind.errors import shown
from lrfind.output.curve import format_lr, headline
from lrfind.output.picture import picture_bytes
from lrfind.records.types import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def html(result: Result, picture: Figure) -> str:
    """Return `result` and its picture as HTML, which sets no colour, so that it can be read on a dark page."""
    data = base64.b64encode(picture_bytes(picture, "png")).decode()
    return (
        f"<div><p><b>{_escaped(headline(result))}</b><br>{_escaped(result.analysis.message)}</p>"
        f'<img alt="Loss against learning rate" style="width:100%;max-width:800px;height:auto" '
        f'src="data:image/png;base64,{data}">'
        f"<p><small>{'<br>'.join(map(_escaped, _facts(result)))}</small></p></div>"
    )


def _escaped(text: str) -> str:
    return escape(shown(text))


def _facts(result: Result) -> Iterator[str]:
    yield result.title
    if len(result.group_lrs) > 1:
        lrs = (f"{name} {format_lr(lr)}" for name, lr in result.group_lrs.items())
        yield f"LR of each parameter group: {', '.join(lrs)}"
    probes = f", {len(result.probes)} short trainings" if result.probes else ""
    yield f"Sweep of {len(result.sweep.lrs)} steps{probes}, {sum(result.timing.values()):.1f} s"
