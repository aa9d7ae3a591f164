from __future__ import annotations

import subprocess
import sys

from cli import FIXTURES


def test_ctrl_c_while_the_command_is_loaded_shows_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, FIXTURES / "scripts" / "interrupted_while_loading.py"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "lrfind: interrupted before anything was measured\n"


def test_the_package_runs_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "lrfind", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("lrfind ")
