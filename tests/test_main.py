from __future__ import annotations

import subprocess
import sys

INTERRUPTED_WHILE_LOADING = """
import sys
import lrfind.__main__

class CtrlC:
    def find_spec(self, name, *_):
        if name == "lrfind.commands.app":
            raise KeyboardInterrupt

sys.meta_path.insert(0, CtrlC())
lrfind.__main__.main()
"""


def test_ctrl_c_while_the_command_is_loaded_shows_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_WHILE_LOADING], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "lrfind: interrupted before anything was measured\n"


def test_the_package_runs_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "lrfind", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("lrfind ")
