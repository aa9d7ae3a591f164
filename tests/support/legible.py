"""Whether the texts of a picture can be read."""

from __future__ import annotations

import itertools

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text


def check_legible(picture: Figure) -> None:
    """Check that no text, with titles, axes and legends, is clipped or overlaps another."""
    canvas = FigureCanvasAgg(picture)
    canvas.draw()
    texts = [*picture.texts, *(text for legend in picture.legends for text in legend.get_texts())]
    for axes in picture.axes:
        texts += [axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()]
        texts += [*axes.texts, axes._left_title]  # type: ignore[attr-defined]
    # Of an annotation the text alone, without the line that leads to it.
    boxes = [(t.get_text(), Text.get_window_extent(t, canvas.get_renderer())) for t in texts if t.get_text().strip()]
    page = picture.bbox
    for text, box in boxes:
        assert page.x0 <= box.x0 < box.x1 <= page.x1, text
        assert page.y0 <= box.y0 < box.y1 <= page.y1, text
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        assert not a.overlaps(b), (one, other)
