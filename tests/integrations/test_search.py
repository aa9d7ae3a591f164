"""What the callbacks share: notes and warnings."""

from __future__ import annotations

import torch
from torch import nn

from lrfind.integrations.search import Search, Training


def test_what_may_make_the_answer_wrong_is_a_warning() -> None:
    """Parameters that no group of the optimizer holds are not trained."""
    notes: list[str] = []
    warnings: list[str] = []
    search = Search(strict=False, options={"probes": False}, on_note=notes.append, warn=warnings.append)
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    optimizer = torch.optim.SGD(model[1].parameters(), 0.1)
    draw = torch.Generator().manual_seed(0)
    loader = [torch.randn(8, 2, generator=draw) for _ in range(20)]
    settings = {"device": None, "scaler": None}
    search.run(Training(model, loader, optimizer, lambda model, x: model(x).square().mean(), [], settings))
    assert notes[0] == "FindLR: searching the learning rate of Sequential, as it stands"
    assert warnings[0].startswith("FindLR: No group of the optimizer holds these parameters")
    assert warnings[0].endswith("0.weight, 0.bias")
