"""`lrfind`, and `python -m lrfind`."""

import importlib

from lrfind.errors import interrupts


def main() -> None:
    """Run the command; a signal while it is still being loaded waits for it."""
    interrupts.install()
    interrupts.hold()
    importlib.import_module("lrfind.commands.app").entry()  # takes long enough to be interrupted


if __name__ == "__main__":
    main()
