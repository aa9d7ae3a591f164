"""What `import lrfind` gives, and what it leaves for later."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import lrfind

pytestmark = pytest.mark.slow


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, lrfind; dir(lrfind); lrfind.__all__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torch", "torchvision", "matplotlib", "numpy", "hydra", "omegaconf", "pydantic", "rich", "typer"}
    assert not heavy & set(loaded)


def test_reading_a_record_needs_no_torch() -> None:
    code = "import sys, lrfind; lrfind.load; lrfind.Answer; lrfind.LrfindError; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "matplotlib", "numpy"} & set(loaded)


def test_a_search_from_python_loads_no_library_for_configs() -> None:
    code = """
import sys, torch, lrfind
model = torch.nn.Linear(4, 2)
batches = [(torch.randn(8, 4), torch.randint(2, (8,))) for _ in range(4)]
lrfind.find_lr(model, batches, torch.nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1), num_iter=20)
print(*sys.modules)"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "lrfind.search" in loaded
    assert not {"pydantic", "omegaconf", "hydra", "yaml", "typer", "matplotlib"} & set(loaded)


def test_the_former_name_of_the_integrations_can_be_imported() -> None:
    lightning, former = (importlib.import_module(f"lrfind.{name}.lightning") for name in ("integrations", "callbacks"))
    assert former.FindLR is lightning.FindLR


@pytest.mark.parametrize("name", lrfind.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert name in dir(lrfind)
    assert getattr(lrfind, name).__doc__


def test_another_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'lrfind' has no attribute 'find'"):
        _ = lrfind.find
