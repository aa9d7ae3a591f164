"""The packages that lrfind can do without, and the extras that bring them."""

from __future__ import annotations

EXTRAS = {"torchvision": "vision", "transformers": "huggingface", "lightning": "lightning"}
"""The extra of lrfind for each package that its templates name."""


def how_to_install(package: str) -> str:
    """Return the command that installs a package: as an extra of lrfind, which knows the releases, if it is one."""
    return f"pip install 'lrfind[{EXTRAS[package]}]'" if package in EXTRAS else f"pip install {package}"
