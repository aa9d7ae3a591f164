"""`python -m lrfind` is the `lrfind` command."""

from lrfind.commands.app import entry

if __name__ == "__main__":
    entry()
