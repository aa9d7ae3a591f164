"""`lrfind`, and `python -m lrfind`."""

import sys


def main() -> None:
    """Run the command; a Ctrl-C while it is still being loaded ends it as one in its first step does."""
    try:
        from lrfind.commands.app import entry
    except KeyboardInterrupt:
        sys.stderr.write("lrfind: interrupted before anything was measured\n")
        sys.exit(130)
    entry()


if __name__ == "__main__":
    main()
