"""How a picture is to look, as far as its user says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Theme = Literal["light", "dark", "paper", "notebook"]
"""Colours and type: for a light or a dark page, for print without a heading, and for a page of unknown colour."""


@dataclass(frozen=True)
class Look:
    """The look of a picture.

    Attributes:
        title: Stands in the place of the title of the record; "" for that one.
        mark: A learning rate to be drawn beside the suggested one; None for none.
        theme: Colours and type.
    """

    title: str = ""
    mark: float | None = None
    theme: Theme = "light"


PLAIN = Look()
