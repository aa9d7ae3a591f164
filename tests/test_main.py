from __future__ import annotations

import json
import subprocess
import sys

import pytest
from cli import FIXTURES, Project

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("module", ["lrfind.commands.app", "lrfind.commands.run", "torch.nn"])
def test_ctrl_c_while_the_command_is_loaded_is_told(project: Project, module: str) -> None:
    script = FIXTURES / "scripts" / "interrupted_while_loading.py"
    done = subprocess.run(
        [sys.executable, script, module, "run", project.config, "--json"], capture_output=True, text=True
    )
    assert (done.returncode, json.loads(done.stdout)["exit_code"]) == (130, 130)
    assert done.stderr == "lrfind: interrupted before anything was measured\n"


def test_the_package_runs_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "lrfind", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("lrfind ")
