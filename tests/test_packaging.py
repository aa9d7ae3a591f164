"""What installing lrfind brings along, and what it leaves as it is."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import requires

import pytest
from helpers import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from versions import project, pyproject, pythons

from lrfind.errors import EXTRAS

PROJECT = project()


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


def test_links_of_the_readme_work_on_the_page_of_the_package() -> None:
    text = (ROOT / "README.md").read_text()
    for each in pyproject()["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(each["pattern"], each["replacement"], text)
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", text)
    homepage = PROJECT["urls"]["Homepage"]
    pictures = homepage.replace("github.com", "raw.githubusercontent.com")
    assert len(links) > 20
    for picture, link in links:
        place = link.removeprefix(f"{pictures}/main/" if picture else f"{homepage}/blob/main/").partition("#")[0]
        assert (ROOT / place).exists(), link


def test_the_image_holds_what_the_build_needs() -> None:
    lines = [shlex.split(line) for line in (ROOT / "Dockerfile").read_text().splitlines()]
    copied = {name for line in lines if line[:1] == ["COPY"] for name in line[1:-1]}
    built = {*PROJECT["license-files"], *pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    assert copied == {"pyproject.toml", "README.md", *(name.partition("/")[0] for name in built)}
    assert all((ROOT / name).exists() for name in (*copied, *built))
    (python,) = [line[1] for line in lines if line[:1] == ["FROM"]]
    assert re.fullmatch(r"python:(3\.\d+)-slim", python)[1] in pythons()
