"""What the callbacks share: notes and warnings."""

from __future__ import annotations

import inspect

import torch
from torch import nn

import lrfind
from lrfind.errors import Level
from lrfind.integrations.search import Search, SearchOptions, Training

OF_THE_TRAINER = {
    *("step", "device", "precision", "scaler", "world_size"),
    *("accumulate", "clip_grad_norm", "clip_grad_value", "on_note", "val_loader"),
}
"""Arguments of `find_lr` that a trainer decides."""


class Logged(Search):
    def __init__(self) -> None:
        super().__init__(strict=False, options={"probes": False})
        self.lines: dict[Level, list[str]] = {level: [] for level in Level}

    def _log(self, text: str, level: Level = Level.INFO) -> None:
        self.lines[level].append(text)


def test_what_may_make_the_answer_wrong_is_a_warning() -> None:
    """Parameters that no group of the optimizer holds are not trained."""
    search = Logged()
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    optimizer = torch.optim.SGD(model[1].parameters(), 0.1)
    draw = torch.Generator().manual_seed(0)
    loader = [torch.randn(8, 2, generator=draw) for _ in range(20)]
    settings = {"device": None, "scaler": None}
    search._run(Training(model, loader, optimizer, lambda model, x: model(x).square().mean(), [], settings))
    notes, warnings = search.lines[Level.INFO], search.lines[Level.WARNING]
    assert notes[0] == "FindLR: searching the learning rate of Sequential, as it stands"
    assert warnings[0].startswith("FindLR: No group of the optimizer holds these parameters")
    assert warnings[0].endswith("0.weight, 0.bias")


def test_the_options_are_the_arguments_of_find_lr() -> None:
    known = inspect.signature(lrfind.find_lr).parameters.values()
    optional = {each.name: each.annotation for each in known if each.kind is each.KEYWORD_ONLY}
    typed = {name: each.__forward_arg__ for name, each in SearchOptions.__annotations__.items()}
    assert typed == {name: kind for name, kind in optional.items() if name not in OF_THE_TRAINER}
