"""What `import lrfind` gives, and what it leaves for later."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lrfind


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, lrfind; dir(lrfind); lrfind.__all__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torch", "torchvision", "matplotlib", "numpy", "hydra", "omegaconf", "pydantic", "rich", "typer"}
    assert not heavy & set(loaded)


def test_reading_a_record_needs_no_torch() -> None:
    code = "import sys, lrfind; lrfind.load; lrfind.Answer; lrfind.LrfindError; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "matplotlib", "numpy"} & set(loaded)


@pytest.mark.parametrize("name", lrfind.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert name in dir(lrfind)
    assert getattr(lrfind, name).__doc__


def test_another_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'lrfind' has no attribute 'find'"):
        _ = lrfind.find
