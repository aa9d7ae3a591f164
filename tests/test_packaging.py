"""What installing lrfind brings along, and what it leaves as it is."""

from __future__ import annotations

import sys
from importlib.metadata import requires
from typing import Any

import pytest
from helpers import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lrfind.errors import EXTRAS

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    """Return the packages that are required here, extras left out."""
    read = map(Requirement, requirements)
    return {canonicalize_name(one.name) for one in read if not one.marker or one.marker.evaluate({"extra": ""})}


def test_installing_lrfind_changes_no_torch() -> None:
    """A package that asks for one release of torch, as torchvision does, would replace torch and CUDA."""
    seen: set[str] = set()
    left = names(PROJECT["dependencies"]) - {"torch"}
    while left:
        package = left.pop()
        seen.add(package)
        needed = names(requires(package) or [])
        assert "torch" not in needed, f"{package} asks for a torch of its own"
        left |= needed - seen
    assert {"omegaconf", "click", "shellingham", "pillow"} & seen  # of hydra-core, typer and matplotlib


@pytest.mark.parametrize(("package", "extra"), EXTRAS.items())
def test_the_extra_that_a_message_names_brings_the_package(package: str, extra: str) -> None:
    assert package in names(PROJECT["optional-dependencies"][extra])
