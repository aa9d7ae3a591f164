"""Text of others, such as titles, paths and messages of exceptions, made so that none of it acts on a screen."""

from __future__ import annotations

import unicodedata

MOST_SHOWN = 4000
"""Characters of one text."""


def visible(text: str) -> str:
    r"""Return `text` with each character that does not print, but line breaks and tabs, as Python writes it: `\x1b`."""
    if text.isprintable():
        return text
    return "".join(char if _shows(char) else char.encode("unicode_escape").decode() for char in text)


def shown(text: str) -> str:
    """Return `text` visible, and without its middle if it is very long: it ends with what to do, as a rule."""
    if len(text) > MOST_SHOWN:
        half = MOST_SHOWN // 2
        text = f"{text[:half]} ... ({len(text):,} characters) ... {text[-half:]}"
    return visible(text)


def _shows(char: str) -> bool:
    return char.isprintable() or char in "\n\t" or unicodedata.category(char) == "Zs"
